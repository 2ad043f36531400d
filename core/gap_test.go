package core_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// away cuts a follower off while more is written than the others hold in memory, and
// lets it come back, with messages lost and crashes in between.
func (x *random) away() {
	n := x.pick()
	if n.core.Status().Role == core.RoleLeader {
		return
	}
	x.isolate(n)
	for range 8 + x.r.IntN(10) {
		x.propose(x.leading(), 0, fmt.Sprintf("entry %d", x.nextID))
		x.run(1)
	}
	if x.r.IntN(4) == 0 {
		x.leading().trim(x.r.Uint64N(x.newest + 1))
	}
	x.heal()
	for range 20 + x.r.IntN(40) {
		switch i := x.r.IntN(20); {
		case i == 0:
			n.crash(x.r.IntN(2))
			n.life++
			n.start()
			n.step(core.Needs{})
		case i < 3:
			x.loseAt(x.r.IntN(max(len(x.wire), 1)))
		case i < 5:
			x.tickAll()
		case i < 9:
			n.sync(1)
		default:
			x.deliverAt(x.r.IntN(max(len(x.wire), 1)))
		}
	}
	x.run(10)
}

// Gaps are filled with what was there, or are said to be gone; and what a node did
// replays to the byte, from its start and from every checkpoint.
func TestGapsAreFilled(t *testing.T) {
	s := &tapes{t: t, seen: map[string]int{}}
	for _, seed := range []uint64{0, 1, 2, 4, 5, 6, 8, 9} {
		s.of = map[*node]*tape{}
		x := newRandomWith(seed, func(c *cluster) {
			c.timing.SnapshotEntries, c.timing.MaxTailBytes = 3, 200
			c.onStart, c.onStep = s.start, s.step
		})
		for _, n := range x.running() {
			n.step(core.Needs{})
		}
		for range 12 {
			x.away()
		}
		x.settle()
		x.run(250)
		log := map[uint64]core.Entry{}
		for _, n := range x.running() {
			gone := n.core.Status().Gone
			for _, g := range n.view.gaps() {
				if s.seen["gone"]++; g.From > gone {
					t.Errorf("seed %d: node %d lacks %d to %d, and only what is up to %d is gone", seed, n.key, g.From, g.To, gone)
				}
			}
			for _, e := range n.view.all() {
				was, ok := log[e.Index]
				if ok && e.Index <= n.core.Status().Applied && (was.Term != e.Term || was.Kind != e.Kind || !bytes.Equal(was.Data, e.Data)) {
					t.Errorf("seed %d: node %d holds another entry %d than the others", seed, n.key, e.Index)
				}
				log[e.Index] = e
			}
		}
		for _, n := range slices.SortedFunc(maps.Keys(s.of), func(a, b *node) int { return int(a.key) - int(b.key) }) {
			p := s.of[n]
			p.rec.End(0, "done")
			s.take(p)
			for i := range p.files {
				s.replay(fmt.Sprintf("seed %d, node %d", seed, n.key), p.files[i:])
			}
		}
	}
	if s.seen["keep"] < 20 || s.seen["history"] < 20 || s.seen["equal"] < 20 || s.seen["restored"] < 20 {
		t.Errorf("%v", s.seen)
	}
	t.Logf("%v", s.seen)
}
