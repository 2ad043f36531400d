package transport

import (
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// TestOldestEndsConnections: once the cluster is at a version that a member's build
// does not know, the connection that was fine before ends, and no other comes about.
func TestOldestEndsConnections(t *testing.T) {
	n := newNode(t, 1, keepAlarms)
	old := newNode(t, 2)
	first := core.Range{Oldest: core.OldestVersion, Newest: core.OldestVersion}
	old.mu.Lock()
	old.greet = func(h *corepb.Hello) *corepb.Welcome {
		return old.self.Welcome(first, core.Greet(old.self, first.Newest, core.Members{}, h))
	}
	old.mu.Unlock()
	n.tr.SetPeers([]*corepb.Member{old.member()})
	n.waitConnected(t, raftID(2))
	if v := n.stat(raftID(2)).Version; v != core.OldestVersion {
		t.Errorf("the connection speaks version %d", v)
	}
	n.tr.SetOldest(core.NewestVersion)
	waitFor(t, "the end of the connection", func() bool {
		s := n.stat(raftID(2))
		return !s.Connected && s.Version == 0 && s.Alarm == core.TooOld
	})
	waitFor(t, "a refused attempt", func() bool {
		return n.stat(raftID(2)).LastError == "it knows versions up to 1, the cluster is at version 3: install a newer pgraft there"
	})
}
