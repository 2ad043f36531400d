package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

const (
	portPeriod = 200 * time.Millisecond
	// again is for how long an order that was carried out is not taken again.
	again = 100 * time.Millisecond
)

// decided takes what the core decided.
func (v *server) decided(o core.FailoverOutput) {
	w := v.n.w
	s := &o.Shared
	w.hash.words(uint64(v.n.id), s.Epoch, s.Boot, uint64(len(o.Orders)), uint64(o.Why.Reason), uint64(o.Nobody.Reason))
	w.hash.flag(s.Open)
	was := v.shared
	v.shared, v.why, v.nobody = o.Shared, o.Why, o.Nobody
	if v.pg == nil {
		v.shared.Open = false
	} else {
		w.soon(v.pg.Poke)
		w.checks.publishes(v, was)
	}
	for _, x := range o.Orders {
		v.takes(x)
	}
}

// takes has an order carried out a little later: very late, or twice, while the host is
// disturbed. It may be over by then, and is carried out all the same.
func (v *server) takes(o failover.Order) {
	key := fmt.Sprintf("%T%+v", o, o)
	if slices.Contains(v.doing, key) {
		return
	}
	v.doing = append(v.doing, key)
	if w := v.n.w; w.trace != nil {
		w.say(v.n, "is ordered to %s", failover.OrderText(o))
	}
	within := 10 * time.Millisecond
	if v.late > 0 {
		within = 2 * time.Second
		if v.draws.Below(4) == 0 {
			v.later(v.draws.Between(0, 2*within), func() { v.obey(o) })
		}
	}
	life := v.n.life
	v.later(v.draws.Between(0, within), func() {
		v.obey(o)
		v.later(again, func() {
			if v.n.life == life {
				v.doing = slices.DeleteFunc(v.doing, func(k string) bool { return k == key })
			}
		})
	})
}

// obey carries an order out, if what it names still holds.
func (v *server) obey(o failover.Order) {
	if v.n.state != running || v.n.paused > 0 {
		return
	}
	if x, ok := o.(failover.Watch); ok {
		if v.watches = x; v.port.Member != x.Member || v.port.Epoch != x.Epoch {
			v.port = failover.Port{}
			v.seesPort()
		}
		return
	}
	p := v.pg
	if p == nil || p.Phase() == postgres.Down {
		return
	}
	switch o := o.(type) {
	case failover.Seal:
		v.seals(o)
	case failover.Demote:
		if o.Boot == v.boot && p.Phase() == postgres.Production && o.Epoch > v.data.sealed {
			v.n.w.say(v.n, "is demoted in epoch %d", o.Epoch)
			v.n.w.marks.add(markServerDemoted)
			p.CrashRestart()
		}
	case failover.SetNames:
		if o.Boot == v.boot && o.Epoch > v.data.sealed {
			v.setNames(o.Names)
		}
	case failover.Promote:
		v.promotes(o)
	case failover.Follow:
		v.followsOn(o)
	case failover.Rejoin:
		v.rejoins(o)
	case failover.Compare:
		if o.Boot == v.boot {
			r, have := p.RecordEnding(postgres.LSN(o.Record.LSN))
			v.n.input(core.FailoverCompared{Compared: failover.Compared{Member: o.Member, Boot: o.Follow, Have: have, Equal: have && r.CRC() == o.Record.CRC}})
		}
	}
	v.report()
}

// seals ends all sources of WAL and notes the promise, once recovery is where it can be.
func (v *server) seals(o failover.Seal) {
	p := v.pg
	switch {
	case o.Boot != v.boot || !p.InRecovery():
	case v.promoting != 0 || p.Promotes() || p.Astray():
		v.n.w.say(v.n, "restarts in place to be sealed up to epoch %d", o.UpTo)
		p.CrashRestart()
	case p.HoldsHalf():
		v.data.cut = p.ValidEnd(postgres.ByHistory).End
		v.n.w.say(v.n, "restarts in place to let go of half a record at %v", v.data.cut)
		v.n.w.marks.add(markHalfCut)
		p.CrashRestart()
	default:
		v.follows = failover.Token{}
		v.dropHistories() // or recovery finds a newer one later
		p.Seal(func(at postgres.Position) {
			if v.boot != o.Boot || v.n.state != running || v.promoting != 0 || p.Astray() {
				return
			}
			if v.data.sealed < o.UpTo {
				v.n.w.say(v.n, "is sealed up to epoch %d, at %v", o.UpTo, at.End)
				v.n.w.marks.add(markSealed)
			}
			v.data.sealed = max(v.data.sealed, o.UpTo)
			v.report()
		})
	}
}

