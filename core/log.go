package core

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// tail is the part of the log that the core keeps in memory: everything after
// its base snapshot. It is what has been handed to the log store, so it can be
// ahead of what is durable; the library reads only what it knows to be stable.
//
// marks are this node's own snapshots, the base first. When the log before the
// newest mark grows over a bound, the base moves on to the next mark: a member
// that needs older entries gets the base snapshot instead. Each mark has all
// request ids in it, so over a bound of their own some are dropped, and the base
// moves in longer steps.
type tail struct {
	hard    *pb.HardState
	marks   []*pb.Snapshot // ascending by index; never empty
	entries []*pb.Entry    // from base index + 1
	bytes   []uint64       // bytes[i]: payload bytes of the entries up to and with i, ever
	dropped uint64         // payload bytes of all entries dropped before the base
}

var _ raft.Storage = (*tail)(nil)

func newTail(d Durable) (*tail, error) {
	base := &pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{}, Index: new(uint64), Term: new(uint64)}}
	if d.Snapshot != nil {
		base = new(pb.Snapshot)
		if err := unmarshal(d.Snapshot.Data, base); err != nil {
			return nil, fmt.Errorf("core: stored snapshot at index %d: %w", d.Snapshot.Index, err)
		}
		if i := base.GetMetadata().GetIndex(); i != d.Snapshot.Index {
			return nil, fmt.Errorf("core: stored snapshot says index %d, is filed under %d", i, d.Snapshot.Index)
		}
	}
	t := &tail{hard: hardState(d.HardState), marks: []*pb.Snapshot{base}}
	first := base.GetMetadata().GetIndex() + 1
	for i, g := range d.Gaps {
		if g.From == 0 || g.From > g.To || g.To >= first || i > 0 && g.From <= d.Gaps[i-1].To+1 {
			return nil, fmt.Errorf("core: stored log has gaps %v, the snapshot is at %d", d.Gaps, first-1)
		}
	}
	if len(d.Entries) > 0 && d.Entries[0].Index != first {
		return nil, fmt.Errorf("core: stored log starts at %d, the snapshot before it is at %d", d.Entries[0].Index, first-1)
	}
	entries := make([]*pb.Entry, len(d.Entries))
	for i, e := range d.Entries {
		if e.Index != first+uint64(i) {
			return nil, fmt.Errorf("core: stored log has %d where %d belongs", e.Index, first+uint64(i))
		}
		entries[i] = e.raft()
	}
	t.append(entries)
	return t, nil
}

func hardState(h HardState) *pb.HardState {
	return &pb.HardState{Term: new(h.Term), Vote: new(h.Vote), Commit: new(h.Commit)}
}

// base is the metadata of the snapshot before the first entry.
func (t *tail) base() Snapshot {
	m := t.marks[0].GetMetadata()
	return Snapshot{Index: m.GetIndex(), Term: m.GetTerm()}
}

// newest is the index of the newest mark.
func (t *tail) newest() uint64 { return t.marks[len(t.marks)-1].GetMetadata().GetIndex() }

func (t *tail) InitialState() (*pb.HardState, *pb.ConfState, error) {
	return t.hard, t.marks[0].GetMetadata().GetConfState(), nil
}

func (t *tail) FirstIndex() (uint64, error) { return t.base().Index + 1, nil }

func (t *tail) LastIndex() (uint64, error) { return t.base().Index + uint64(len(t.entries)), nil }

func (t *tail) Term(i uint64) (uint64, error) {
	b := t.base()
	switch {
	case i == b.Index:
		return b.Term, nil
	case i < b.Index:
		return 0, raft.ErrCompacted
	case i > b.Index+uint64(len(t.entries)):
		return 0, raft.ErrUnavailable
	}
	return t.entries[i-b.Index-1].GetTerm(), nil
}

// Entries returns the entries in [lo, hi): as many as fit in maxBytes, and at least
// one.
func (t *tail) Entries(lo, hi, maxBytes uint64) ([]*pb.Entry, error) {
	b := t.base().Index
	switch {
	case lo <= b:
		return nil, raft.ErrCompacted
	case hi > b+uint64(len(t.entries))+1:
		panic(fmt.Sprintf("entries up to %d asked of a log that ends at %d", hi, b+uint64(len(t.entries))))
	}
	es := t.entries[lo-b-1 : hi-b-1]
	size := uint64(0)
	for i, e := range es {
		size += uint64(entrySize(e))
		if size > maxBytes && i > 0 {
			return es[:i:i], nil
		}
	}
	return es[:len(es):len(es)], nil
}

