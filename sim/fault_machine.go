package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// faultMachineLost: a machine is lost with all that is on it. Another one comes in its place:
// the member is removed, and added again under another Raft id.
var faultMachineLost = Kind{
	Name: "machine-lost", Group: "people", most: 2, servers: true,
	Doc:  "the machine of a PostgreSQL server is lost for good, and another comes in its place",
	draw: func(s *Stream, o *Options, d *Decision) { d.anyone(s, o) },
	begin: func(w *World, s *strike) string {
		v, x := s.node.withServer(), w.servers
		if v == nil || v.blank || s.node.state != running || !x.isOn() || x.serving() == nil || !x.allSound() || !x.canDoWithout(v) || !w.mayLose(s.node) {
			return ""
		}
		w.destroyServer(s.node)
		return "all that is on it is gone"
	},
}

// isOn says that failover is on, and that nobody is about to disable it. While it is off,
// the operator adds no member whose data would have to be cloned, and has nobody to enable
// failover with where the primary is lost.
func (x *servers) isOn() bool {
	s := x.newest()
	return x.enabled && x.keepsOff == 0 && !x.asks && s.Mode != failover.ModeOff && s.Mode != failover.ModeFounding
}

// destroyServer ends a machine with its server for good.
func (w *World) destroyServer(n *node) {
	if n.withServer() != nil {
		w.servers.reigns.lost[n.identity.RaftID] = true
		w.marks.add(markMachineLost)
	}
	w.destroy(n)
	if v := n.withServer(); v != nil {
		v.moved++
		v.priority = priority
		v.empties()
	}
}

// faultQuorumLost: every other voter is gone for good, but for as many as are no quorum, and
// the operator has node go on alone, as with faultRecover. The machines come back empty, or
// with the data of their servers, and are added again. By Param the operator is cut short. From
// quorumInFailover on the primary dies first, and the next epoch has reached a stage.
var faultQuorumLost = Kind{
	Name: "quorum-lost", Group: "people", most: 1, servers: true,
	Doc: "a majority is lost for good, and a member with a server goes on alone",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Below(3) + quorumInFailover*s.Below(4))
		d.For = 10 * time.Second
	},
	begin: func(w *World, s *strike) string {
		p := w.servers.serving()
		if !w.servers.enabled || p == nil || s.node.withServer() == nil {
			return ""
		}
		w.stageBegins(s)
		s.epoch = p.shared.Epoch
		if s.Param >= quorumInFailover && p.n.state == running && p.n != s.node {
			p.dies(s.draws.Below(2) == 0, s.draws.Between(time.Second, 8*time.Second))
		}
		w.next(s, 0, 0, time.Second)
		return fmt.Sprintf("once the next epoch is at stage %d", s.Param/quorumInFailover)
	},
	stage: func(w *World, s *strike) {
		if s.stage > 0 || !w.waited(s) || s.node.core == nil {
			return
		}
		st := s.node.core.FailoverState()
		e, wanted := &st.Epoch, failover.Stage(s.Param/quorumInFailover)
		if wanted > 0 && (e.Number == s.epoch || e.Stage < wanted) && w.now < s.since+6*time.Second || !w.mayGoOnAlone(s.node, &st) {
			return
		}
		w.next(s, 1, 0, 0)
		w.goesOnAlone(s.node, s.Param%quorumInFailover)
	},
	end: func(w *World, s *strike) { w.stageEnds(s) },
}

const quorumInFailover = 3

// mayGoOnAlone says that a node has a server whose data an operator would go on with.
func (w *World) mayGoOnAlone(n *node, s *failover.State) bool {
	v, d, m := n.withServer(), n.disk.dir, s.Member(n.identity.RaftID)
	return n.state == running && n.paused == 0 && !n.foreign() && d.identity == n.identity && d.snapshot != nil && d.corrupt == "" && d.had <= d.last() &&
		w.checks.newest.Get(n.identity.RaftID) != nil && w.checks.newest.Get(n.identity.RaftID).GetRole() == corepb.Role_VOTER &&
		m != nil && m.Joined && m.Priority > 0 && m.Quarantined == failover.NotQuarantined && s.Mode != failover.ModeOff && s.Mode != failover.ModeFounding &&
		w.operator.want[n.id-1] && !v.apart && v.setsApart == 0 && !v.rejoining && !v.edited && !v.lowered && !v.out && !v.untrusted() && !v.pg.Short() && !v.wentBack && !v.data.IsNobodys(uint32(v.pg.LastTimeline())) && v.mem.Damage == failover.NotQuarantined && v.pg.Phase() != postgres.Down && v.booted && !v.pg.Damaged() && v.data.Joined
}

// goesOnAlone is pgraft_recover_from_lost_quorum() where servers fail over. Whoever does that
// makes sure that all others are down.
func (w *World) goesOnAlone(n *node, cut int64) {
	x := w.servers
	n.dies(surviveAll)
	spared := 0
	for _, m := range slices.Clone(w.checks.newest.List) {
		o := w.nodes[core.NodeID(m.GetRaftId())-1]
		switch voters, _ := w.count(n); {
		case o == n:
		case m.GetRole() != corepb.Role_VOTER || spared+2 < core.Majority(voters):
			spared++
			o.crash(surviveAll)
			w.restartLater(o, x.moves.Between(0, operatorPatience))
		case o.withServer() != nil && !o.withServer().blank && x.moves.Below(2) == 0: // its Raft store alone is lost
			x.reigns.lost[m.GetRaftId()] = true
			w.destroy(o)
			o.server.wiped()
		default:
			w.destroyServer(o)
		}
	}
	for _, o := range w.nodes { // removed, and has not heard it: nobody could tell it any more
		if o != n && w.checks.newest.Node(o.id) == nil && o.identity.Invited() && !o.identity.Removed {
			w.wipe(o)
		}
	}
	lost := w.recover(n, cut)
	if w.failure != nil {
		return
	}
	w.say(n, "goes on alone; %d entries that were committed are lost", lost)
	x.alone, x.handled = n.server, true
	w.checks.forgetsServers(n.server, lost)
}

// getsOn is what the operator does once a member goes on alone: W may fall, and a word gives
// up what the others may have had.
func (x *servers) getsOn(l *node, s *failover.State) {
	v := x.alone
	if v == nil || x.asks {
		return
	}
	id := v.n.identity.RaftID
	e := &s.Epoch
	switch loss := s.Loss(id, l.voters()); {
	case x.serving() == v:
		x.w.marks.add(markAloneServes)
		x.alone = nil
	case s.Settings.Durability == failover.Required && s.Settings.SyncCount > 0:
		x.mayFall(l)
	case e.Stage != failover.StageBegun && s.Last.Primary != id && v.n.state == running && v.pg.InRecovery() && v.mem.Promoting == 0 && x.w.now-x.word > impatience: // it died before it opened
		x.word = x.w.now
		x.propose(l, failover.Request{Epoch: e.Number, Target: id, Way: failover.WayOverride})
	case e.Stage != failover.StageBegun || s.Report(id) == nil || s.Last.Primary == id && loss.None():
	case !loss.None() && e.Overrides == 0:
		x.word = x.w.now
		x.propose(l, failover.Override{Epoch: e.Number, Target: id, Loss: loss})
	case loss.None() && e.Ask.Way == failover.NotAsked:
		x.propose(l, failover.Request{Epoch: e.Number, Target: id, Way: failover.WayFailover})
	}
}
