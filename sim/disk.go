package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
)

// directory is what a log store's directory holds after a crash: all that was
// synced. A batch is atomic, as a record of a write-ahead log is.
type directory struct {
	identity    core.Identity
	hasIdentity bool
	snapshot    *core.Snapshot
	first       uint64       // index of log[0]; 0 = 1, as nothing was written yet
	log         []core.Entry // in a gap there are zero values
	hard        core.HardState
	promise     uint64     // milliseconds
	version     uint32     // that a build must know to read it
	corrupt     string     // what a start finds damaged; empty: nothing
	had         uint64     // where the log ended before this older copy took its place
	retention   *retention // nil: retainEntries
}

// retainEntries is how many entries before the newest snapshot a directory
// keeps for readers.
const retainEntries = 256

func (d *directory) empty() bool { return !d.hasIdentity && d.snapshot == nil }

// last is the index that the log ends at.
func (d *directory) last() uint64 { return max(d.first, 1) + uint64(len(d.log)) - 1 }

// commit is the index up to which a start takes the log for committed.
func (d *directory) commit() uint64 {
	if d.snapshot == nil {
		return 0
	}
	return max(d.hard.Commit, d.snapshot.Index)
}

// termAt is the term of the entry at index i; 0 if the directory has none.
func (d *directory) termAt(i uint64) uint64 {
	switch {
	case d.entry(i) != nil:
		return d.log[i-d.first].Term
	case d.snapshot != nil && i == d.snapshot.Index:
		return d.snapshot.Term
	}
	return 0
}

// write applies a batch; it panics on one that breaks the log, as the store does.
func (d *directory) write(b *core.Persist) {
	d.check(b)
	d.first = max(d.first, 1)
	if s := b.Snapshot; s != nil {
		d.install(s, b.Keep)
	}
	d.fill(b.History)
	if len(b.Entries) > 0 {
		i := b.Entries[0].Index
		d.log = append(d.log[:i-d.first], b.Entries...)
	}
	if m := b.Mark; m != nil && m.Index >= d.snapshotIndex() {
		d.snapshot = m
		if d.retention == nil && m.Index > d.first+2*retainEntries {
			drop := m.Index - d.first - retainEntries
			d.log, d.first = slices.Delete(d.log, 0, int(drop)), d.first+drop
		}
	}
	if h := b.HardState; h != nil {
		d.hard = *h
	}
	d.promise = max(d.promise, b.PromiseMillis)
	d.version = max(d.version, b.Version)
	d.trim()
}

// load is what a core starts from.
func (d *directory) load() (core.Durable, error) {
	if d.corrupt != "" {
		return core.Durable{}, errors.New(d.corrupt)
	}
	dur := core.Durable{HardState: d.hard, Snapshot: d.snapshot, PromiseMillis: d.promise, Gaps: d.gaps()}
	if from := d.snapshotIndex() + 1; len(d.log) > 0 && d.last() >= from {
		dur.Entries = d.log[from-d.first:]
	}
	return dur, nil
}

func (d *directory) clone() *directory {
	c := *d
	c.log = slices.Clone(d.log)
	if d.retention != nil {
		c.retention = new(*d.retention)
	}
	return &c
}

// disk is a directory and the writes on their way to it: queued in the process,
// being written, and written but not synced. It writes in order, everything
// that waits at once, with one sync for all.
type disk struct {
	node     *node
	dir      *directory
	queue    []core.Persist
	writing  []core.Persist
	unsynced []core.Persist
	busy     bool
	until    time.Duration // busy: when it is done
	latency  Stream
	damage   Stream

	slow     int           // faults in force: syncs take slowFactor times as long
	full     int           // nothing is free but room
	room     int           // bytes
	changed  time.Duration // when full did last
	waits    bool          // what is being written has found no room
	stall    time.Duration
	syncErr  bool // the next sync fails
	writeErr bool // the next write fails
}

const (
	slowFactor = 40
	// maxSync bounds a slow sync, but for faultStallSync.
	maxSync = 3 * time.Second
	// maxDiskQueue bounds the batches that a node may have unanswered. The core
	// answers nothing before its sync, so what is in flight bounds it.
	maxDiskQueue = 4096
	// lookForRoom is how often a node looks how much room there is.
	lookForRoom = time.Second
	// batchOverhead is what a batch and an entry take beside their data.
	batchOverhead = 64
)

var (
	errSync  = errors.New("disk: fsync: input/output error")
	errWrite = errors.New("disk: write: input/output error")
)

func (d *disk) add(b []core.Persist) {
	d.queue = append(d.queue, b...)
	d.kick()
}

