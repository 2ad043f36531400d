package postgres

import (
	"cmp"
	"fmt"
	"slices"
)

// LSN is a place in the WAL, in bytes; 0 is none.
type LSN uint64

// TLI numbers a timeline; 0 is none.
type TLI uint32

const (
	// SegmentBytes is the size of a WAL segment file: small, so that forks, half
	// records and recycling meet the boundaries of segments often.
	SegmentBytes = 1 << 14
	// PageBytes is the size of a WAL page: what is flushed beside commits ends there.
	PageBytes = 1 << 9
	// FirstLSN is where the WAL of a new cluster begins: as in PostgreSQL, in segment 1.
	FirstLSN LSN = SegmentBytes
)

func (p LSN) String() string { return fmt.Sprintf("%X/%X", uint64(p)>>32, uint32(p)) }

func (p LSN) segment() uint64 { return uint64(p) / SegmentBytes }

// segmentStart and segmentEnd bound the segment that p lies in.
func (p LSN) segmentStart() LSN { return p - p%SegmentBytes }
func (p LSN) segmentEnd() LSN   { return p.segmentStart() + SegmentBytes }

// Kind is what a WAL record does.
type Kind uint8

const (
	Insert              Kind = iota + 1
	Commit                   // makes the transaction Payload visible
	Abort                    //
	Prepare                  // Payload is the transaction
	CommitPrepared           //
	AbortPrepared            //
	RunningXacts             // written by the background writer, without a commit
	Prune                    // written by reads, without a commit
	Logical                  // pg_logical_emit_message: of any length
	Switch                   // fills its segment up; carries no data
	CheckpointOnline         // Payload is its redo LSN
	CheckpointShutdown       // after a clean stop, and after crash recovery
	EndOfRecovery            // a promotion's
	OverwriteContrecord      // after crash recovery: Payload is the start of a record whose end was lost
	BackupEnd                // Payload is where the backup began
)

func (k Kind) String() string {
	return [...]string{"", "insert", "commit", "abort", "prepare", "commit prepared", "abort prepared", "running xacts", "prune", "message", "switch",
		"checkpoint online", "checkpoint shutdown", "end of recovery", "overwrite contrecord", "backup end"}[k]
}

// Record is a WAL record. Two that are equal are the same bytes: nothing in it tells
// a fork from another (xlogrecord.h: no timeline, and the CRC covers xl_prev alone).
type Record struct {
	Start, Prev  LSN // Prev: where the record before it starts (xl_prev)
	Payload      uint64
	Len          uint32 // bytes
	Xid          uint32
	TLI, PrevTLI TLI // of checkpoints and EndOfRecovery: the timeline from here on, and before
	Kind         Kind
}

// End is where the next record begins.
func (r Record) End() LSN { return r.Start + LSN(r.Len) }

// CRC is a sum over all of it.
func (r Record) CRC() uint32 {
	h := uint64(1)
	for _, v := range [...]uint64{uint64(r.Start), uint64(r.Prev), r.Payload, uint64(r.Len)<<32 | uint64(r.Xid), uint64(r.TLI)<<32 | uint64(r.PrevTLI), uint64(r.Kind)} {
		h = (h ^ v) * 0x9e3779b97f4a7c15
		h ^= h >> 31
	}
	return uint32(h)
}

// part is a run of bytes of one record.
type part struct {
	from, to LSN
	rec      Record
}

// file is a WAL segment file. What no part covers is zeros, or what a recycled file
// held before: no page header of it fits, so it is nothing.
type file struct {
	no      uint64
	tli     TLI
	partial bool // its name ends in .partial: recovery does not open it
	parts   []part
}

// name orders files by segment, then by timeline.
func (f *file) compare(no uint64, tli TLI, partial bool) int {
	p := 0
	if f.partial != partial {
		p = 1
		if partial {
			p = -1
		}
	}
	return cmp.Or(cmp.Compare(f.no, no), cmp.Compare(f.tli, tli), p)
}

// directory is pg_wal.
type directory struct {
	files     []file
	histories []History
}

