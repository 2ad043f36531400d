package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What happens in the middle of a change of the members, by Param.
const (
	memberAlone   = iota // nothing
	memberPrimary        // the primary's server dies
	memberItself         // the one that comes, or goes, does
	memberBegins         // the primary's server dies first, and the change is asked for as the next epoch has begun
	memberLeader         // the Raft leader's engine ends
	memberWays
)

// faultMemberJoins: node, a spare one, is to be a member; from memberWays on as a witness.
var faultMemberJoins = Kind{
	Name: "member-joins", Group: "people", most: 3, servers: true,
	Doc: "a member with a server of its own, or a witness, is added, and something happens in the middle",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(o.Nodes+1, o.Nodes+spares))
		d.Param = int64(s.Below(memberWays))
		if s.Below(4) == 0 {
			d.Param += memberWays
		}
		d.For = s.Between(8*time.Second, 16*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if w.operator.want[s.node.id-1] || !w.servers.changes(s) {
			return ""
		}
		w.comes(s, s.node, s.Param >= memberWays)
		return fmt.Sprintf("a witness: %v, with way %d in the middle", s.node.withServer() == nil, s.memberWay())
	},
	stage: memberChanges,
	end:   func(w *World, s *strike) { w.stageEnds(s) },
}

// faultMemberGoes: a member is removed, and after For, if that is not 0, it is to be one
// again: with a new Raft store, and its data or none.
var faultMemberGoes = Kind{
	Name: "member-goes", Group: "people", most: 3, servers: true,
	Doc: "a member with a server is removed, and may be added again, and something happens in the middle",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(memberWays))
		d.For = s.Between(4*time.Second, 16*time.Second)
		if s.Below(4) == 0 {
			d.Param += memberWays // for good
		}
	},
	begin: func(w *World, s *strike) string {
		if !w.operator.want[s.node.id-1] || w.wanted() <= 2 || !w.servers.mayGo(s.node) || !w.servers.changes(s) { // the last begins it
			return ""
		}
		if s.memberWay() != memberBegins {
			w.operator.want[s.node.id-1] = false
		}
		return fmt.Sprintf("for good: %v, with way %d in the middle", s.Param >= memberWays, s.memberWay())
	},
	stage: memberChanges,
	end: func(w *World, s *strike) {
		w.stageEnds(s)
		if s.Param < memberWays && !w.operator.want[s.node.id-1] {
			w.operator.want[s.node.id-1] = true
			w.servers.welcomes(s.node)
		}
	},
}

// faultMemberReplaced: peer, a spare one, takes node's place in one change.
var faultMemberReplaced = Kind{
	Name: "member-replaced", Group: "people", most: 3, servers: true,
	Doc: "a member with a server is replaced by a new one in one change, and something happens in the middle",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Peer = uint32(s.Int(o.Nodes+1, o.Nodes+spares))
		d.Param = int64(s.Below(memberWays))
		d.For = s.Between(10*time.Second, 18*time.Second)
	},
	begin: func(w *World, s *strike) string {
		want := w.operator.want
		if s.peer == nil || want[s.peer.id-1] || !want[s.node.id-1] || s.node.server == nil || !w.servers.changes(s) {
			return ""
		}
		w.servers.setUp(s.peer, s.node.withServer() == nil)
		w.servers.welcomes(s.peer)
		return fmt.Sprintf("%v is to take its place, with way %d in the middle", s.peer, s.memberWay())
	},
	stage: func(w *World, s *strike) {
		w.asksToReplace(s)
		memberChanges(w, s)
	},
	end: func(w *World, s *strike) {
		w.stageEnds(s)
		if !s.handed && w.operator.want[s.node.id-1] { // it stays, and was to be in no set
			w.servers.welcomes(s.node)
		}
	},
}

func (s *strike) memberWay() int64 { return s.Param % memberWays }

// changes says that a change of the members can begin: a server serves. It begins the stages.
func (x *servers) changes(s *strike) bool {
	p := x.serving()
	if !x.enabled || p == nil || s.node.server == nil && int(s.node.id) <= x.w.o.Nodes || len(x.w.operator.asked) > 0 {
		return false
	}
	x.w.stageBegins(s)
	s.epoch, s.third = p.shared.Epoch, p.n
	if s.memberWay() == memberBegins && p.n.state == running {
		p.dies(s.draws.Below(2) == 0, s.draws.Between(time.Second, 6*time.Second))
	}
	return true
}

// comes has the operator want a member.
func (w *World) comes(s *strike, n *node, witness bool) {
	w.servers.setUp(n, witness)
	w.servers.welcomes(n)
	if s.memberWay() != memberBegins {
		w.operator.want[n.id-1] = true
	}
}

// asksToReplace asks for the change once the new server waits to be invited, and failover
// does not need the old one any more.
func (w *World) asksToReplace(s *strike) {
	want, l := w.operator.want, w.leader()
	switch n := s.peer; {
	case s.handed || want[n.id-1] || !want[s.node.id-1] || w.settled:
	case n.state == uninitialised:
		n.init(false)
	case l == nil || l.paused > 0 || n.paused > 0 || n.state != waiting || len(w.operator.asked) > 0 || l.members.Node(s.node.id) == nil || !w.soundWithout(s.node):
	case s.memberWay() == memberBegins && s.stage == 0:
	case w.now < s.asked+operatorPeriod:
	case !w.servers.frees(l, s.node):
		s.asked = w.now
	case w.replace(l, s.node, n):
		s.handed = true
		want[s.node.id-1], want[n.id-1] = false, true
	}
}

// memberChanges: the stages are 0 the change is not under way, 1 it is, or soon, 2 something
// has happened.
func memberChanges(w *World, s *strike) {
	l := w.leader()
	if s.stage == 2 || l == nil || l.paused > 0 {
		return
	}
	n := s.node
	if s.peer != nil {
		n = s.peer
	}
	role, is := w.role(n)
	switch {
	case s.stage == 0 && s.memberWay() == memberBegins:
		if e := l.core.FailoverState().Epoch; e.Number > s.epoch && e.Stage >= failover.StageBegun {
			if s.Kind == "member-goes" {
				w.operator.want[n.id-1] = false
				if len(w.operator.asked) == 0 {
					w.reconcile(l, n) // at once: the epoch may be open soon
				}
			} else if s.peer == nil {
				w.operator.want[n.id-1] = true
			}
			w.next(s, 2, 0, 0)
		}
	case s.stage == 0 && (is && role != corepb.Role_VOTER || len(w.operator.asked) > 0 && s.draws.Below(8) == 0):
		w.next(s, 1, 0, Pick(&s.draws, 20*time.Millisecond, 200*time.Millisecond, 2*time.Second))
	case s.stage == 1 && w.waited(s):
		w.next(s, 2, 0, 0)
		w.happensTo(s, l, n)
	}
}

func (w *World) happensTo(s *strike, l, n *node) {
	away := s.draws.Between(10*time.Millisecond, 5*time.Second)
	switch s.memberWay() {
	case memberPrimary:
		if p := w.servers.serving(); p != nil && p.n.state == running {
			w.say(p.n, "its server dies as the members change")
			p.dies(s.draws.Below(2) == 0, away)
		}
	case memberItself:
		if v := n.withServer(); v != nil && v.pg.Phase() != postgres.Down && n.state == running {
			w.say(n, "its server dies as the members change")
			v.dies(s.draws.Below(2) == 0, away)
		} else if n.state == running {
			n.dies(surviveAll)
			w.restartLater(n, away)
		}
	case memberLeader:
		if l.state == running {
			l.dies(surviveAll)
			w.restartLater(l, away)
		}
	}
}
