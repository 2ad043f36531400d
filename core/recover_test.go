package core_test

import (
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// All but one are lost at a random instant, in the middle of whatever was going
// on: membership changes, joint configurations, snapshots. The last one recovers
// with everything in its log, and new members join it.
func TestRecoverAtAnyInstant(t *testing.T) {
	joint := 0
	for seed := range uint64(24) {
		x := newRandom(seed)
		x.steps(1000 + int(seed)*37)
		var n *node // the member whose log is the most up-to-date
		for _, m := range x.all() {
			m.crash(0)
			if m.id.Invited() && !m.id.Removed && m.disk.Snapshot != nil && (n == nil || m.upToDate(n)) {
				n = m
			}
		}
		for _, m := range x.all() {
			if m != n {
				delete(x.nodes, m.id.NodeID)
			}
		}
		x.wire = nil
		if slices.ContainsFunc(n.disk.log, func(e core.Entry) bool {
			ch, _, _ := core.Change(e)
			return ch.GetStep() == corepb.MemberChange_REPLACE
		}) {
			joint++
		}
		end, before := n.end(), slices.Clone(n.disk.log)
		if err := n.recover(0xc2); err != nil {
			t.Fatal(err)
		}
		n.start()
		x.settle()
		s := n.core.Status()
		if s.Role != core.RoleLeader || s.Applied <= end || len(n.core.Members().List) != 1 {
			t.Fatalf("seed %d: %+v, log ended at %d, members %v", seed, s, end, n.core.Members())
		}
		for _, e := range before {
			if data, user, _ := core.UserData(e); user && string(x.history.applied[e.Index].Data) != string(data) {
				// The request id of an entry can have been committed before it.
				if got, ok := x.history.applied[e.Index]; ok {
					t.Errorf("seed %d: entry %d is %q, was %q", seed, e.Index, got.Data, data)
				}
			}
		}
		x.steps(3000) // it lives on as any cluster
		x.settle()
		x.checkSettled(t)
	}
	if joint == 0 {
		t.Error("no log with a replacement was recovered")
	}
}

// end is the last index on disk.
func (n *node) end() uint64 { return n.disk.Snapshot.Index + uint64(len(n.disk.log)) }

// upToDate compares logs as voters do (Raft paper, section 5.4.1).
func (n *node) upToDate(with *node) bool {
	if a, b := n.endTerm(), with.endTerm(); a != b {
		return a > b
	}
	return n.end() > with.end()
}

func (n *node) endTerm() uint64 {
	if len(n.disk.log) == 0 {
		return n.disk.Snapshot.Term
	}
	return n.disk.log[len(n.disk.log)-1].Term
}

func TestRecoverRefuses(t *testing.T) {
	c := newCluster()
	c.form(2)
	n := c.nodes[1]
	d := n.disk.Durable
	d.Entries = slices.Clone(n.disk.log)
	waiting, removed := n.id, n.id
	waiting.RaftID, removed.Removed = 0, true
	gap := d
	gap.Entries = slices.Delete(slices.Clone(d.Entries), 0, 1)
	short := d
	short.Entries = d.Entries[:1]
	other := [16]byte{2}
	for _, x := range []struct {
		name string
		id   core.Identity
		d    core.Durable
		uuid [16]byte
	}{
		{"waits to be invited", waiting, d, other},
		{"empty store", n.id, core.Durable{}, other},
		{"removed", removed, d, other},
		{"same uuid", n.id, d, n.id.ClusterUUID},
		{"no uuid", n.id, d, [16]byte{}},
		{"log with a gap", n.id, gap, other},
		{"log that lost its end", n.id, short, other},
	} {
		if id, b, err := core.Recover(x.id, x.d, core.NewestVersion, x.uuid, "h", 1); err == nil {
			t.Errorf("%s: recovered as %+v with %+v", x.name, id, b)
		}
	}
}
