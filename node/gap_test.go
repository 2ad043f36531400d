package node_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// leaveGap puts a snapshot in a member's store, ahead entries after the end of its
// log, that keeps all that the log holds. It returns the gap.
func (m *member) leaveGap(t *testing.T, ahead uint64) core.Gap {
	t.Helper()
	s := must[*store.Pebble](t, "store")(store.Open(m.cfg.DataDir, store.Options{Logger: m.cfg.Logger}))
	d := must[core.Durable](t, "load")(s.Load())
	last := s.Bounds().Last
	gap := core.Gap{From: last + 1, To: last + ahead}
	snapshot := new(pb.Snapshot)
	if err := proto.Unmarshal(d.Snapshot.Data, snapshot); err != nil {
		t.Fatal(err)
	}
	snapshot.Metadata.Index, snapshot.Metadata.Term = &gap.To, &d.HardState.Term
	hard := d.HardState
	hard.Commit = gap.To
	if err := errors.Join(s.Write([]core.Persist{{
		Snapshot: &core.Snapshot{Index: gap.To, Term: hard.Term, Data: must[[]byte](t, "snapshot")(proto.Marshal(snapshot))},
		Keep:     last, HardState: &hard, Sync: true}}), s.Close()); err != nil {
		t.Fatal(err)
	}
	return gap
}

// A node whose log has a gap starts, reads what is on both sides of it, and names
// the gap to whoever asks for an entry in it.
func TestLogWithGap(t *testing.T) {
	m := newCluster(t, 1, nil)[0]
	before := m.propose(request(1, 1), "before")
	m.applied(before)
	m.stop()
	gap := m.leaveGap(t, 7)
	m.open()
	after := m.propose(request(1, 2), "after")
	m.applied(after)

	for index, want := range map[uint64]string{before: "before", after: "after"} {
		if data, ok, err := m.Entry(soon(t), index); err != nil || !ok || string(data) != want {
			t.Errorf("entry %d: %q, %v, %v; want %q", index, data, ok, err, want)
		}
	}
	for index := gap.From; index <= gap.To; index++ {
		var in *store.GapError
		if _, _, err := m.Entry(soon(t), index); !errors.As(err, &in) || in.Gap != gap {
			t.Errorf("entry %d: %v; want a GapError with %v", index, err, gap)
		}
		if _, err := m.Entries(soon(t), index, after, 1<<20); !errors.As(err, &in) || in.Gap != gap {
			t.Errorf("entries from %d on: %v; want a GapError with %v", index, err, gap)
		}
	}
	es, err := m.Entries(soon(t), before, after, 1<<20)
	if n := len(es); err != nil || n == 0 || es[n-1].Index != gap.From-1 {
		t.Errorf("entries %d to %d: %d, %v; want those before the gap", before, after, n, err)
	}
	if b := m.view().LogBounds(); len(b.Gaps) != 1 || b.Gaps[0] != gap {
		t.Errorf("the log has gaps %v; want %v", b.Gaps, gap)
	}

	// Nobody else has it: an application is told from where on it can go on.
	c, err := m.Committed(soon(t), before-1, 100, 1<<20)
	if n := len(c.Entries); err != nil || n == 0 || c.Entries[n-1].Index != gap.From-1 {
		t.Errorf("committed after %d: %+v, %v", before-1, c, err)
	}
	c, err = m.Committed(soon(t), gap.From, 100, 1<<20)
	if err != nil || len(c.Entries) > 0 || c.First != gap.To+1 {
		t.Errorf("committed after %d: %+v, %v; want none, and first %d", gap.From, c, err, gap.To+1)
	}
}

// A member that was away while more was written than the others hold in memory gets
// the leader's snapshot. It keeps the log that it had, and what it missed comes from
// the other members' log stores.
func TestMemberThatWasAwayKeepsItsLog(t *testing.T) {
	t.Parallel()                            // it mostly waits
	const entryBytes, count = 64 << 10, 160 // over 8 MB
	c := newCluster(t, 3, nil)
	before := c.leader().propose(request(1, 1), "before")
	away := c.followers()[0]
	away.applied(before)
	away.stop()
	data := strings.Repeat("x", entryBytes)
	for i := range count {
		c.leader().propose(request(2, i), data)
	}
	last := c.leader().propose(request(3, 1), "after")
	away.open()
	away.applied(last)
	eventually(t, "the log to have no gap", func() error {
		b, want := away.view().LogBounds(), c.leader().view().LogBounds()
		if len(b.Gaps) > 0 || b.First != want.First {
			return fmt.Errorf("its log is %+v, the leader's %+v", b, want)
		}
		return nil
	})
	if !strings.Contains(away.log.String(), "this node's log has no gap any more") {
		t.Fatal("it got no snapshot: this test shows nothing")
	}
	for i := uint64(core.FoundingIndex + 1); i <= last; {
		got := must[[]core.Entry](t, "its entries")(away.Entries(soon(t), i, last, 1<<20))
		want := must[[]core.Entry](t, "the leader's")(c.leader().Entries(soon(t), i, i+uint64(len(got))-1, 1<<30))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("entries %d to %d differ from the leader's", i, i+uint64(len(got))-1)
		}
		i += uint64(len(got))
	}
}

// Where no member has what follows, an application is told from where on some member
// has the log, though that is before this node's own.
func TestCommittedSaysWhatIsGone(t *testing.T) {
	c := newCluster(t, 2, func(m *member) {
		m.cfg.SnapshotEntries, m.cfg.Retention = 10, store.Retention{RetainEntries: 80}
		if m.cfg.NodeID == 2 {
			m.cfg.Retention.RetainEntries = 20
		}
	})
	last := uint64(0)
	for i := range 200 {
		last = c[0].propose(request(1, i), "x")
	}
	c[1].applied(last)
	eventually(t, "both logs to be cut, that of node 2 shorter", func() error {
		other, own := c[0].view().LogBounds().First, c[1].view().LogBounds().First
		if other < 10 || own <= other {
			return fmt.Errorf("they begin at %d and %d", other, own)
		}
		return nil
	})
	first := c[0].view().LogBounds().First
	got, err := c[1].Committed(soon(t), 3, 100, 1<<20)
	if err != nil || len(got.Entries) > 0 || got.First != first {
		t.Fatalf("after 3: %d entries, first %d, %v; want none, and first %d", len(got.Entries), got.First, err, first)
	}
	got, err = c[1].Committed(soon(t), first-1, 100, 1<<20)
	if err != nil || len(got.Entries) == 0 || got.Entries[0].Index != first {
		t.Errorf("after %d: %d entries, %v; want those of node 1", first-1, len(got.Entries), err)
	}
}
