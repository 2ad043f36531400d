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
	v.leaves(host.Rejoining{Order: o})
}

// cloned is a rejoin that a person asks for, or one of before was cut short: the data is to be a
// clone of whatever primary there is.
var cloned = host.Rejoining{Stage: host.StageCloning}

// leaves ends the server and its engine, and has the helper run.
func (v *server) leaves(x host.Rejoining) {
	v.rejoining, v.rejoin = true, x
	v.engineLeaves()
	v.pg.Kill(false)
	v.helps(v.draws.Between(100*time.Millisecond, 2*time.Second))
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
func (v *server) helps(d time.Duration) {
	w, moved := v.n.w, v.moved
	w.arrange(event{at: w.now + d, kind: evCall, ref: func() {
		if v.moved != moved { // the machine is another one
			return
		}
		p, step := v.next()
		switch {
		case step == host.StepGiveUp:
			v.marker = false
			v.backUp() // as it was
		case step == host.StepWait:
			v.helping = true
			v.n.start()
			v.helps(v.draws.Between(100*time.Millisecond, time.Second))
		case v.makesAnew(p, step == host.StepRewind):
			v.putBack(p)
			v.backUp()
		case v.lots.Below(2) == 0: // whoever looks after the server starts it
			v.rejoining = false
			v.n.start()
		default:
			v.helps(v.draws.Between(100*time.Millisecond, time.Second))
		}
	}})
}

// next is what the helper does, and from which source: the order's, or, once the data has been
// touched, whoever is the newest primary. While failover is off an operator names it.
func (v *server) next() (p *server, s host.Step) {
	o := v.rejoin.Order
	if v.named != nil {
		if v.isReady(v.named) {
			return v.named, host.StepClone
		}
		return nil, host.StepWait
	}
	p = v.in.of(o.Primary)
	x, ok := v.asks(p)
	ordered := ok && x.StillIs(o) || v.rejoin.Stage == host.StageOrdered
	if !ordered {
		p = v.newest()
		x, ok = v.asks(p)
	}
	return p, v.rejoin.Next(v.own(), host.Ways{Rewind: true, Clone: true, Failed: v.cutShort || v.pg.Fatal() != ""}, x, ordered, ok)
}

// newest is the primary of the newest epoch that has one: the set that it opens with
// may lack this very server.
func (v *server) newest() (p *server) {
	for _, x := range v.in.data() {
		if a := x.asked(); x != v && !x.n.foreign() && a.Newer(0) && (p == nil || a.Epoch > p.shared.Epoch) {
			p = x
		}
	}
	return p
}

// anySource is that one, if it can be cloned. The seal is kept: of an epoch up to it no WAL is
// taken.
func (v *server) anySource() (p *server, ok bool) {
	p = v.newest()
	return p, v.isReady(p) && p.asked().Newer(v.own().Sealed)
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
	v.rejoining, v.helping, v.cutShort, v.named, v.fatals = false, false, false, nil, 0
	v.pg.SetConninfo(postgres.Conninfo{})
	v.pg.SetNames(postgres.Names{})
	v.makeSlots()
	v.n.start()
}

// makesAnew ends the engine, if that runs meanwhile, and rewinds the data, or clones it;
// false: the helper was killed, or the rewind has failed.
func (v *server) makesAnew(p *server, rewinds bool) bool {
	w := v.n.w
	v.helping = false
	v.engineLeaves()
	v.in.w.checks.anew(v, p)
	v.rejoin.Stage = host.StageCloning
	if rewinds {
		v.rejoin.Stage = host.StageRewinding
	}
	v.putAside(p)
	if rewinds {
		v.pg.RemoveStandbySignal()
		if v.pg.RecoverAlone() == "" {
			out, why := v.pg.Rewind(p.pg, v.draws.Below(4) == 0)
			if v.cutShort = why == "killed"; v.cutShort {
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