// changesMembers says whether an entry in (lo, hi] changes the members.
func (t *tail) changesMembers(lo, hi uint64) bool {
	b := t.base().Index
	return slices.ContainsFunc(t.entries[max(lo, b)-b:hi-b], func(e *pb.Entry) bool { return e.GetType() == pb.EntryConfChangeV2 })
}

// Snapshot is what a member too far behind the tail gets: the base, so that
// every entry after it can follow.
func (t *tail) Snapshot() (*pb.Snapshot, error) { return t.marks[0], nil }

// append replaces everything from entries[0] on.
func (t *tail) append(entries []*pb.Entry) {
	if len(entries) == 0 {
		return
	}
	b, first := t.base().Index, entries[0].GetIndex()
	if first <= b || first > b+uint64(len(t.entries))+1 {
		panic(fmt.Sprintf("entries from %d appended to a log of %d..%d", first, b+1, b+uint64(len(t.entries))))
	}
	keep := first - b - 1
	if keep < uint64(len(t.entries)) { // the library may still read what is replaced
		t.entries = slices.Clone(t.entries[:keep])
	}
	t.entries = append(t.entries, entries...)
	t.bytes = t.bytes[:keep]
	sum := t.dropped
	if keep > 0 {
		sum = t.bytes[keep-1]
	}
	for _, e := range entries {
		sum += uint64(len(e.GetData())) + entryOverheadBytes
		t.bytes = append(t.bytes, sum)
	}
}

// entryOverheadBytes is about what an entry takes in memory beside its data.
const entryOverheadBytes = 128

// bytesBetween counts the memory of the entries in (lo, hi].
func (t *tail) bytesBetween(lo, hi uint64) uint64 {
	at := func(i uint64) uint64 {
		if i <= t.base().Index {
			return t.dropped
		}
		return t.bytes[i-t.base().Index-1]
	}
	return at(hi) - at(lo)
}

// replace makes s, received from the leader, the whole log.
func (t *tail) replace(s *pb.Snapshot) {
	*t = tail{hard: t.hard, marks: []*pb.Snapshot{s}}
}

// mark adds an own snapshot; all of them hold maxBytes, or are two.
func (t *tail) mark(s *pb.Snapshot, maxBytes uint64) {
	if i := s.GetMetadata().GetIndex(); i <= t.newest() {
		panic(fmt.Sprintf("mark at %d after one at %d", i, t.newest()))
	}
	t.marks = append(t.marks, s)
	for len(t.marks) > 2 && t.markBytes() > maxBytes {
		t.dropMark()
	}
}

// dropMark drops one between the first and the last: where they are closest.
func (t *tail) dropMark() {
	at := func(i int) uint64 { return t.marks[i].GetMetadata().GetIndex() }
	closest := 1
	for i := 2; i < len(t.marks)-1; i++ {
		if at(i+1)-at(i-1) < at(closest+1)-at(closest-1) {
			closest = i
		}
	}
	t.marks = slices.Delete(t.marks, closest, closest+1)
}

func (t *tail) markBytes() (n uint64) {
	for _, m := range t.marks {
		n += uint64(len(m.GetData()))
	}
	return n
}

// compact moves the base on while the log before the newest durable mark is
// over maxBytes. Marks after durable are not stored yet and stay.
func (t *tail) compact(durable, maxBytes uint64) {
	for len(t.marks) > 1 {
		next := t.marks[1].GetMetadata().GetIndex()
		if next > durable || t.bytesBetween(t.base().Index, t.newest()) <= maxBytes {
			return
		}
		n := next - t.base().Index
		t.dropped = t.bytes[n-1]
		// Copies, so that what was dropped can be freed.
		t.entries = append([]*pb.Entry(nil), t.entries[n:]...)
		t.bytes = append([]uint64(nil), t.bytes[n:]...)
		t.marks = append([]*pb.Snapshot(nil), t.marks[1:]...)
	}
}