// setNames puts a placeholder, which no standby can bear, for who is not announced.
func (v *server) setNames(o failover.Names) {
	n := postgres.Names{}
	if o.W > 0 {
		n.W = int(o.W)
		for _, id := range o.Members {
			name := fmt.Sprintf("nobody-%d", core.NodeID(id))
			for _, t := range o.Tokens {
				if t.Member == id {
					name = v.in.tokenName(t)
				}
			}
			n.Names = append(n.Names, name)
		}
	}
	v.names, v.namesSet = o, n
	v.pg.SetNames(n)
}

// promotes notes the timeline, then has the server begin it.
func (v *server) promotes(o failover.Promote) {
	p := v.pg
	t := postgres.TLI(o.History[len(o.History)-1].Timeline)
	switch {
	case o.Boot != v.boot || !p.InRecovery() || p.Promotes() || p.Astray() || v.promoting != 0:
		return
	case p.Receives() || p.Conninfo() != postgres.Conninfo{} || o.Epoch <= v.data.sealed || p.LastTimeline() >= t:
		return
	case uint64(p.ValidEnd(postgres.ByHistory).End) != o.LSN:
		return
	}
	v.n.w.say(v.n, "is promoted to timeline %d in epoch %d, at %v", t, o.Epoch, postgres.LSN(o.LSN))
	v.n.w.marks.add(markServerPromoted)
	v.data.note([]failover.Note{{Timeline: uint32(t), Epoch: o.Epoch}})
	v.promoting = o.Epoch
	p.EndSessions()
	p.PauseReplay(false)
	p.PromoteTo(t)
}

// followsOn notes the timelines, writes their history files, the newest first, then has the
// server stream.
func (v *server) followsOn(o failover.Follow) {
	p := v.pg
	switch {
	case o.Token.Follow != v.boot || !p.InRecovery() || p.Promotes() || v.promoting != 0 || o.Token.Epoch <= v.data.sealed:
		return
	case p.Receives() || p.Conninfo() != postgres.Conninfo{}:
		return
	}
	v.n.w.say(v.n, "follows %d in epoch %d", core.NodeID(o.Primary), o.Token.Epoch)
	v.n.w.marks.add(markServerFollows)
	v.data.note(o.Notes)
	v.writeHistories(o.History)
	v.follows, v.lacks = o.Token, false
	p.SetConninfo(postgres.Conninfo{Primary: int(core.NodeID(o.Primary)), Name: v.in.tokenName(o.Token), Slot: slotName(v.n.id)})
}

func (v *server) writeHistories(h []failover.Branch) {
	for i := len(h) - 1; i > 0; i-- {
		lines := linesOf(h[:i+1])
		v.pg.WriteHistory(postgres.History{TLI: postgres.TLI(h[i].Timeline), Lines: lines})
		if i == len(h)-1 { // the numbers that were given and never came about
			for t := h[i].Timeline - 1; t > h[i-1].Timeline; t-- {
				v.pg.WriteHistory(postgres.History{TLI: postgres.TLI(t), Lines: lines})
			}
		}
	}
}

// linesOf is what the history file of a history's last timeline says.
func linesOf(h []failover.Branch) (l []postgres.Left) {
	for i, b := range h[:len(h)-1] {
		l = append(l, postgres.Left{TLI: postgres.TLI(b.Timeline), At: postgres.LSN(h[i+1].Begin)})
	}
	return l
}

// lookAtPort looks at the primary's PostgreSQL port now and then.
func (v *server) lookAtPort() {
	v.living(portPeriod, v.lookAtPort)
	v.seesPort()
}

func (v *server) seesPort() {
	x := v.in.of(v.watches.Member)
	if x == nil || v.n.paused > 0 {
		return
	}
	w := v.n.w
	p := failover.Port{Member: v.watches.Member, Epoch: v.watches.Epoch}
	there, back := w.link(v.n, x.n), w.link(x.n, v.n)
	switch {
	case there.cut > 0 || back.cut > 0 || x.off || x.frozen:
	case there.reject > 0 || x.pg.Phase() == postgres.Down:
		p.Refuses = true
		x.refused = x.refused || x.pg.Phase() != postgres.Down
	default:
		p.Answers = true
	}
	q := v.n.peer(p.Member)
	p.Reset = q != nil && q.best() == nil && q.closed
	if p != v.port {
		v.port = p
		v.n.input(core.FailoverPort{Port: p})
	}
}
