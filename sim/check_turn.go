package sim

import (
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// following is what the checkers know of a node and the leaders that it hears, in this
// life of it.
type following struct {
	lead, term uint64 // of the newest heartbeat of a leader that it followed
	tick       uint64 // when it came
	closed     []closing
}

// closing is a member that has closed its connections, as the node's core was told.
type closing struct {
	id uint64
	at time.Duration // by the node's clock
}

func (f *following) closing(id uint64) *closing {
	for i := range f.closed {
		if f.closed[i].id == id {
			return &f.closed[i]
		}
	}
	return nil
}

// isTold notes what a core is told of other members' connections.
func (n *node) isTold(in core.Input) {
	switch in.(type) {
	case core.PeerClosed, core.Batch:
	default:
		return
	}
	for in := range core.Each(in) {
		in, ok := in.(core.PeerClosed)
		if !ok {
			continue
		}
		f := &n.following
		if x := f.closing(in.RaftID); x != nil {
			*x = f.closed[len(f.closed)-1]
			f.closed = f.closed[:len(f.closed)-1]
		}
		if in.Closed {
			n.w.marks.add(markToldClosed)
			f.closed = append(f.closed, closing{in.RaftID, n.clock.at(n.w.now)})
		}
	}
}

// follows notes a heartbeat that n has taken.
func (n *node) follows(p *packet) {
	if p != nil && p.info.body == bodyRaft && p.info.kind == pb.MsgHeartbeat && n.state == running &&
		n.status.Lead == p.from && n.status.Term == p.info.term {
		f := &n.following
		f.lead, f.term, f.tick = p.from, p.info.term, n.status.Tick
	}
}

// inTurn: who asks for votes has not heard from its leader for an election timeout; or
// the leader has closed its connections, and it is this voter's turn: those with lower
// Raft ids come first, but for the ones that have closed theirs too.
func (c *checks) inTurn(n *node) {
	f, silent := &n.following, uint64(n.timing.ElectionTicks)
	if f.term != n.status.Term || n.status.Tick-f.tick >= silent {
		return
	}
	x := f.closing(f.lead)
	if x == nil {
		c.w.fail(checkTurn, "%v asks for votes %d ticks after it heard from node %d, which leads, and %d are an election timeout",
			n, n.status.Tick-f.tick, core.NodeID(f.lead), silent)
		return
	}
	c.w.marks.add(markStandsInTurn)
	before := 0
	for _, m := range n.members.List {
		if id := m.GetRaftId(); m.GetRole() == corepb.Role_VOTER && id < n.identity.RaftID && id != f.lead && f.closing(id) == nil {
			before++
		}
	}
	if before > 0 {
		c.w.marks.add(markStandsLater)
	}
	// It counts in ticks: one that is late can come at once after it was told, and the
	// next one soon after that.
	from := x.at - 2*n.tick()
	for _, p := range c.promises {
		if p.replica == n.identity.RaftID && p.to == f.lead {
			from = max(from, p.until)
		}
	}
	turn := time.Duration(max(2, n.timing.HeartbeatTicks)) * n.tick()
	if early := from + time.Duration(before)*turn - n.clock.at(c.w.now); early > 0 {
		c.w.fail(checkTurn, "%v asks for votes %v before its turn, which %d others have first, as node %d has closed its connections",
			n, early, before, core.NodeID(f.lead))
	}
}
