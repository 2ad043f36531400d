package sim

import "github.com/pgraft/pgraft/core"

// faultMistake: the operator asks for a change that cannot be: with Param 0 a new
// member at another one's address, with 1 one with other data than it has, with 2 one
// at another address, with 3 the removal of one that is none.
var faultMistake = Kind{
	Name: "mistake", Group: "people", most: 4, alone: true,
	Doc: "an operator asks for a membership change that cannot be",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Peer = uint32(s.Int(1, o.Nodes))
		d.Param = int64(s.Below(4))
	},
	begin: func(w *World, s *strike) string {
		l, x := s.node, s.peer
		if x == nil || l.state != running || l.paused > 0 || l.members.Node(x.id) == nil || w.busyWith(x) || l.leaves(x) || !w.stays(x, l) {
			return ""
		}
		spare := w.nodes[len(w.nodes)-1]
		in := core.AddNode{NodeID: x.id, Address: x.address, Port: port, ReplicaUUID: [16]byte(l.members.Node(x.id).GetReplicaUuid())}
		a := &adminRequest{kind: adminAdd, target: x, replica: in.ReplicaUUID, wrong: true, unless: l.members.Node(x.id).GetRaftId()}
		what := ""
		switch s.Param {
		case 0:
			if l.members.Node(spare.id) != nil || w.busyWith(spare) {
				return ""
			}
			in.NodeID, a.target = spare.id, spare
			what = spare.String() + " is to be added at the address of " + x.String()
		case 1:
			in.ReplicaUUID[0]++
			a.replica = in.ReplicaUUID
			what = x.String() + " is to be added with other data"
		case 2:
			in.Address += "a"
			what = x.String() + " is to be added at another address"
		default:
			if l.members.Node(spare.id) != nil || w.busyWith(spare) {
				return ""
			}
			a.kind, a.target, a.unless = adminRemove, spare, 0
			what = spare.String() + " is to be removed, which is no member"
		}
		w.nextID++
		a.request = request{id: w.nextID, node: l, admin: a}
		in.ID = a.id
		if a.kind == adminRemove {
			w.ask(l, a, core.RemoveNode{ID: a.id, NodeID: a.target.id})
		} else {
			w.ask(l, a, in)
		}
		return what
	},
}
