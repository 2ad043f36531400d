package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// How the engine ends, by Param: alone, or with its server, or with its machine.
const (
	cutEngine = iota
	cutServer
	cutPower
	cutWays
)

// cutAfters and cutOrders are how many other values the parts of Param have: after which act,
// and which order: any, to promote, to follow, or to seal.
const (
	cutAfters = 4
	cutOrders = 4
	cutHands  = cutWays * cutAfters * cutOrders // added: somebody promotes the server meanwhile
)

// faultOrderCut: an engine ends between two acts of the next order that has several, whoever
// gets it; by Param, of a kind, after how many, and what ends with it. If node's server serves
// it dies first, so that there are orders. Somebody may promote the server by hand before it
// gets the next order.
var faultOrderCut = Kind{
	Name: "order-cut", Group: "server", most: 8, servers: true,
	Doc: "an engine ends between two acts of an order to its PostgreSQL server",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = Pick(s, int64(cutEngine), cutEngine, cutServer, cutPower) + cutWays*(int64(s.Below(cutAfters))+cutAfters*Pick(s, int64(0), 1, 1, 1, 2, 2, 3, 3))
		if s.Below(2) == 0 {
			d.Param = cutHands + int64(s.Below(cutWays)) + cutWays*(int64(s.Below(cutAfters))+cutAfters*2)
		}
		d.For = s.Between(2*time.Second, 12*time.Second)
	},
	begin: func(w *World, s *strike) string {
		v, x := s.node.withServer(), w.servers
		if v == nil || !x.enabled || x.cut != nil {
			return ""
		}
		if x.cut = s; v.serves() && s.node.state == running {
			d := For(w.o.Seed, s.Kind, uint64(s.At))
			v.dies(d.Below(2) == 0, d.Between(time.Millisecond, 4*time.Second))
		}
		return fmt.Sprintf("in the next order %s", cutOf[s.Param/cutWays/cutAfters%cutOrders])
	},
	end: func(w *World, s *strike) {
		if w.servers.cut == s {
			w.servers.cut = nil
		}
	},
}

var cutOf = [cutOrders]string{"of several acts", "to promote", "to follow", "to seal"}

// cuts says after how many of its acts the engine ends that carries an order out; 0: it does not.
func (s *strike) cuts(o failover.Order, acts int) int {
	fits := s.Param/cutWays/cutAfters%cutOrders == 0
	switch o.(type) {
	case failover.Promote:
		fits = fits || s.Param/cutWays/cutAfters%cutOrders == 1
	case failover.Follow:
		fits = fits || s.Param/cutWays/cutAfters%cutOrders == 2
	case failover.Seal:
		fits = fits || s.Param/cutWays/cutAfters%cutOrders == 3
	}
	if !fits || acts < 2 {
		return 0
	}
	return 1 + int(s.Param/cutWays%cutAfters)%(acts-1)
}

// carriesOut does what an order makes a host do; false: its engine ended in the middle.
func (v *server) carriesOut(o failover.Order, acts []host.Act) bool {
	w, s := v.n.w, v.in.cut
	n := 0
	if s != nil {
		n = s.cuts(o, len(acts))
	}
	if n == 0 {
		v.does(acts...)
		return true
	}
	v.does(acts[:n]...)
	v.in.cut = nil
	w.say(v.n, "its engine ends after %d of %d acts, as it is to %s", n, len(acts), failover.OrderText(o))
	w.marks.add(markOrderCut)
	d := For(w.o.Seed, s.Kind, uint64(s.At), uint64(v.n.id))
	switch away := d.Between(10*time.Millisecond, 3*time.Second); s.Param % cutWays {
	case cutEngine:
		v.n.dies(surviveAll)
		w.restartLater(v.n, away)
	default:
		v.dies(s.Param%cutWays == cutPower, away)
	}
	if s.Param >= cutHands {
		v.isPromotedByHand(o, d, w.now+handTime)
	}
	return false
}

// handTime is for how long somebody tries to promote a server.
const handTime = 4 * time.Second

// isPromotedByHand is somebody who promotes a server whose engine has ended in an order to
// follow, as soon as it can be read. The primary of that order may die then, before it has seen
// what the server writes.
func (v *server) isPromotedByHand(o failover.Order, d Stream, until time.Duration) {
	w := v.n.w
	p, ok := o.(failover.Follow)
	switch x := v.in.of(p.Primary); {
	case !ok || x == nil || w.settled || w.now > until || v.out || v.rejoining:
	case v.pg.InRecovery() && v.pg.Reads() && v.pg.Conninfo() == (postgres.Conninfo{}):
		w.say(v.n, "is promoted by hand")
		v.byHand, v.in.handled = true, true
		v.pg.Promote()
		if d.Below(2) == 0 {
			x.later(d.Between(10*time.Millisecond, time.Second), func() {
				if x.pg.Phase() == postgres.Production && !w.settled {
					x.dies(false, d.Between(2*time.Second, 5*time.Second))
				}
			})
		}
	default:
		w.arrange(event{at: w.now + 5*time.Millisecond, kind: evCall, ref: func() { v.isPromotedByHand(o, d, until) }})
	}
}
