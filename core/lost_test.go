package core_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// A node that lost data refuses its vote for that reason, also while a promise that
// it made would be a reason too: whoever reads its log must not take it for sound.
func TestLostDataIsTheReason(t *testing.T) {
	c := newCluster()
	c.quiet = true
	c.form(3)
	lost := c.nodes[3]
	b := lost.disk.clone()
	c.propose(c.nodes[1], 0, "precious")
	c.stabilize()
	lost.crash(0)
	lost.disk = b
	lost.start()
	var events []string
	c.onStep = func(n *node, _ core.Input, out core.Output) {
		for _, e := range out.Events {
			if n == lost && strings.Contains(e.Text, "Vote of node") {
				events = append(events, e.Text)
			}
		}
	}
	c.run(2)
	c.nodes[1].crash(0)
	c.run(25)
	if len(events) == 0 {
		t.Fatal("nobody asked node 3 for its vote")
	}
	if i := slices.IndexFunc(events, func(e string) bool {
		return !strings.HasSuffix(e, "this node lost acknowledged data, it elects nobody")
	}); i >= 0 {
		t.Errorf("another reason: %s", events[i])
	}
}
