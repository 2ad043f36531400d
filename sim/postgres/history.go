package postgres

import (
	"cmp"
	"slices"
)

// Left is a line of a history file: the timeline was left at that LSN.
type Left struct {
	TLI TLI
	At  LSN
}

// History is a timeline's history file: how it came from timeline 1.
type History struct {
	TLI   TLI
	Lines []Left
}

// span is a timeline's share of a history (timeline.h: TimeLineHistoryEntry); end 0
// is the newest one's.
type span struct {
	tli        TLI
	begin, end LSN
}

// history is nil where there is no such file.
func (d *directory) history(tli TLI) *History {
	for i := range d.histories {
		if d.histories[i].TLI == tli {
			return &d.histories[i]
		}
	}
	return nil
}

func (d *directory) writeHistory(h History) {
	d.removeHistory(h.TLI)
	h.Lines = slices.Clone(h.Lines)
	d.histories = append(d.histories, h)
	slices.SortFunc(d.histories, func(a, b History) int { return cmp.Compare(a.TLI, b.TLI) })
}

func (d *directory) removeHistory(tli TLI) {
	d.histories = slices.DeleteFunc(d.histories, func(o History) bool { return o.TLI == tli })
}

// spans reads a timeline's history, newest first. Without a file the timeline has no
// parents (timeline.c: readTimeLineHistory).
func (d *directory) spans(tli TLI) []span {
	h := d.history(tli)
	if h == nil {
		return []span{{tli: tli}}
	}
	var out []span
	var begin LSN
	for _, l := range h.Lines {
		out = append(out, span{l.TLI, begin, l.At})
		begin = l.At
	}
	out = append(out, span{tli: tli, begin: begin})
	slices.Reverse(out)
	return out
}

// newest is the last of an unbroken row of history files from tli on (timeline.c:
// findNewestTimeLine; it probes one number after the other).
func (d *directory) newest(tli TLI) TLI {
	for d.history(tli+1) != nil {
		tli++
	}
	return tli
}

// fillGaps writes the history files of the numbers between a timeline and its parents, each with
// the history of the next one that was used.
func (d *directory) fillGaps(tli TLI) {
	lines := linesOf(d.history(tli))
	for i, l := range lines {
		next := tli
		if i+1 < len(lines) {
			next = lines[i+1].TLI
		}
		for t := next - 1; t > l.TLI; t-- {
			d.writeHistory(History{TLI: t, Lines: lines[:i+1]})
		}
	}
}

// owner is the timeline that an LSN belongs to; 0: none (tliOfPointInHistory).
func owner(spans []span, p LSN) TLI {
	for _, s := range spans {
		if s.begin <= p && (s.end == 0 || p < s.end) {
			return s.tli
		}
	}
	return 0
}

// spanOf is a timeline's part of a history.
func spanOf(spans []span, tli TLI) (s span, next TLI, ok bool) {
	for _, s := range spans {
		if s.tli == tli {
			return s, next, true
		}
		next = s.tli
	}
	return span{}, 0, false
}

// pick says which file the byte at an LSN is read from; nil: there is none.
type pick func(LSN) *file

// read is how far the reading of a record has come.
type read struct {
	rec Record // as its first bytes say; Kind 0: not even these are there
	at  LSN    // done: its end; else the first byte that is missing, or does not fit
	end readEnd
}

type readEnd uint8

const (
	readDone    readEnd = iota
	readMissing         // no such byte
	readBroken          // there is something else
)

// readRecord reads the record at p; prev is where the one before it starts, 0 if that is
// not known. Bytes from limit on count as missing.
func readRecord(p, prev, limit LSN, from pick) read {
	r := read{at: p, end: readMissing}
	if p >= limit {
		return r
	}
	f := from(p)
	if f == nil {
		return r
	}
	q := f.at(p)
	switch {
	case q.to == 0:
		return r
	case q.from != p || q.rec.Start != p || prev != 0 && q.rec.Prev != prev:
		r.end = readBroken
		return r
	}
	return read{q.rec, min(q.to, limit), readMissing}.more(limit, from)
}

// more goes on with a record whose first bytes are read.
func (r read) more(limit LSN, from pick) read {
	for r.end = readMissing; ; {
		switch {
		case r.at == r.rec.End():
			r.end = readDone
			return r
		case r.at >= limit:
			return r
		}
		f := from(r.at)
		if f == nil {
			return r
		}
		switch q := f.at(r.at); {
		case q.to == 0:
			return r
		case q.rec == r.rec:
			r.at = min(q.to, limit)
		case q.from == r.at && q.rec.Kind == OverwriteContrecord && q.rec.Payload == uint64(r.rec.Start):
			// xlogreader.c: XLP_FIRST_IS_OVERWRITE_CONTRECORD; the half is skipped.
			return readRecord(r.at, 0, limit, from)
		default:
			r.end = readBroken
			return r
		}
	}
}

// asRecovery picks the file as recovery does: of the history's newest timeline that
// has begun by that segment and has a file of it, whatever is in the file, and never
// of an older timeline than last (xlogrecovery.c: XLogFileReadAnyTLI, curFileTLI).
func (d *directory) asRecovery(spans []span, last *TLI, p LSN) *file {
	for _, s := range spans {
		if s.tli < *last {
			return nil
		}
		if p.segment() < s.begin.segment() {
			continue
		}
		if f := d.find(s.tli, p.segment()); f != nil {
			*last = s.tli
			return f
		}
	}
	return nil
}

// byHistory picks the file of the timeline that owns the LSN in the history, else its
// .partial, else a descendant's copy that is valid past the switch (FAILOVER.md,
// promotion, step 1).
func (d *directory) byHistory(spans []span, p LSN) *file {
	tli := owner(spans, p)
	if f := d.find(tli, p.segment()); f != nil {
		return f
	}
	if f := d.get(tli, p.segment(), true); f != nil {
		return f
	}
	for _, n := range spans {
		if n.tli <= tli || n.begin.segment() != p.segment() {
			continue
		}
		if f := d.find(n.tli, p.segment()); f != nil && f.at(n.begin).to != 0 {
			return f
		}
	}
	return nil
}
