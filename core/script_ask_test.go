package core_test

import (
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core"
)

// askVerbs are what people and applications ask of a node. All settle at the
// end, unless they say hold.
var askVerbs = map[string]func(*script){
	// propose node=1 [id=7] [size=100] [count=1] [quiet] data=x, or the data as its input
	"propose": func(s *script) {
		defer func(was bool) { s.quiet = was }(s.quiet)
		s.quiet = s.has("quiet")
		for i := range s.num("count", 1) {
			data := s.text("data", strings.TrimSuffix(s.d.Input, "\n"))
			if n := s.num("size", 0); n > 0 {
				data = strings.Repeat("x", n)
			}
			if s.has("count") {
				data = fmt.Sprintf("%s%d", data, i+1)
			}
			s.propose(s.node(), s.num("id", 0), data)
		}
		s.settle()
	},
	// cancel node=1 id=3: nobody waits for reply 3 any longer
	"cancel": func(s *script) {
		s.node().step(core.Cancel{ID: uint64(s.num("id", 0))})
		s.settle()
	},
	// add-node node=1 add=2 [address=x] [uuid=9]: asks node 1
	"add-node": func(s *script) {
		id := uint32(s.num("add", 0))
		in := core.AddNode{ID: s.id(), NodeID: id, Address: s.text("address", fmt.Sprintf("host%d", id)), Port: 7000}
		if x := s.nodes[id]; x != nil {
			in.ReplicaUUID, in.Newest = x.id.ReplicaUUID, x.cfg.Newest
		}
		if s.has("uuid") {
			in.ReplicaUUID = [16]byte{byte(s.num("uuid", 0))}
		}
		s.node().step(in)
		s.settle()
	},
	// remove-node node=1 remove=2
	"remove-node": func(s *script) {
		s.node().step(core.RemoveNode{ID: s.id(), NodeID: uint32(s.num("remove", 0))})
		s.settle()
	},
	// transfer node=1 [to=2]
	"transfer": func(s *script) {
		s.node().step(core.TransferLeader{ID: s.id(), NodeID: uint32(s.num("to", 0))})
		s.settle()
	},
}

// propose asks with a request id of its own, unless one is given.
func (c *cluster) propose(n *node, requestID int, data string) {
	in := core.Propose{ID: c.id(), Data: []byte(data)}
	in.RequestID = [16]byte{1: byte(in.ID), 2: byte(in.ID >> 8), 3: byte(in.ID >> 16)}
	if requestID > 0 {
		in.RequestID = [16]byte{0: byte(requestID)}
	}
	c.history.asked[in.ID], c.history.open[in.ID] = in, n.key
	delete(c.history.refused, in.RequestID)
	n.step(in)
}