func (d *directory) search(no uint64, tli TLI, partial bool) (int, bool) {
	return slices.BinarySearchFunc(d.files, 0, func(f file, _ int) int { return f.compare(no, tli, partial) })
}

// find is nil if there is no such file.
func (d *directory) find(tli TLI, no uint64) *file { return d.get(tli, no, false) }

func (d *directory) get(tli TLI, no uint64, partial bool) *file {
	if i, ok := d.search(no, tli, partial); ok {
		return &d.files[i]
	}
	return nil
}

// create returns the file, an empty one if there was none.
func (d *directory) create(tli TLI, no uint64) *file {
	i, ok := d.search(no, tli, false)
	if !ok {
		d.files = slices.Insert(d.files, i, file{no: no, tli: tli})
	}
	return &d.files[i]
}

// write puts bytes of a record into the files of a timeline, over what was there.
func (d *directory) write(tli TLI, p part) {
	for p.from < p.to {
		end := min(p.to, p.from.segmentEnd())
		d.create(tli, p.from.segment()).put(part{p.from, end, p.rec})
		p.from = end
	}
}

func (f *file) put(p part) {
	n := len(f.parts)
	switch {
	case n == 0:
		f.parts = append(make([]part, 0, 32), p)
		return
	case f.parts[n-1].to < p.from:
		f.parts = append(f.parts, p)
		return
	case f.parts[n-1].to == p.from:
		if f.parts[n-1].rec == p.rec {
			f.parts[n-1].to = p.to
			return
		}
		f.parts = append(f.parts, p)
		return
	}
	i := slices.IndexFunc(f.parts, func(q part) bool { return q.to > p.from })
	if q := f.parts[i]; q.rec == p.rec && q.from <= p.from && p.to <= q.to {
		return // it is there already
	}
	var with []part
	with = append(with, f.parts[:i]...)
	add := func(q part) {
		if m := len(with); m > 0 && with[m-1].to == q.from && with[m-1].rec == q.rec {
			with[m-1].to = q.to
		} else if q.from < q.to {
			with = append(with, q)
		}
	}
	rest := f.parts[i:]
	if q := rest[0]; q.from < p.from {
		add(part{q.from, p.from, q.rec})
	}
	add(p)
	for _, q := range rest {
		if q.to > p.to {
			add(part{max(q.from, p.to), q.to, q.rec})
		}
	}
	f.parts = with
}

// at is the part that holds the byte at p; none: an empty one.
func (f *file) at(p LSN) part {
	i, _ := slices.BinarySearchFunc(f.parts, p, func(q part, p LSN) int {
		if q.to <= p {
			return -1
		}
		return 1
	})
	if i < len(f.parts) && f.parts[i].from <= p {
		return f.parts[i]
	}
	return part{}
}

// upTo copies what a file holds before an LSN.
func (f *file) upTo(p LSN) []part {
	var out []part
	for _, q := range f.parts {
		if q.from >= p {
			break
		}
		q.to = min(q.to, p)
		out = append(out, q)
	}
	return out
}

// between are the parts of a timeline's files from one LSN to another; false: a file
// is gone, or lacks some of it.
func (d *directory) between(tli TLI, from, to LSN) ([]part, bool) {
	var out []part
	for from < to {
		f := d.find(tli, from.segment())
		if f == nil {
			return nil, false
		}
		q := f.at(from)
		if q.to == 0 {
			return nil, false
		}
		q.from, q.to = from, min(q.to, to)
		out = append(out, q)
		from = q.to
	}
	return out, true
}

// remove takes away the files that drop says.
func (d *directory) remove(drop func(*file) bool) {
	d.files = slices.DeleteFunc(d.files, func(f file) bool { return drop(&f) })
}

// removeNonParents takes away what older timelines have past the segment in which one
// begins (RemoveNonParentXlogFiles).
func (d *directory) removeNonParents(tli TLI, at LSN) {
	d.remove(func(f *file) bool { return f.no > (at-1).segment() && f.tli < tli })
}
