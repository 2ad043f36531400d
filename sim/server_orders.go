package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
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
	w.checks.setInForce(v.n)
	v.why, v.nobody = o.Why, o.Nobody
	v.publish(o.Shared)
	if v.pg == nil {
		v.shared.Open = false
	} else {
		if s.Primary {
			v.reigns = s.Epoch
		}
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
	if v.n.state != running || v.n.paused > 0 || v.apart {
		return
	}
	p := v.pg
	if p == nil || p.Phase() == postgres.Down {
		if x, ok := o.(failover.Watch); ok {
			v.watchesPort(x) // which a witness does, too
		}
		return
	}
	s := v.sees()
	acts := host.Obey(o, v.notes(), &v.mem, &s)
	if len(acts) > 0 {
		v.saysThatItObeys(o, acts, &s)
	}
	if r, ok := o.(failover.Release); ok && len(acts) > 0 {
		v.released(r, acts)
	} else {
		v.carriesOut(o, acts)
	}
	if _, ok := o.(failover.Watch); !ok {
		v.report()
	}
}

// saysThatItObeys marks and traces what is about to be done.
func (v *server) saysThatItObeys(o failover.Order, acts []host.Act, s *host.Seen) {
	w := v.n.w
	switch o := o.(type) {
	case failover.Seal:
		v.saysThatItRestarts(acts, s, fmt.Sprintf("to be sealed up to epoch %d", o.UpTo))
	case failover.Demote:
		w.say(v.n, "is demoted in epoch %d", o.Epoch)
		w.marks.add(markServerDemoted)
	case failover.Promote:
		w.say(v.n, "is promoted to timeline %d in epoch %d, at %v", o.History[len(o.History)-1].Timeline, o.Epoch, postgres.LSN(o.LSN))
		w.marks.add(markServerPromoted)
	case failover.Follow:
		v.follow = o
		w.say(v.n, "follows %d in epoch %d", core.NodeID(o.Primary), o.Token.Epoch)
		w.marks.add(markServerFollows)
	case failover.Trust:
		w.say(v.n, "is trusted again in epoch %d", o.Epoch)
		w.marks.add(markTrusted)
	case failover.Stop:
		w.say(v.n, "stops, as it has switched over in epoch %d", o.Epoch)
		w.marks.add(markSwitchedOver)
	}
}

func (v *server) saysThatItRestarts(acts []host.Act, s *host.Seen, why string) {
	switch acts[len(acts)-1] {
	case host.Restart{For: host.ToSeal}:
		v.n.w.say(v.n, "restarts in place %s", why)
	case host.Restart{For: host.ToCut}:
		v.n.w.say(v.n, "restarts in place to let go of half a record at %v", postgres.LSN(s.End.LSN))
		v.n.w.marks.add(markHalfCut)
	}
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
