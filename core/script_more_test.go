package core_test

import (
	"fmt"
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
	// replace-node [node=1] old=2 new=4: asks node 1
	"replace-node": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		id := uint32(arg(t, d, "new", 0))
		in := core.ReplaceNode{ID: c.id(), OldNodeID: uint32(arg(t, d, "old", 0)), NodeID: id, Address: fmt.Sprintf("host%d", id), Port: 7000}
		d.MaybeScanArgs(t, "address", &in.Address)
		if x := c.nodes[id]; x != nil {
			in.ReplicaUUID = x.id.ReplicaUUID
		}
		at(t, c, d).step(in)
		if !d.HasArg("hold") {
			c.stabilize()
		}
	},
	// add-latin1 [node=1] add=2: with an address that is not UTF-8
	"add-latin1": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.AddNode{ID: c.id(), NodeID: uint32(arg(t, d, "add", 0)), Address: "h\xf6st", Port: 7000})
		c.stabilize()
	},
	// recover node=3: goes on alone, under the name of a new uuid
	"recover": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		n := at(t, c, d)
		if err := n.recover(byte(arg(t, d, "uuid", 0xc2))); err != nil {
			c.printf("%v\n", err)
		}
	},
	// changes node=3: what the membership entries of its log do
	"changes": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		for _, e := range at(t, c, d).log {
			ch, ok, err := core.Change(e)
			switch {
			case err != nil:
				c.printf("%d %v\n", e.Index, err)
			case ok:
				c.printf("%d %v node %d incarnation %d\n", e.Index, ch.GetStep(), core.NodeID(ch.GetMember().GetRaftId()), core.Incarnation(ch.GetMember().GetRaftId()))
			case e.Kind == core.EntryConfChangeV2:
				c.printf("%d leaves the joint configuration\n", e.Index)
			}
		}
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

// recover makes a stopped node a cluster of its own.
func (n *node) recover(uuid byte) error {
	d := n.disk
	d.Entries = slices.Clone(n.log)
	id, batch, err := core.Recover(n.id, d, [16]byte{uuid}, n.address, 7000)
	if err != nil {
		return err
	}
	n.write(batch)
	n.id = id
	return nil
}
