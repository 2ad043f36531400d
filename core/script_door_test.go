package core_test

import (
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// doorVerbs bring a node what no correct member sends, and strangers.
var doorVerbs = map[string]func(*script){
	// raw node=2 from=1 [incarnation=4] [bytes]: a message, its input an Envelope as
	// text (from and to are filled in where they miss), or arbitrary bytes
	"raw": func(s *script) {
		n, from := s.node(), s.nodeAt("from")
		sender := core.RaftID(uint32(s.num("incarnation", int(core.Incarnation(from.id.RaftID)))), from.key)
		data := []byte(s.d.Input)
		if !s.has("bytes") {
			var env corepb.Envelope
			if err := prototext.Unmarshal(data, &env); err != nil {
				s.d.Fatalf(s.t, "%v", err)
			}
			fill(&env, sender, n.id.RaftID)
			data = mustMarshal(&env)
		}
		n.step(core.Receive{From: sender, Data: data})
		s.settle()
	},
	// unreachable node=1 peer=2: a message could not be sent
	"unreachable": func(s *script) { s.node().step(core.PeerUnreachable{RaftID: s.nodeAt("peer").id.RaftID}) },
	// closed node=1 peer=2: its connections ended and its port refuses;  opened: no longer
	"closed": func(s *script) {
		s.node().step(core.PeerClosed{RaftID: s.nodeAt("peer").id.RaftID, Closed: true})
	},
	"opened": func(s *script) { s.node().step(core.PeerClosed{RaftID: s.nodeAt("peer").id.RaftID}) },
	// snapshot-failed node=1 peer=2: what the host owes for a snapshot
	"snapshot-failed": func(s *script) { s.node().step(core.SnapshotSent{RaftID: s.nodeAt("peer").id.RaftID}) },
	// greet from=1 to=2 [probe]: node 1 dials node 2; its input is merged into the Hello
	"greet": func(s *script) {
		from, to := s.nodeAt("from"), s.nodeAt("to")
		member := from.members.Node(to.key)
		if member == nil || s.has("probe") {
			member = &corepb.Member{}
		}
		hello := from.id.Hello(from.members.Speaks(from.newest()), member, to.key)
		var change corepb.Hello
		if err := prototext.Unmarshal([]byte(s.d.Input), &change); err != nil {
			s.d.Fatalf(s.t, "%v", err)
		}
		proto.Merge(hello, &change)
		for _, field := range s.vals("clear") {
			m := hello.ProtoReflect()
			m.Clear(m.Descriptor().Fields().ByTextName(field))
		}
		members := to.members
		if !to.id.Invited() {
			members = core.Members{}
		}
		v := core.Greet(to.id, to.newest(), members, hello)
		w := to.id.Welcome(members.Speaks(to.newest()), v)
		if v.Join != nil {
			s.printf("node %d joins as incarnation %d\n", v.Join.NodeID, core.Incarnation(v.Join.RaftID))
			return
		}
		s.printf("%v %s\n", w.GetRefusal(), w.GetReason())
	},
	// identity node=2 [cluster-id=x] [cluster=9] [replica=9] [removed] [id=4]: who it takes itself for
	"identity": func(s *script) {
		n := s.node()
		n.id.ClusterID = s.text("cluster-id", n.id.ClusterID)
		n.id.Removed = s.has("removed")
		if s.has("cluster") {
			n.id.ClusterUUID = [16]byte{byte(s.num("cluster", 0))}
		}
		if s.has("replica") {
			n.id.ReplicaUUID = [16]byte{byte(s.num("replica", 0))}
		}
		n.id.NodeID = uint32(s.num("id", int(n.id.NodeID)))
		if s.has("waits") {
			n.id.RaftID = 0
		}
	},
}

func (s *script) vals(name string) []string {
	a, _ := s.d.Arg(name)
	return a.Vals
}

// fill sets sender and recipient where a message has none.
func fill(env *corepb.Envelope, from, to uint64) {
	if env.From == 0 {
		env.From = from
	}
	if env.To == 0 {
		env.To = to
	}
	if m := env.GetRaft(); m != nil {
		if m.From == nil {
			m.From = new(from)
		}
		if m.To == nil {
			m.To = new(to)
		}
		for i, e := range m.GetEntries() {
			if e.Index == nil {
				e.Index = new(m.GetIndex() + 1 + uint64(i))
			}
		}
	}
}
