package postgres

import (
	"slices"
	"sort"
)

// State is pg_control's.
type State uint8

const (
	ShutDown State = iota
	ShutDownInRecovery
	InCrashRecovery
	InArchiveRecovery
	InProduction
)

// Control is pg_control. A change of it is durable at once.
type Control struct {
	State          State
	Checkpoint     LSN // the record of the last checkpoint or restartpoint
	CheckpointTLI  TLI
	Redo           LSN
	MinRecovery    LSN // 0: to the end of the WAL
	MinRecoveryTLI TLI
	BackupStart    LSN // 0: not a backup whose end is to be reached
	NextXid        uint32
}

// Row is a transaction that committed.
type Row struct {
	Txn uint64
	End LSN // of its commit record
}

// prepared is a transaction of two phases.
type prepared struct {
	txn  uint64
	end  LSN // of its Prepare record
	done LSN // the end of what finished it; 0: nothing yet
}

// Conninfo is primary_conninfo and primary_slot_name.
type Conninfo struct {
	Primary int // a server's ID; 0: empty
	Name    string
	Slot    string
}

// Names is synchronous_standby_names: ANY W (Names).
type Names struct {
	W     int
	Names []string // "*" stands for all
}

func (n Names) empty() bool { return len(n.Names) == 0 }

func (n Names) has(name string) bool {
	return slices.Contains(n.Names, name) || slices.Contains(n.Names, "*")
}

func (n Names) equal(o Names) bool { return n.W == o.W && slices.Equal(n.Names, o.Names) }

type slot struct {
	name    string
	restart LSN // 0: it has never been used, and holds nothing
	conn    uint64
}

// Disk is what a server's processes leave behind.
type Disk struct {
	wal           directory
	unsynced      []write // in the system's cache
	control       Control
	standbySignal bool
	promote       bool // the file of that name
	conninfo      Conninfo
	names         Names
	slots         []slot
	rows          []Row // committed, by LSN; at a start, those before the redo LSN
	prepared      []prepared
	damaged       bool // the data pages are of two servers
}

type write struct {
	tli  TLI
	part part
}

// sync makes the writes durable up to the one of that number.
func (d *Disk) sync(n int) {
	for _, w := range d.unsynced[:n] {
		d.wal.write(w.tli, w.part)
	}
	d.unsynced = append(d.unsynced[:0], d.unsynced[n:]...)
}

// powerFails leaves a prefix of what was written and not synced, the last write torn.
// (The end of the processes alone takes nothing back that they had written, and the next
// start syncs it: SyncDataDirectory.)
func (d *Disk) powerFails(draw func(int) int) {
	if n := draw(len(d.unsynced) + 1); n < len(d.unsynced) {
		w := &d.unsynced[n].part
		w.to = w.from + LSN(draw(int(w.to-w.from)))
		if w.from < w.to {
			n++
		}
		d.unsynced = d.unsynced[:n]
	}
	d.sync(len(d.unsynced))
}

// back leaves the database as the last checkpoint has it: redo begins there.
func (d *Disk) back() {
	redo := d.control.Redo
	d.rows = d.rows[:rowsBefore(d.rows, redo)]
	d.prepared = slices.DeleteFunc(d.prepared, func(p prepared) bool { return p.end > redo })
	for i := range d.prepared {
		if d.prepared[i].done > redo {
			d.prepared[i].done = 0
		}
	}
}

// checkpointed forgets what no start will need.
func (d *Disk) checkpointed() {
	d.prepared = slices.DeleteFunc(d.prepared, func(p prepared) bool { return p.done != 0 && p.done <= d.control.Redo })
}

// rowsBefore counts those whose records end by an LSN.
func rowsBefore(rows []Row, p LSN) int {
	return sort.Search(len(rows), func(i int) bool { return rows[i].End > p })
}

func (d *Disk) slot(name string) *slot {
	for i := range d.slots {
		if d.slots[i].name == name {
			return &d.slots[i]
		}
	}
	return nil
}

// keepFrom is the first LSN that slots and settings hold.
func (d *Disk) keepFrom(end LSN, segments int) LSN {
	from := d.control.Redo
	if back := LSN(segments) * SegmentBytes; segments > 0 {
		from = min(from, end-min(end, back))
	}
	for _, s := range d.slots {
		if s.restart != 0 {
			from = min(from, s.restart)
		}
	}
	return from
}

// recycle removes the segments before an LSN, and keeps some of the files for segments
// to come, under the timeline's name (xlog.c: RemoveOldXlogFiles).
func (d *Disk) recycle(before, end LSN, tli TLI, most int) {
	gone := 0
	d.wal.remove(func(f *file) bool {
		old := f.no < before.segment()
		if old {
			gone++
		}
		return old
	})
	for i := range min(gone, most) {
		d.wal.create(tli, end.segment()+uint64(i)+1)
	}
}

// replay is what the replay of a record makes of the database.
func (d *Disk) replay(r Record) {
	switch r.Kind {
	case Commit:
		d.rows = append(d.rows, Row{r.Payload, r.End()})
	case Prepare:
		d.prepared = append(d.prepared, prepared{txn: r.Payload, end: r.End()})
	case CommitPrepared, AbortPrepared:
		i := slices.IndexFunc(d.prepared, func(p prepared) bool { return p.txn == r.Payload && p.done == 0 })
		if i >= 0 {
			d.prepared[i].done = r.End()
		}
		if r.Kind == CommitPrepared {
			d.rows = append(d.rows, Row{r.Payload, r.End()})
		}
	}
}
