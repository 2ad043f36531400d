package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgraft/pgraft/core"
)

// TestScripts runs the stories of testdata/core; TESTING.md documents the
// language. Rewrite with: go test ./core -run TestScripts -rewrite
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../testdata/core", func(t *testing.T, path string) {
		c := newCluster()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c.out.Reset()
			verb, ok := verbs[d.Cmd]
			if !ok {
				verb, ok = moreVerbs[d.Cmd]
			}
			if !ok {
				d.Fatalf(t, "unknown verb %q", d.Cmd)
			}
			verb(t, c, d)
			c.check()
			if c.out.Len() == 0 {
				return "ok"
			}
			return c.out.String()
		})
	})
}

// arg reads an optional number.
func arg(t *testing.T, d *datadriven.TestData, name string, def int) int {
	d.MaybeScanArgs(t, name, &def)
	return def
}

// at is the node that a verb names.
func at(t *testing.T, c *cluster, d *datadriven.TestData) *node {
	n := c.nodes[uint32(arg(t, d, "node", 1))]
	if n == nil {
		d.Fatalf(t, "no node %d", arg(t, d, "node", 1))
	}
	return n
}

var verbs = map[string]func(*testing.T, *cluster, *datadriven.TestData){
	// cluster n=3 [election=10 heartbeat=1 snapshot=1000]: formed quietly, node 1 leads
	"cluster": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		c.timing.ElectionTicks = arg(t, d, "election", 10)
		c.timing.HeartbeatTicks = arg(t, d, "heartbeat", 1)
		c.timing.SnapshotEntries = uint64(arg(t, d, "snapshot", 1000))
		c.timing.MaxTailBytes = uint64(arg(t, d, "tail", 0))
		c.quiet = true
		c.form(uint32(arg(t, d, "n", 3)))
		c.quiet = false
	},
	// init node=1: founds a one-node cluster;  init node=2 wait: waits to be invited
	"init": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		n := c.create(uint32(arg(t, d, "node", 1)))
		if !d.HasArg("wait") {
			n.bootstrap()
		}
	},
	// wipe node=2: the directory is lost, the node waits to be invited with a new uuid
	"wipe": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).crash()
		c.create(uint32(arg(t, d, "node", 1)))
	},
	"tick": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		for range arg(t, d, "n", 1) {
			at(t, c, d).step(core.Tick{})
		}
	},
	"run":       func(t *testing.T, c *cluster, d *datadriven.TestData) { c.run(arg(t, d, "ticks", 1)) },
	"stabilize": func(t *testing.T, c *cluster, d *datadriven.TestData) { c.stabilize() },
	// deliver [from=1] [to=2] [type=MsgApp] [n=1]: only these;  drop: the same, thrown away
	"deliver": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		for range arg(t, d, "n", 1) {
			c.deliver(matching(t, d))
		}
	},
	"drop": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		c.wire = slices.DeleteFunc(c.wire, matching(t, d))
	},
	"wire": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		for _, m := range c.wire {
			c.printf("%v\n", m)
		}
	},
	// propose node=1 [id=7] data
	"propose": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		id := c.id()
		data := d.Input
		if n := arg(t, d, "size", 0); n > 0 {
			data = strings.Repeat("x", n)
		}
		rid := [16]byte{1: byte(id), 2: byte(id >> 8)}
		if d.HasArg("id") {
			rid = [16]byte{0: byte(arg(t, d, "id", 0))}
		}
		at(t, c, d).step(core.Propose{ID: id, RequestID: rid, Data: []byte(data)})
		if !d.HasArg("hold") {
			c.stabilize()
		}
	},
	"cancel": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.Cancel{ID: uint64(arg(t, d, "id", 0))})
	},
	// add-node node=1 add=2 [address=x]: asks node 1
	"add-node": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		id := uint32(arg(t, d, "add", 0))
		in := core.AddNode{ID: c.id(), NodeID: id, Address: fmt.Sprintf("host%d", id), Port: 7000}
		d.MaybeScanArgs(t, "address", &in.Address)
		if x := c.nodes[id]; x != nil {
			in.ReplicaUUID = x.id.ReplicaUUID
		}
		at(t, c, d).step(in)
		c.stabilize()
	},
	"remove-node": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.RemoveNode{ID: c.id(), NodeID: uint32(arg(t, d, "remove", 0))})
		if !d.HasArg("hold") {
			c.stabilize()
		}
	},
	"transfer": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		at(t, c, d).step(core.TransferLeader{ID: c.id(), NodeID: uint32(arg(t, d, "to", 0))})
		if !d.HasArg("hold") {
			c.stabilize()
		}
	},
	"crash":   func(t *testing.T, c *cluster, d *datadriven.TestData) { at(t, c, d).crash() },
	"restart": func(t *testing.T, c *cluster, d *datadriven.TestData) { at(t, c, d).start() },
	// slow node=2: its disk syncs only at `sync node=2`;  fast node=2: at once again
	"slow": func(t *testing.T, c *cluster, d *datadriven.TestData) { at(t, c, d).slow = true },
	"fast": func(t *testing.T, c *cluster, d *datadriven.TestData) { at(t, c, d).slow = false },
	"sync": func(t *testing.T, c *cluster, d *datadriven.TestData) { at(t, c, d).sync() },
	// partition from=1 to=2 [oneway]: messages fail;  isolate node=1;  heal
	"partition": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		from, to := uint32(arg(t, d, "from", 0)), uint32(arg(t, d, "to", 0))
		c.cut[[2]uint32{from, to}] = true
		if !d.HasArg("oneway") {
			c.cut[[2]uint32{to, from}] = true
		}
	},
	"isolate": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		x := at(t, c, d).id.NodeID
		for _, n := range c.all() {
			c.cut[[2]uint32{x, n.id.NodeID}], c.cut[[2]uint32{n.id.NodeID, x}] = true, true
		}
	},
	"heal": func(t *testing.T, c *cluster, d *datadriven.TestData) { clear(c.cut) },
	// raw node=2 from=1: a message of arbitrary bytes
	"raw": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		from := c.nodes[uint32(arg(t, d, "from", 1))]
		at(t, c, d).step(core.Receive{From: from.id.RaftID, Data: []byte(d.Input)})
	},
	"status": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		for _, n := range c.all() {
			c.printf("%s\n", n.describe())
		}
	},
	"members": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		for _, s := range at(t, c, d).core.MemberStatuses() {
			c.printf("node %d incarnation %d %s:%d %v match %d replicating %v silent %dms heard %v\n", core.NodeID(s.Member.GetRaftId()),
				core.Incarnation(s.Member.GetRaftId()), s.Member.GetAddress(), s.Member.GetPort(), s.Member.GetRole(), s.Match, s.Replicating, s.SilentMillis, s.Heard)
		}
	},
	"log": func(t *testing.T, c *cluster, d *datadriven.TestData) {
		n := at(t, c, d)
		c.printf("snapshot %d/%d\n", n.disk.Snapshot.Index, n.disk.Snapshot.Term)
		for _, e := range n.log {
			data, user, err := core.UserData(e)
			switch {
			case err != nil:
				c.printf("%d/%d %v\n", e.Index, e.Term, err)
			case user:
				c.printf("%d/%d %q\n", e.Index, e.Term, data)
			case e.Kind == core.EntryConfChangeV2:
				c.printf("%d/%d membership\n", e.Index, e.Term)
			default:
				c.printf("%d/%d empty\n", e.Index, e.Term)
			}
		}
	},
}