// kick starts on what waits, unless the process stands still.
func (d *disk) kick() {
	n := d.node
	if d.busy || len(d.queue) == 0 || n.paused > 0 || n.state != running {
		return
	}
	d.busy = true
	d.writing, d.queue = d.queue, d.writing[:0]
	lat := 30 * time.Microsecond
	if needsSync(d.writing) {
		lat = d.latency.Tail(n.w.shape.syncLatency)
		if d.slow > 0 {
			lat = min(lat*slowFactor, maxSync)
		}
		lat += d.stall
		d.stall = 0
	}
	d.until = n.w.now + lat
	n.w.arrange(event{at: d.until, kind: evDisk, node: n, life: n.life})
}

func needsSync(bs []core.Persist) bool {
	return slices.ContainsFunc(bs, func(b core.Persist) bool { return b.Sync })
}

// finish is the end of what kick began.
func (d *disk) finish() {
	n := d.node
	sync := needsSync(d.writing)
	switch {
	case d.full > 0 && !d.takeRoom():
		// Nothing is answered, and nothing else is written, until there is room.
		d.waits = true
		n.w.marks.add(markWaitedForRoom)
		n.w.say(n, "waits for room on its disk")
	case d.writeErr:
		d.writeErr = false
		n.fail(errWrite)
	case d.syncErr && sync:
		d.syncErr = false
		n.fail(errSync)
	default:
		seq := d.writing[len(d.writing)-1].Seq
		d.unsynced = append(d.unsynced, d.writing...)
		if sync {
			d.settle(len(d.unsynced))
		}
		clear(d.writing)
		d.writing, d.busy = d.writing[:0], false
		in := core.Persisted{Seq: seq}
		if n.database != nil {
			in.First = d.dir.first
		}
		n.input(in)
		d.kick()
	}
}

// takeRoom says whether there is room for what is being written, and takes it.
func (d *disk) takeRoom() bool {
	need := 0
	for _, b := range d.writing {
		need += batchOverhead
		for _, es := range [][]core.Entry{b.Entries, b.History} {
			for i := range es {
				need += batchOverhead + len(es[i].Data)
			}
		}
		for _, s := range []*core.Snapshot{b.Snapshot, b.Mark} {
			if s != nil {
				need += len(s.Data)
			}
		}
	}
	if need > d.room {
		return false
	}
	d.room -= need
	return true
}

// fill leaves so much room; free ends that, and what has waited is written.
func (d *disk) fill(room int) {
	if d.full++; d.full == 1 || room < d.room {
		d.room = room
	}
	d.changed = d.node.w.now
}

func (d *disk) free() {
	w := d.node.w
	if d.full--; d.full > 0 {
		return
	}
	d.changed = w.now
	if d.waits {
		d.waits = false
		w.arrange(event{at: w.now + d.latency.Between(0, lookForRoom), kind: evDisk, node: d.node, life: d.node.life})
	}
}

// saysFull is what the node's host tells the core, at its ticks: it looks now and
// then, and knows at once when a write has found no room.
func (d *disk) saysFull() bool {
	if d.node.w.now-d.changed < lookForRoom && !d.waits {
		return d.node.status.Full
	}
	return d.full > 0 || d.waits
}

// installing says that a leader's snapshot is on its way to the disk: what it
// applied is not there yet.
func (d *disk) installing() bool {
	for _, bs := range [][]core.Persist{d.queue, d.writing, d.unsynced} {
		if slices.ContainsFunc(bs, func(b core.Persist) bool { return b.Snapshot != nil }) {
			return true
		}
	}
	return false
}

// settle makes the first n unsynced batches durable.
func (d *disk) settle(n int) {
	for i := range d.unsynced[:n] {
		d.node.w.checks.stores(d.node, &d.unsynced[i])
		d.node.w.checks.stored(d.node, &d.unsynced[i])
	}
	rest := copy(d.unsynced, d.unsynced[n:])
	clear(d.unsynced[rest:])
	d.unsynced = d.unsynced[:rest]
}

// survival says what of the writes without a sync a crash leaves.
type survival int64

const (
	surviveNone   survival = iota // a power cut right after the last sync
	surviveAll                    // the process died, the system did not
	survivePrefix                 // any prefix; a torn last record is no record
)

// crash loses what the process had queued, and of what was written as much as s
// says.
func (d *disk) crash(s survival) {
	d.unsynced = append(d.unsynced, d.writing...)
	keep := 0
	switch all := len(d.unsynced); s {
	case surviveAll:
		keep = all
	case survivePrefix:
		if keep = d.damage.Int(0, all); keep < all {
			d.node.w.marks.add(markTornTail)
		}
	}
	if keep < len(d.unsynced) {
		d.node.w.marks.add(markWritesLost)
	}
	d.settle(keep)
	clear(d.unsynced)
	clear(d.queue)
	d.unsynced, d.queue, d.writing, d.busy = d.unsynced[:0], d.queue[:0], d.writing[:0], false
	d.stall, d.syncErr, d.writeErr, d.waits = 0, false, false, false
}
