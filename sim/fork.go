package sim

import (
	"slices"
	"time"
)

// fork takes a run off the course of its seed at an instant; salt 0: not at all.
type fork struct {
	at   time.Duration
	salt uint64
}

// Future runs a seed as it was up to an instant, and then with other luck:
// everything that is drawn from there on is drawn anew, the decisions that had not
// begun included. Each salt is another future; 0 is the past's own.
func Future(o Options, plan []Decision, at time.Duration, salt uint64) Result {
	if salt == 0 {
		return RunWith(o, plan)
	}
	f := fork{at: at, salt: salt}
	past := slices.DeleteFunc(slices.Clone(plan), func(d Decision) bool { return d.At >= at })
	o = o.withDatabases()
	luck := o
	luck.Seed = f.seed(o.Seed)
	to := slices.DeleteFunc(Plan(luck), func(d Decision) bool { return d.At < at })
	o.fork = f
	return RunWith(o, append(past, to...))
}

// seed is what the future's decisions are drawn from.
func (f fork) seed(of uint64) uint64 {
	s := For(of, "fork", f.salt)
	return s.Uint64()
}

// reseed gives every stream of the run another course.
func (w *World) reseed() {
	n := uint64(0)
	turn := func(streams ...*Stream) {
		for _, s := range streams {
			n++
			*s = For(s.state, "fork", w.o.fork.salt, n)
		}
	}
	for _, n := range w.nodes {
		turn(&n.draws, &n.disk.latency, &n.disk.damage)
	}
	for _, l := range w.links {
		turn(&l.latency, &l.holds, &l.loss.draws, &l.duplicate.draws, &l.reorder.draws, &l.replay.draws)
	}
	for _, s := range w.keeping {
		turn(&s.draws)
	}
	for _, c := range w.clients {
		turn(&c.draws, &c.waits)
	}
	for _, n := range w.nodes {
		turn(&n.inbox.draws)
	}
}