func matching(t *testing.T, d *datadriven.TestData) func(message) bool {
	from, to, typ := uint32(arg(t, d, "from", 0)), uint32(arg(t, d, "to", 0)), ""
	d.MaybeScanArgs(t, "type", &typ)
	return func(m message) bool {
		return (from == 0 || m.from == from) && (to == 0 || m.to == to) && (typ == "" || strings.Contains(m.String(), " "+typ))
	}
}

func (n *node) describe() string {
	if n.core == nil && !n.id.Invited() {
		return fmt.Sprintf("%d: waits to be invited", n.id.NodeID)
	}
	if n.core == nil {
		return fmt.Sprintf("%d: down", n.id.NodeID)
	}
	s := n.core.Status()
	lease := ""
	if s.LeaseTicks > 0 {
		lease = fmt.Sprintf(" lease for %d", s.LeaseFrom+s.LeaseTicks-s.Tick)
	}
	return fmt.Sprintf("%d: %v term %d leader %d commit %d applied %d last %d%s", n.id.NodeID, s.Role, s.Term, core.NodeID(s.Lead), s.Commit, s.Applied, s.Last, lease)
}

// check looks at what must hold at every instant.
func (c *cluster) check() {
	leaders := map[uint64]uint32{}
	holders := 0
	for _, n := range c.all() {
		if n.core == nil {
			continue
		}
		s := n.core.Status()
		if s.Role == core.RoleLeader {
			if other, ok := leaders[s.Term]; ok {
				panic(fmt.Sprintf("nodes %d and %d both lead in term %d", other, n.id.NodeID, s.Term))
			}
			leaders[s.Term] = n.id.NodeID
		}
		if s.LeaseTicks > 0 {
			holders++
		}
	}
	if holders > 1 {
		panic(fmt.Sprintf("%d nodes hold a lease", holders))
	}
	for i := range c.acked {
		if _, ok := c.applied[i]; !ok {
			panic(fmt.Sprintf("entry %d was acknowledged and no node applied it", i))
		}
	}
}
