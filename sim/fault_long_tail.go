package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultLongTail: the others are started anew so that they keep next to no log, the
// leader is cut off with a burst of proposals that nobody else gets, and others
// lead on for For: it gets a snapshot under its long tail. With Param 1 it crashes
// while it installs that, with Param 2 once it has.
var faultLongTail = Kind{
	Name: "long-tail", Group: "people", most: 3,
	Doc: "a deposed leader's long log ends under its successor's snapshot",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.For = s.Between(4*time.Second, 10*time.Second)
		d.Param = int64(s.Below(3))
	},
	begin: func(w *World, s *strike) string {
		if !w.votes(s.node) {
			return ""
		}
		w.stageBegins(s)
		w.watching = append(w.watching, s)
		for _, n := range w.nodes {
			if n != s.node && w.votes(n) {
				w.setCompact(s, n)
			}
		}
		w.next(s, 0, 100*time.Millisecond, 500*time.Millisecond)
		return fmt.Sprintf("for %v", s.For)
	},
	stage: longTail,
	watch: func(w *World, s *strike, n *node) {
		if n != s.node || s.stage != 2 || !n.disk.installing() {
			return
		}
		w.marks.add(markTailReplaced)
		w.next(s, 3, 0, Pick(&s.draws, time.Millisecond, 200*time.Millisecond, 2*time.Second))
		if s.Param == 1 {
			n.disk.stall = s.draws.Between(0, 200*time.Millisecond)
			w.next(s, 3, 0, n.disk.stall)
		}
	},
	end: func(w *World, s *strike) { w.stageEnds(s) },
}

// longTail: the stages are 0 the others are back, 1 the leader is cut off, 2 it is
// to get the snapshot, 3 it has.
func longTail(w *World, s *strike) {
	n := s.node
	switch s.stage {
	case 0:
		if l := w.leader(); w.waited(s) && l != nil && w.votes(l) {
			s.node, s.term = l, l.status.Term
			w.part(s, l)
			for range s.draws.Int(1, 80) {
				w.askFor(s, l, opRead)
			}
			w.next(s, 1, 2*time.Second, 4*time.Second)
		}
	case 1:
		if l := w.leader(); l != nil && l != n && l.status.Term > s.term && w.waited(s) {
			w.rejoin(s)
			w.next(s, 2, 3*time.Second, 3*time.Second)
		}
	case 2:
		if w.waited(s) { // its log was as short as the others'
			w.next(s, 4, 0, 0)
		}
	case 3:
		if w.waited(s) {
			if s.Param > 0 {
				w.again(n, survival(s.draws.Below(3)), s.draws.Between(time.Millisecond, 300*time.Millisecond))
			}
			w.next(s, 4, 0, time.Second)
		}
	}
}

// setCompact starts a node anew so that it keeps next to no log.
func (w *World) setCompact(s *strike, n *node) {
	every := uint64(s.draws.Int(1, 10))
	w.set(s, n, func(c *core.Config) { c.SnapshotEntries, c.MaxTailBytes = every, 256 })
}
