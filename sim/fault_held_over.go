package sim

import (
	"fmt"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// faultHeldOver: what one leader sends to node is held up until leadership has
// changed twice, or until node was restarted, with node's disk slow; then it
// arrives. Param is what: heldAppends and what follows; 10 more, and node is
// restarted before it arrives.
var faultHeldOver = Kind{
	Name: "held-over", Group: "network", most: 3,
	Doc: "what a leader sends arrives after two changes of leader, or a restart",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(6*time.Second, 16*time.Second)
		d.Param = int64(Pick(s, heldAppends, heldSnapshots, heldReads)) + 10*int64(s.Below(2))
	},
	begin: func(w *World, s *strike) string {
		if !w.votes(s.node) {
			return ""
		}
		w.stageBegins(s)
		return fmt.Sprintf("for %v", s.For)
	},
	sent:  holdOver,
	stage: heldOver,
	end:   func(w *World, s *strike) { w.stageEnds(s) },
}

const (
	heldAppends   = iota // appends are held up
	heldSnapshots        // snapshots, and node needs one
	heldReads            // answers to reads arrive once more, in the next life of node
)

// holdOver takes what is to be held off the wire.
func holdOver(w *World, s *strike, n *node, p *packet) bool {
	i := p.info
	if s.Param%10 == heldReads {
		return holdReads(w, s, n, p)
	}
	if s.stage != 1 || n != s.leader || p.to != s.node || i.body != bodyRaft {
		return false
	}
	if i.kind == pb.MsgSnap || i.kind == pb.MsgApp && s.Param%10 == heldAppends {
		s.keep(p, 100)
		return true
	}
	return false
}

// holdReads keeps the answers to node's reads in one life, stage 2, and has each
// answer the question of the same number in the next life, stage 4. Appends do not
// reach node then: it knows less than the leader.
func holdReads(w *World, s *strike, n *node, p *packet) bool {
	switch {
	case s.stage == 2 && p.to == s.node && p.info.body == bodyReadReply:
		s.keep(p, 100)
	case s.stage == 4 && n == s.node && p.info.body == bodyReadRequest:
		var q, a corepb.Envelope
		if err := proto.Unmarshal(p.data, &q); err != nil {
			panic(err)
		}
		for _, k := range s.kept {
			if err := proto.Unmarshal(k.data, &a); err != nil {
				panic(err)
			}
			if a.GetReadReply().GetRound() == q.GetReadRequest().GetRound() {
				w.sendKept(w.now, k)
			}
		}
	case s.stage == 4 && p.to == s.node && p.info.body == bodyRaft && p.info.kind == pb.MsgApp:
		return true
	}
	return false
}

// heldOver is a look at the cluster: the stages are 0 node gets ready, 1 messages
// are held, 2 and 3 leadership is to change, 4 they arrive.
func heldOver(w *World, s *strike) {
	n, l := s.node, w.leader()
	if s.Param%10 == heldReads {
		heldReadsOver(w, s)
		return
	}
	switch s.stage {
	case 0:
		heldReady(w, s, l)
	case 1:
		if w.waited(s) {
			if len(s.kept) == 0 {
				w.next(s, 0, 0, 0)
				return
			}
			w.next(s, 2, 0, 0)
		}
	case 2, 3:
		if w.hand(s, s.third) && l.status.Term > s.term {
			s.term, s.third = l.status.Term, nil
			w.next(s, s.stage+1, 0, 0)
			if s.stage < 4 {
				return
			}
			if s.Param >= 10 {
				w.again(n, survival(s.draws.Below(3)), 20*time.Millisecond)
			}
			w.next(s, 4, 100*time.Millisecond, 400*time.Millisecond)
		}
	case 4:
		if w.waited(s) && n.state == running {
			n.disk.stall = s.draws.Between(0, time.Second)
			w.deliverKept(s, 50*time.Millisecond)
			w.next(s, 5, 500*time.Millisecond, 1500*time.Millisecond)
		}
	case 5:
		if w.waited(s) {
			w.next(s, 0, 0, 0)
		}
	}
}

// heldReady waits for a leader other than node. A node that is to need a snapshot
// is apart for a while, and the leader keeps no log.
func heldReady(w *World, s *strike, l *node) {
	n := s.node
	s.kept = nil
	switch {
	case l == n:
		w.hand(s, w.other(s, n))
		return
	case l == nil || !w.votes(n):
		return
	case s.Param%10 == heldSnapshots && len(s.apart) == 0:
		w.part(s, n)
		w.setCompact(s, l)
		w.next(s, 0, time.Second, 2*time.Second)
		return
	case !w.waited(s):
		return
	}
	w.rejoin(s)
	s.leader, s.term, s.third = l, l.status.Term, w.other(s, l)
	n.disk.stall = s.draws.Between(0, 2*time.Second)
	w.next(s, 1, 100*time.Millisecond, 1200*time.Millisecond)
}

// heldReadsOver: 0 and 1 node is started anew, so that its questions count from 1;
// 2 answers are kept; 3 it is started anew; 4 they arrive.
func heldReadsOver(w *World, s *strike) {
	n := s.node
	if s.stage%2 == 0 && s.draws.Below(10) == 0 {
		w.askFor(s, n, opBarrier)
	}
	switch s.stage {
	case 0, 2:
		if w.waited(s) && w.leader() != nil {
			if s.stage == 0 {
				s.kept = nil
			}
			w.again(n, surviveAll, s.draws.Between(10*time.Millisecond, 300*time.Millisecond))
			w.next(s, s.stage+1, 0, 0)
		}
	case 1, 3:
		if n.state == running && w.leader() != nil {
			w.next(s, s.stage+1, 500*time.Millisecond, 2500*time.Millisecond)
		}
	case 4:
		if w.waited(s) {
			w.next(s, 0, 0, time.Second)
		}
	}
}
