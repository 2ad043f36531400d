package node_test

import (
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// A leader is killed: the cores of the others are told that it has closed its
// connections, and that it is back.
func TestKillIsTold(t *testing.T) {
	c := newCluster(t, 3, nil)
	old := c.leader()
	id, rest := old.view().Core.RaftID, c.followers()
	if err := old.Kill(); err != nil {
		t.Fatal(err)
	}
	old.stop()
	c.leader()
	old.open()
	c.leader()
	for _, m := range rest {
		m.stop()
		var told []bool
		for _, in := range replayTrace(t, m.traceDir()).closed {
			if in.RaftID == id {
				told = append(told, in.Closed)
			}
		}
		if !slices.Equal(told, []bool{true, false}) {
			t.Errorf("node %d was told %v of node %d", m.cfg.NodeID, told, core.NodeID(id))
		}
	}
}
