package sim

import (
	"fmt"
	"slices"
	"time"
)

// faultClosedLeader: a leader's connections end and its port refuses, again and again,
// and what that means differs: by Param it is dead, or lives behind a firewall that
// rejects, for all or for peer only, or dies a little later, or only its connections
// were reset, or it falls silent once it is connected again.
var faultClosedLeader = Kind{
	Name: "closed-leader", Group: "network", most: 3,
	Doc: "a leader closes its connections and refuses new ones, dead or alive",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.pair(s, o)
		d.For = s.Between(5*time.Second, 15*time.Second)
		d.Param = int64(s.Below(closedKinds))
	},
	begin: func(w *World, s *strike) string {
		if s.peer == nil {
			return ""
		}
		w.stageBegins(s)
		return fmt.Sprintf("again and again, %s", closedNames[s.Param%closedKinds])
	},
	stage: closedLeader,
	end: func(w *World, s *strike) {
		closedMended(w, s)
		w.stageEnds(s)
	},
}

const (
	closedDead   = iota // the process dies
	closedAlive         // a firewall rejects it
	closedToOne         // to peer only
	closedDying         // a firewall rejects it, then it dies
	closedReset         // its connections end, and its port takes new ones
	closedSilent        // a firewall rejects it for a moment; a little later it is cut off
	closedKinds
)

var closedNames = [closedKinds]string{"as it is dead", "and it lives", "to one only", "and it dies later", "with an open port", "and it falls silent later"}

// closedLeader: the stages are 0 somebody leads, 1 it is about to close, 2 it has closed,
// 3 what comes later has come.
func closedLeader(w *World, s *strike) {
	switch l := w.leader(); s.stage {
	case 0:
		if l != nil && w.votes(l) {
			s.leader, s.term = l, l.status.Term
			w.next(s, 1, 200*time.Millisecond, 1200*time.Millisecond)
		}
	case 1:
		if w.waited(s) {
			closedStrikes(w, s)
		}
	case 2:
		if !w.waited(s) {
			return
		}
		switch s.Param % closedKinds {
		case closedDying:
			w.again(s.leader, surviveAll, 2*time.Second)
		case closedSilent:
			w.reject(s, -1)
			w.part(s, s.leader)
		}
		w.next(s, 3, 1500*time.Millisecond, 2500*time.Millisecond)
	case 3:
		if w.waited(s) {
			closedMended(w, s)
			w.next(s, 0, 0, 0)
		}
	}
}

func closedStrikes(w *World, s *strike) {
	lo, hi := 500*time.Millisecond, 2500*time.Millisecond
	switch l := s.leader; s.Param % closedKinds {
	case closedDead:
		w.again(l, surviveAll, 2*time.Second)
	case closedReset:
		w.hangUpWith(l, w.nodes)
	case closedToOne:
		if s.peer != l {
			s.rejected = []*node{s.peer}
		}
	case closedSilent:
		lo, hi = 100*time.Millisecond, 400*time.Millisecond
		fallthrough
	default:
		s.rejected = slices.DeleteFunc(slices.Clone(w.nodes), func(x *node) bool { return x == l })
	}
	w.reject(s, 1)
	w.next(s, 2, lo, hi)
}

func closedMended(w *World, s *strike) {
	w.reject(s, -1)
	w.rejoin(s)
	s.leader = nil
}

// reject has a firewall reject what goes to and fro between the leader of s and whom s
// names, or no longer.
func (w *World) reject(s *strike, by int) {
	for _, x := range s.rejected {
		w.link(s.leader, x).reject += by
		w.link(x, s.leader).reject += by
	}
	if by > 0 {
		w.hangUpWith(s.leader, s.rejected)
	} else {
		s.rejected = nil
	}
}

// hangUpWith ends the connections between n and others.
func (w *World) hangUpWith(n *node, others []*node) {
	for _, p := range slices.Clone(n.peers) {
		for _, c := range []*conn{p.out, p.in} {
			if c != nil && (slices.Contains(others, c.a) && c.a != n || slices.Contains(others, c.b) && c.b != n) {
				n.hangUp(c)
			}
		}
	}
}
