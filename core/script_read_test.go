package core_test

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// readVerbs are those of reads, replacement and recovery.
var readVerbs = map[string]func(*script){
	// barrier node=2 [hold]: a linearizable read point
	"barrier": func(s *script) {
		s.read(s.node())
		s.settle()
	},
	// confirm node=1 [hold]: asks a quorum now
	"confirm": func(s *script) {
		s.node().step(core.ConfirmLeader{ID: s.id()})
		s.settle()
	},
	"wait-applied": func(s *script) {
		s.node().step(core.WaitApplied{ID: s.id(), Index: uint64(s.num("index", 0))})
	},
	// new-life node=2: starts it again, with another seed
	"new-life": func(s *script) {
		s.node().life++
		s.node().start()
	},
	// replace-node [node=1] old=2 new=4: asks node 1
	"replace-node": func(s *script) {
		id := uint32(s.num("new", 0))
		in := core.ReplaceNode{ID: s.id(), OldNodeID: uint32(s.num("old", 0)), NodeID: id,
			Address: s.text("address", fmt.Sprintf("host%d", id)), Port: 7000}
		if x := s.nodes[id]; x != nil {
			in.ReplicaUUID, in.Newest = x.id.ReplicaUUID, x.cfg.Newest
		}
		s.node().step(in)
		s.settle()
	},
	// add-latin1 [node=1] add=2: with an address that is not UTF-8
	"add-latin1": func(s *script) {
		s.node().step(core.AddNode{ID: s.id(), NodeID: uint32(s.num("add", 0)), Address: "h\xf6st", Port: 7000})
		s.settle()
	},
	// recover node=3: goes on alone, under the name of a new uuid
	"recover": func(s *script) {
		if err := s.node().recover(byte(s.num("uuid", 0xc2))); err != nil {
			s.printf("%v\n", err)
		}
	},
	// changes node=3: what the membership entries of its log do
	"changes": func(s *script) {
		for _, e := range s.node().disk.log {
			ch, ok, err := core.Change(e)
			switch {
			case err != nil:
				s.printf("%d %v\n", e.Index, err)
			case ok:
				s.printf("%d %v node %d incarnation %d\n", e.Index, ch.GetStep(), core.NodeID(ch.GetMember().GetRaftId()), core.Incarnation(ch.GetMember().GetRaftId()))
			case e.Kind == core.EntryConfChangeV2:
				s.printf("%d leaves the joint configuration\n", e.Index)
			}
		}
	},
	// keep pattern: copies of these messages stay behind for replay
	"keep": func(s *script) {
		for _, m := range s.wire {
			if s.pattern().match(m) {
				s.kept = append(s.kept, m)
			}
		}
	},
	// replay: what was kept is on its way again
	"replay": func(s *script) { s.wire = append(s.wire, slices.Clone(s.kept)...) },
}

// recover makes a stopped node a cluster of its own. What the lost majority had
// is no measure any more.
func (n *node) recover(uuid byte) error {
	d := n.disk.Durable
	d.Entries = slices.Clone(n.disk.log)
	id, batch, err := core.Recover(n.id, d, n.cfg.Newest, [16]byte{uuid}, n.address, 7000)
	if err != nil {
		return err
	}
	n.disk.write(batch)
	n.id = id
	h := newHistory()
	h.asked, h.open, h.recovered = n.c.history.asked, n.c.history.open, true
	n.c.history = h
	return nil
}
