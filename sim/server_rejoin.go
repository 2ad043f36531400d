package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// A server whose WAL has diverged makes its data anew: the rejoin helper runs in its
// place, with no engine beside it.

// isSource says that a server is a primary that has checkpointed on its timeline: else
// pg_rewind would not see that the two differ.
func (v *server) isSource(p *server, t postgres.TLI) bool {
	w := v.n.w
	return p != nil && p.pg.Phase() == postgres.Production && !p.frozen && p.pg.Timeline() == t && p.pg.Control().CheckpointTLI == t &&
		w.link(v.n, p.n).cut == 0 && w.link(p.n, v.n).cut == 0
}

func (v *server) rejoins(o failover.Rejoin) {
	t := postgres.TLI(o.History[len(o.History)-1].Timeline)
	if o.Boot != v.boot || !v.pg.InRecovery() || v.pg.Promotes() || v.promoting != 0 || o.Epoch <= v.data.sealed || !v.isSource(v.in.of(o.Primary), t) {
		return
	}
	v.n.w.say(v.n, "rejoins from %d in epoch %d, clone %v", core.NodeID(o.Primary), o.Epoch, o.Clone)
	v.clones = o.Clone
	v.leaves(o.Notes, func() (*server, bool) {
		p := v.in.of(o.Primary)
		return p, v.isSource(p, t)
	})
}

// leaves ends the server and its engine, and has the helper run.
func (v *server) leaves(notes []failover.Note, source func() (*server, bool)) {
	v.rejoining = true
	for _, q := range v.n.waits {
		if q.op != nil {
			q.op.left = true
		}
	}
	v.n.dies(surviveAll)
	v.pg.Kill(false)
	v.helps(v.draws.Between(100*time.Millisecond, 2*time.Second), notes, source)
}

// helps runs the helper, later. A helper that was killed leaves a marker: its data cannot
// be rewound, and is cloned, from whatever primary there is by then. While there is none
// the engine runs without a server: with two that wait there may be no quorum, and then
// there never is a primary.
func (v *server) helps(d time.Duration, notes []failover.Note, source func() (*server, bool)) {
	w := v.n.w
	w.arrange(event{at: w.now + d, kind: evCall, ref: func() {
		p, ok := source()
		switch {
		case ok && v.makesAnew(p):
			v.data.note(notes)
			v.data.note(p.data.notes)
			v.data.rejoined = p.shared.Epoch
			v.backUp()
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
// may lack this very server.
func (v *server) anySource() (p *server, ok bool) {
	for _, x := range v.in.data() {
		if x != v && x.shared.Primary && x.pg.Phase() == postgres.Production && (p == nil || x.shared.Epoch > p.shared.Epoch) {
			p = x
		}
	}
	return p, v.isSource(p, p.timeline())
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
	v.n.dies(surviveAll)
	if !v.cutShort && !v.clones && v.pg.Fatal() == "" {
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
