package core_test

import (
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgraft/pgraft/core"
)

// moreVerbs are the verbs of reads, replacement and recovery.
var moreVerbs = map[string]func(*testing.T, *cluster, *datadriven.TestData){
	// barrier node=2 [hold]: a linearizable read point
	"barrier": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.ReadBarrier{ID: c.id()})
		if !d.HasArg("hold") {
			c.stabilize()
		}
	},
	// confirm node=1 [hold]: asks a quorum now
	"confirm": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.ConfirmLeader{ID: c.id()})
		if !d.HasArg("hold") {
			c.stabilize()
		}
	},
	"wait-applied": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.WaitApplied{ID: c.id(), Index: uint64(arg(t, d, "index", 0))})
	},
	// new-life node=2: starts it again, with another seed
	"new-life": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).life++
		at(t, c, d).start()
	},
	// keep type=ReadReply: copies of these messages stay behind for `replay`
	"keep": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		match := matching(t, d)
		for _, m := range c.wire {
			if match(m) {
				c.kept = append(c.kept, m)
			}
		}
	},
	// replay: what was kept is on its way again
	"replay": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		c.wire = append(c.wire, slices.Clone(c.kept)...)
	},
}
