package core

import (
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
)

// A core that takes snapshots often, while many request ids are remembered, has
// many large ones before its log is long enough to be cut.
func TestMarksAreBounded(t *testing.T) {
	l, err := newTail(Durable{})
	if err != nil {
		t.Fatal(err)
	}
	const last = 500
	for i := uint64(1); i <= last; i++ {
		l.append([]*pb.Entry{{Index: new(i), Term: new(uint64(1))}})
		l.mark(&pb.Snapshot{Data: make([]byte, 1<<20), Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{}, Index: new(i), Term: new(uint64(1))}}, maxMarkBytes)
		size := 0
		for _, m := range l.marks {
			size += len(m.GetData())
		}
		if size > maxMarkBytes {
			t.Fatalf("%d snapshots of %d bytes at entry %d", len(l.marks), size, i)
		}
		if l.base().Index != 0 || l.newest() != i {
			t.Fatalf("they lie between %d and %d, should between 0 and %d", l.base().Index, l.newest(), i)
		}
	}
	// What is left lies all over the log, so that it is cut in steps.
	bytes := l.bytesBetween(0, last)
	for steps := 0; l.base().Index < last; steps++ {
		before := l.base().Index
		l.compact(last, bytes-1)
		bytes = l.bytesBetween(l.base().Index, last)
		if step := l.base().Index - before; step == 0 || step > last/2 {
			t.Fatalf("step %d is from %d to %d", steps, before, l.base().Index)
		}
	}
}

// Gaps that no store can have are refused.
func TestWrongGapsAreRefused(t *testing.T) {
	start := func(gaps ...Gap) error {
		s := fromRaftSnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{}, Index: new(uint64(1)), Term: new(uint64(1))}})
		_, err := newTail(Durable{Snapshot: s, Gaps: gaps})
		return err
	}
	if err := start(Gap{1, 1}); err != nil {
		t.Errorf("up to the snapshot: %v", err)
	}
	for _, gaps := range [][]Gap{{{0, 1}}, {{2, 1}}, {{1, 2}}, {{1, 1}, {1, 1}}, {{1, 1}, {2, 2}}} {
		if err := start(gaps...); err == nil || !strings.Contains(err.Error(), "core: stored log has gaps") {
			t.Errorf("gaps %v: %v", gaps, err)
		}
	}
}
