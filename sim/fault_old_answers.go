package sim

import (
	"fmt"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
)

// faultOldAnswers: two lives of leadership on purpose. Node is made to lead, and
// what it is answered from its election on is kept; it is made to hand leadership
// over, or is cut off, and to lead again; then the kept answers arrive. Param says
// what the moment is: oldAnswersNow and what follows; 10 more, and answers of all
// kinds are kept, not only those that matter then.
var faultOldAnswers = Kind{
	Name: "old-answers", Group: "network", most: 8,
	Doc: "a node leads twice, and answers of the first time arrive in the second",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(6*time.Second, 16*time.Second)
		d.Param = 10*int64(s.Below(2)) + int64(Pick(s, oldAnswersNow, oldAnswersCutOff, oldAnswersCutOff, oldAnswersCutOff,
			oldAnswersCandidate, oldAnswersCandidate, oldAnswersRestarted, oldAnswersRestarted, oldAnswersLate, oldAnswersFew))
		if o.Nodes > 3 && s.Below(2) == 0 {
			d.Param = oldAnswersFew
		}
	},
	begin: func(w *World, s *strike) string {
		if !w.votes(s.node) {
			return ""
		}
		w.stageBegins(s)
		return fmt.Sprintf("for %v", s.For)
	},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		if s.stage < 1 || s.stage > 2 || p.to != s.node || !answersKept(s.Param, p.info) {
			return false
		}
		s.keep(p, 200)
		return false
	},
	stage: oldAnswers,
	end:   func(w *World, s *strike) { w.stageEnds(s) },
}

const (
	oldAnswersNow       = iota // it leads again
	oldAnswersCutOff           // it leads again, and is cut off at that moment
	oldAnswersCandidate        // it is cut off, and campaigns
	oldAnswersRestarted        // it was restarted in between, and leads again
	oldAnswersLate             // it leads again for a while, with its disk slow, and is cut off
	oldAnswersFew              // it led but one other for a while, with entries that no others got
)

// answersKept says whether a message is one of the answers to keep.
func answersKept(param int64, i wireInfo) bool {
	if i.body != bodyRaft {
		return param >= 10 && (i.body == bodyForwardReply || i.body == bodyReadReply)
	}
	switch moment := param % 10; i.kind {
	case pb.MsgVoteResp, pb.MsgPreVoteResp:
		return !i.reject && (param >= 10 || moment == oldAnswersCandidate)
	case pb.MsgAppResp:
		return !i.reject && (param >= 10 || moment == oldAnswersFew || moment == oldAnswersNow)
	case pb.MsgHeartbeatResp:
		return param >= 10 || moment != oldAnswersCandidate && moment != oldAnswersFew
	}
	return false
}

// oldAnswers is a look at the cluster: the stages are 0 somebody else leads, 1 node
// is to lead, 2 it leads for the first time, 3 somebody else is to lead, 4 node is
// to campaign, 5 node is to lead again, 6 the answers arrive.
func oldAnswers(w *World, s *strike) {
	n, l := s.node, w.leader()
	switch s.stage {
	case 0:
		if s.kept, s.term = nil, n.status.Term-1; l == n {
			s.term = n.status.Term
		}
		if w.hand(s, nil) && l != n {
			w.next(s, 1, 0, 0)
		}
	case 1:
		if w.hand(s, n) {
			s.term = n.status.Term
			w.next(s, 2, 200*time.Millisecond, 4*time.Second)
		}
	case 2:
		if s.draws.Below(10) == 0 {
			w.askFor(s, n, opBarrier)
		}
		if !w.waited(s) {
			break
		}
		if b := w.other(s, n); s.Param%10 == oldAnswersFew && b != nil && len(n.members.List) > 3 {
			if len(s.apart) == 0 {
				s.kept = nil
				w.part(s, n, b)
				w.crowd(s, n)
				w.next(s, 2, 500*time.Millisecond, 500*time.Millisecond)
				break
			}
		} else if s.draws.Below(3) == 0 {
			w.part(s, n)
		}
		w.next(s, 3, 0, 0)
	case 3:
		oldAnswersLost(w, s)
	case 4:
		if n.status.Role == core.RoleCandidate {
			w.answersArrive(s, 500*time.Millisecond)
		}
	case 5:
		oldAnswersAgain(w, s)
	case 6:
		if s.draws.Below(10) == 0 && len(s.apart) > 0 {
			w.askFor(s, n, opBarrier)
		}
		if w.waited(s) {
			w.rejoin(s)
			w.next(s, 0, 0, 0)
		}
	}
}

// oldAnswersAgain has the answers arrive once node leads again.
func oldAnswersAgain(w *World, s *strike) {
	n := s.node
	if w.hand(s, n) && n.status.Term > s.term {
		if s.Param%10 == oldAnswersLate {
			n.disk.stall = s.draws.Between(100*time.Millisecond, time.Second)
		}
		if !w.waited(s) {
			return
		}
		within := Pick(&s.draws, 100*time.Millisecond, 2*time.Second)
		switch s.Param % 10 {
		case oldAnswersCutOff, oldAnswersLate:
			w.part(s, n)
			within = 3 * time.Second
		case oldAnswersFew:
			// Only one other disk is fast: what is true of the rest comes late.
			fast := w.other(s, n)
			for _, x := range w.nodes {
				if x != n && x != fast {
					x.disk.stall = s.draws.Between(100*time.Millisecond, time.Second)
				}
			}
			w.crowd(s, n)
			within = 5 * time.Millisecond
		}
		w.answersArrive(s, within)
	}
}

// crowd has a leader asked for more entries at once than others commit in the time
// until it leads again.
func (w *World) crowd(s *strike, n *node) {
	for range s.draws.Int(40, 160) {
		w.askFor(s, n, opRead)
	}
}

// oldAnswersLost goes on once node leads no longer.
func oldAnswersLost(w *World, s *strike) {
	n := s.node
	if len(s.apart) == 0 && !w.hand(s, nil) {
		return
	}
	if l := w.leader(); l == nil || l == n || l.status.Term <= s.term {
		return
	}
	w.rejoin(s)
	switch s.Param % 10 {
	case oldAnswersCandidate:
		w.part(s, n)
		w.next(s, 4, 0, 0)
		return
	case oldAnswersRestarted:
		w.again(n, survival(s.draws.Below(3)), s.draws.Between(10*time.Millisecond, 500*time.Millisecond))
	}
	w.next(s, 5, 0, Pick(&s.draws, 100*time.Millisecond, time.Second))
}

func (w *World) answersArrive(s *strike, within time.Duration) {
	if len(s.kept) > 0 {
		w.marks.add(markOldAnswerArrived)
		w.say(s.node, "gets %d messages of term %d in term %d", len(s.kept), s.term, s.node.status.Term)
	}
	w.deliverKept(s, within)
	w.next(s, 6, within, within+time.Second)
}
