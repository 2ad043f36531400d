package host

import (
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// carrier carries acts out on a server of which it knows a look alone.
type carrier struct {
	at
	cut uint64 // where WAL was cut off
}

func (c *carrier) does(acts ...Act) {
	for _, a := range acts {
		c.m.Does(a)
		switch a := a.(type) {
		case NoteData, NoteStore:
			c.n.carries(a)
		case RemoveHistory:
			c.s.Histories = without1(c.s.Histories, a.Timeline)
		case WriteHistory:
			t := a.History[len(a.History)-1].Timeline
			c.s.Histories = append(without1(c.s.Histories, t), t)
		case Stream:
			c.s.Source = true
		case EndSources:
			c.s.Source, c.s.Receives = false, false
		case CutWAL:
			c.cut = a.At
		case Restart:
			c.boots()
		case Promote:
			c.s.WillPromote = true
		}
	}
}

func without1(l []uint32, t uint32) (kept []uint32) {
	for _, x := range l {
		if x != t {
			kept = append(kept, x)
		}
	}
	return kept
}

// boots has the server and its engine start anew.
func (c *carrier) boots() {
	c.m.Starts()
	for b := (Booting{Again: true}); b.Again; c.does(b.Acts...) {
		b = Boot(c.n, &AtBoot{Last: c.s.Last, End: c.s.End, Histories: c.s.Histories})
	}
	c.s.Source, c.s.Receives, c.s.WillPromote = false, false, false
	c.s.HoldsHalf = c.s.HoldsHalf && c.cut == 0
	c.engine()
}

// engine has another engine run.
func (c *carrier) engine() {
	c.n.carries(c.n.Store.Begins())
	c.s.Boot = c.n.Store.Boot
}

// obeys carries an order out up to an act, and says how many there are.
func (c *carrier) obeys(o failover.Order, upTo int) int {
	acts := Obey(o, c.n, &c.m, &c.s)
	if reflect.DeepEqual(acts, []Act{TrustData{}}) {
		acts = Whole(c.n, 99)
	}
	c.does(acts[:min(upTo, len(acts))]...)
	seal, ok := o.(failover.Seal)
	if !ok || upTo < len(acts) {
		return len(acts)
	}
	more, _ := Sealed(seal, c.n, &c.m, &c.s)
	c.does(more[:min(upTo-len(acts), len(more))]...)
	return len(acts) + len(more)
}

// An engine, or the server, that ends between any two acts of an order leaves nothing behind
// that the same order, given again, does not set right. It is given again as package failover
// gives it.
func TestCutShort(t *testing.T) {
	const all = 1 << 10
	for _, c := range []struct {
		name  string
		from  func() at
		order func(boot uint64) failover.Order
		over  func(failover.Server) bool // the order is not given again; nil: it always is
	}{
		{"seal", func() at {
			x := standby()
			x.s.Source, x.s.Receives, x.s.Histories = true, true, []uint32{2, 3}
			x.n.Data.Notes = append(x.n.Data.Notes, failover.Note{Timeline: 3, Epoch: 5})
			return x
		}, func(b uint64) failover.Order { return failover.Seal{Boot: b, UpTo: 6} }, nil},
		{"seal of half a record", func() at { x := standby(); x.s.HoldsHalf = true; return x },
			func(b uint64) failover.Order { return failover.Seal{Boot: b, UpTo: 6} }, nil},
		{"follow", standby, func(b uint64) failover.Order {
			return failover.Follow{Token: failover.Token{Epoch: 5, Follow: b}, History: []failover.Branch{{Timeline: 2}, {Timeline: 4, Begin: 0x5000}}, Notes: []failover.Note{{Timeline: 4, Epoch: 5}}}
		}, nil},
		{"promote", standby, func(b uint64) failover.Order {
			return failover.Promote{Epoch: 5, Boot: b, LSN: 0x5000, History: []failover.Branch{{Timeline: 2}, {Timeline: 4, Begin: 0x5000}}}
		}, nil},
		{"trust", func() at { x := standby(); x.n.Data.Doubt = failover.DoubtForeign; return x }, func(b uint64) failover.Order { return failover.Trust{Epoch: 5, Boot: b} }, nil},
		{"release", standby, func(b uint64) failover.Order { return failover.Release{Epoch: 5, Boot: b, Recovery: true} },
			func(r failover.Server) bool { return !r.Joined && !r.OneNote || r.Sealed >= 5 }},
	} {
		given := func(x *carrier) Notes { // until it is done
			for range 3 {
				if c.over == nil || !c.over(Report(&x.n, &x.m, &x.s)) {
					x.obeys(c.order(x.s.Boot), all)
				}
			}
			n := x.n
			n.Store.Boot = 0
			return n
		}
		whole := carrier{at: c.from()}
		want := given(&whole)
		acts := (&carrier{at: c.from()}).obeys(c.order(9), all)
		if acts < 2 {
			t.Errorf("%s has %d acts: nothing to cut short", c.name, acts)
		}
		for k := range acts + 1 {
			for ends, end := range map[string]func(*carrier){"engine": (*carrier).engine, "server": (*carrier).boots} {
				x := carrier{at: c.from()}
				x.obeys(c.order(9), k)
				end(&x)
				if got := given(&x); !reflect.DeepEqual(got, want) || x.cut != whole.cut {
					t.Errorf("%s, the %s ends after %d acts: %+v, cut at %x, want\n%+v, %x", c.name, ends, k, got, x.cut, want, whole.cut)
				}
			}
		}
	}
}
