package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultEdgeOfPromise: elections in the last ticks of promises. Node is started anew
// with the shortest election timeout there is and cut from the leader only, so it
// asks peer for its vote again and again. At a random instant the leader crashes,
// stands still or is cut off; by Param peer is started anew just then, or with
// short settings, too.
var faultEdgeOfPromise = Kind{
	Name: "edge-of-promise", Group: "clock", most: 3,
	Doc: "a voter is asked for its vote all the time, and the leader goes",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.pair(s, o)
		d.For = s.Between(5*time.Second, 15*time.Second)
		d.Param = int64(s.Below(3)) + 10*int64(Pick(s, edgeAsItIs, edgeRestart, edgeRestart, edgeShort))
	},
	begin: func(w *World, s *strike) string {
		if s.peer == nil || !w.votes(s.node) || !w.votes(s.peer) {
			return ""
		}
		w.stageBegins(s)
		w.set(s, s.node, shortestTimeout)
		return fmt.Sprintf("node %d asks for votes", s.node.id)
	},
	stage: edgeOfPromise,
	end: func(w *World, s *strike) {
		edgeMended(w, s)
		w.stageEnds(s)
	},
}

const (
	edgeAsItIs  = iota // peer goes on
	edgeRestart        // peer is started anew
	edgeShort          // peer is started anew with the shortest election timeout
)

func shortestTimeout(c *core.Config) { c.TickMillis, c.ElectionTicks, c.HeartbeatTicks = 25, 5, 1 }

// edgeOfPromise: the stages are 0 one of the others leads, 1 it is about to go, 2 it
// is gone.
func edgeOfPromise(w *World, s *strike) {
	l := w.leader()
	switch s.stage {
	case 0:
		if l == nil || !w.votes(s.node) || !w.votes(s.peer) {
			return
		}
		if l == s.node || l == s.peer {
			if to := w.other(s, s.node, s.peer); to != nil {
				w.hand(s, to)
			}
			return
		}
		s.leader, s.term, s.life = l, l.status.Term, l.life
		edgeCut(w, s, 1)
		w.next(s, 1, 200*time.Millisecond, 1500*time.Millisecond)
	case 1:
		if w.waited(s) {
			edgeStrikes(w, s)
			w.next(s, 2, 1500*time.Millisecond, 3*time.Second)
		}
	case 2:
		if l != nil && l.status.Term > s.term && l != s.leader || w.waited(s) {
			edgeMended(w, s)
			w.setBackNow(s, s.peer)
			w.next(s, 0, 0, 0)
		}
	}
}

func edgeStrikes(w *World, s *strike) {
	switch s.Param / 10 {
	case edgeRestart:
		w.again(s.peer, surviveAll, Pick(&s.draws, time.Millisecond, s.draws.Between(0, 300*time.Millisecond)))
	case edgeShort:
		w.set(s, s.peer, shortestTimeout)
	}
	switch l := s.leader; s.Param % 10 {
	case 0:
		w.again(l, surviveAll, 2*time.Second)
	case 1:
		if l.state == running {
			l.pause()
			s.life, s.cut = l.life, true
		}
	case 2:
		w.part(s, l)
	}
}

// edgeCut cuts node from the leader, and nobody else.
func edgeCut(w *World, s *strike, by int) {
	w.link(s.node, s.leader).cut += by
	w.link(s.leader, s.node).cut += by
}

// edgeMended takes back what was done to the leader.
func edgeMended(w *World, s *strike) {
	if s.leader == nil {
		return
	}
	w.rejoin(s)
	edgeCut(w, s, -1)
	if s.cut && s.leader.life == s.life {
		s.leader.resume()
	}
	s.cut, s.leader = false, nil
}

// setBackNow starts a node anew with its own settings, if it has others.
func (w *World) setBackNow(s *strike, n *node) {
	for i, t := range s.timings {
		if t.node == n {
			n.timing = t.was
			s.timings = append(s.timings[:i], s.timings[i+1:]...)
			w.again(n, surviveAll, 10*time.Millisecond)
			return
		}
	}
}
