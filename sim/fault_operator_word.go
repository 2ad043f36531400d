package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// Bits of faultOperatorWord's Param.
const (
	wordOverrides = 1 << iota // what is missing is given up
	wordInManual              // nobody but the last primary gets an epoch without a word
	wordIsNeeded              // the primary dies first, and node has not got all of its WAL
	wordKinds
)

// faultOperatorWord: an operator wants node to be the primary.
var faultOperatorWord = Kind{
	Name: "operator-word", Group: "server", most: 3, servers: true,
	Doc: "an operator has a server take over, may give up commits for it, and may be the only one to decide",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Param = Pick(s, int64(s.Below(wordKinds)), wordOverrides|wordInManual|wordIsNeeded)
		d.For = s.Between(3*time.Second, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		l := w.leader()
		if s.node.withServer() == nil || l == nil || l.paused > 0 || l.core.FailoverState().Mode != failover.ModeOn {
			return ""
		}
		w.stageBegins(s)
		if s.Param&wordInManual != 0 {
			w.servers.manual++
		}
		if p := w.servers.serving(); p != nil && s.Param&wordIsNeeded != 0 && p.n != s.node && p.n.state == running {
			s.third = p.n
			w.link(p.n, s.node).walCut++
		}
		w.next(s, 0, 200*time.Millisecond, time.Second)
		return fmt.Sprintf("overrides %v, in manual %v, for %v", s.Param&wordOverrides != 0, s.Param&wordInManual != 0, s.For)
	},
	stage: func(w *World, s *strike) {
		l := w.leader()
		if l == nil || l.paused > 0 || l.server == nil || w.servers.asks || !w.waited(s) {
			return
		}
		st := l.core.FailoverState()
		e, id := &st.Epoch, s.node.identity.RaftID
		lossy := s.Param&wordOverrides != 0
		switch {
		case s.stage == 0:
			if s.third != nil {
				s.third.server.dies(false, s.draws.Between(time.Second, s.For))
				s.letsThrough(w)
			}
			w.next(s, 1, 0, 0)
		case s.stage == 1 && (e.Ask.Target == id || st.Mode == failover.ModeOff):
			w.next(s, 2, 0, 0)
		case s.stage == 1: // until a leader has taken it
			way := failover.WayFailover
			if lossy {
				way = failover.WayOverride
			}
			w.servers.propose(l, failover.Request{Epoch: e.Number, Target: id, Way: way})
			w.next(s, 1, 300*time.Millisecond, time.Second)
		case lossy && e.Stage == failover.StageBegun && e.Overrides == 0 && st.Report(id) != nil:
			w.servers.propose(l, failover.Override{Epoch: e.Number, Target: id, Loss: st.Loss(id, l.voters())})
			w.next(s, 2, 0, 500*time.Millisecond)
		}
	},
	end: func(w *World, s *strike) {
		s.letsThrough(w)
		if s.Param&wordInManual != 0 {
			w.servers.manual--
		}
		w.stageEnds(s)
	},
}

// letsThrough ends a cut of WAL between a primary and who is to follow it.
func (s *strike) letsThrough(w *World) {
	if s.third != nil {
		w.link(s.third, s.node).walCut--
		s.third = nil
	}
}

// voters are those that a node knows.
func (n *node) voters() (ids []uint64) {
	for _, m := range n.members.List {
		if m.GetRole() == corepb.Role_VOTER {
			ids = append(ids, m.GetRaftId())
		}
	}
	return ids
}

// modes has the mode be manual for as long as a fault wants that.
func (x *servers) modes(l *node, s *failover.State) {
	want := failover.ModeOn
	if x.manual > 0 {
		want = failover.ModeManual
	}
	if (s.Mode == failover.ModeOn || s.Mode == failover.ModeManual) && s.Mode != want && !x.asks {
		x.propose(l, failover.Adjust{Mode: want, Settings: s.Settings})
	}
}
