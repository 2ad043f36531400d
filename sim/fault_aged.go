package sim

import (
	"fmt"
	"time"
)

// faultAged: one message of each kind in agedEvery, from and to node, arrives once
// more when it is Param milliseconds old, and all that is kept arrives once more
// when node's term changes. Heartbeats are as rare in it as snapshots.
var faultAged = Kind{
	Name: "aged", Group: "network", most: 4, alone: true,
	Doc: "messages of each kind arrive once more at a certain age, and in a new term",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.For = s.Between(5*time.Second, 30*time.Second)
		d.Param = int64(Pick(s, s.Int(100, 2000), s.Int(1000, 15_000)))
	},
	begin: func(w *World, s *strike) string {
		w.stageBegins(s)
		return fmt.Sprintf("%d ms old, for %v", s.Param, s.For)
	},
	sent: func(w *World, s *strike, n *node, p *packet) bool {
		if n != s.node && p.to != s.node {
			return false
		}
		at := &s.last[agedKind(p.info)]
		if w.now < *at {
			return false
		}
		*at = w.now + s.draws.Between(0, 2*agedEvery)
		w.sendKept(w.now+time.Duration(s.Param)*time.Millisecond, *p)
		if len(s.kept) < 40 {
			s.kept = append(s.kept, *p)
		} else {
			s.kept[s.draws.Below(len(s.kept))] = *p
		}
		return false
	},
	stage: func(w *World, s *strike) {
		if t := s.node.status.Term; s.node.state == running && t > s.term {
			s.term = t
			kept := s.kept
			w.deliverKept(s, s.draws.Between(50*time.Millisecond, 2*time.Second))
			s.kept = kept[:len(kept)/2]
		}
	},
	end: func(w *World, s *strike) { w.stageEnds(s) },
}

const agedEvery = 300 * time.Millisecond

// agedKind numbers the kinds of messages.
func agedKind(i wireInfo) int {
	if i.body == bodyRaft {
		return int(i.kind) & 31
	}
	return 32 + int(i.body)&31
}
