package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// A server whose WAL has diverged makes its data anew: the rejoin helper runs in its
// place, with no engine beside it.

// asks has a source say what it is; false: it does not answer.
func (v *server) asks(p *server) (x host.Asked, ok bool) {
	w := v.n.w
	if p == nil || p.frozen || w.link(v.n, p.n).cut > 0 || w.link(p.n, v.n).cut > 0 {
		return host.Asked{}, false
	}
	return p.asked(), true
}

// asked is what a server says of itself to who wants its data.
func (v *server) asked() host.Asked {
	return host.Asked{Production: v.pg.Phase() == postgres.Production, Timeline: uint32(v.pg.Timeline()), Checkpointed: uint32(v.pg.Control().CheckpointTLI),
		Primary: v.shared.Primary, Epoch: v.shared.Epoch}
}

func (v *server) rejoins(o failover.Rejoin) {
	p := v.in.of(o.Primary)
	if x, ok := v.asks(p); !ok || !x.IsOf(o) {
		return
	}
	v.n.w.checks.mayBeAnew(v, p)
	v.n.w.say(v.n, "rejoins from %d in epoch %d, clone %v", core.NodeID(o.Primary), o.Epoch, o.Clone)
	v.clones = o.Clone
	v.leaves(o.Notes, func() (*server, bool) {
		p := v.in.of(o.Primary)
		x, ok := v.asks(p)
		return p, ok && x.StillIs(o)
	})
}

// leaves ends the server and its engine, and has the helper run.
func (v *server) leaves(notes []failover.Note, source func() (*server, bool)) {
	v.rejoining = true
	v.engineLeaves()
	v.pg.Kill(false)
	v.helps(v.draws.Between(100*time.Millisecond, 2*time.Second), notes, source)
}

// engineLeaves ends the engine, whoever waits for its answers.
func (v *server) engineLeaves() {
	for _, q := range v.n.waits {
		if q.op != nil {
			q.op.left = true
		}
	}
	v.n.dies(surviveAll)
}

// helps runs the helper, later. A helper that was killed leaves a marker: its data cannot
// be rewound, and is cloned, from whatever primary there is by then. While there is none
// the engine runs without a server: with two that wait there may be no quorum, and then
// there never is a primary.
func (v *server) helps(d time.Duration, notes []failover.Note, source func() (*server, bool)) {
	w, moved := v.n.w, v.moved
	w.arrange(event{at: w.now + d, kind: evCall, ref: func() {
		p, ok := source()
		switch {
		case v.moved != moved: // the machine is another one
		case ok && v.makesAnew(p):
			v.putBack(p, notes)
			v.backUp()
		case ok && v.lots.Below(2) == 0: // whoever looks after the server starts it
			v.rejoining = false
			v.n.start()
		case !ok && !v.cutShort:
			v.backUp() // as it was
		default:
			v.helping = !ok
			if v.helping {
				v.n.start()
			}
			v.helps(v.draws.Between(100*time.Millisecond, time.Second), nil, v.anySource)
		}
	}})
}

// anySource is the primary of the newest epoch that has one: the set that it opens with
// may lack this very server. The seal is kept: of an epoch up to it no WAL is taken.
func (v *server) anySource() (p *server, ok bool) {
	for _, x := range v.in.data() {
		if a := x.asked(); x != v && !x.n.foreign() && a.Newer(v.own().Sealed) && (p == nil || a.Epoch > p.shared.Epoch) {
			p = x
		}
	}
	return p, v.isReady(p)
}

// isReady says that a source answers, and is one.
func (v *server) isReady(p *server) bool {
	x, ok := v.asks(p)
	return ok && x.Ready()
}

func (v *server) timeline() postgres.TLI {
	if v == nil {
		return 0
	}
	return v.pg.Timeline()
}

// backUp puts the server's own files back and starts it.
func (v *server) backUp() {
	v.rejoining, v.helping, v.cutShort, v.clones, v.fatals = false, false, false, false, 0
	v.pg.SetConninfo(postgres.Conninfo{})
	v.pg.SetNames(postgres.Names{})
	v.makeSlots()
	v.n.start()
}

// makesAnew ends the engine, if that runs meanwhile, and rewinds the data, or clones it;
// false: the helper was killed.
func (v *server) makesAnew(p *server) bool {
	w := v.n.w
	v.helping = false
	v.engineLeaves()
	rewinds := v.data.Rewinds(v.pg.Short(), !v.clones, !v.cutShort && v.pg.Fatal() == "")
	v.in.w.checks.anew(v, p)
	v.putAside(p)
	if rewinds {
		v.pg.RemoveStandbySignal()
		if v.pg.RecoverAlone() == "" {
			out, _ := v.pg.Rewind(p.pg, v.draws.Below(4) == 0)
			if v.cutShort = v.pg.Damaged(); v.cutShort {
				w.marks.add(markRejoinCut)
				w.say(v.n, "its rewind is cut short")
				return false
			}
			if out == postgres.RewindDone {
				v.rewound = true
				w.marks.add(markServerRewound)
				w.say(v.n, "is rewound onto node %d", p.n.id)
				return true
			}
		}
	}
	v.pg.Clone(p.pg)
	w.marks.add(markServerCloned)
	w.say(v.n, "is cloned from node %d", p.n.id)
	return true
}
