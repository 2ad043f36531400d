package failover

import (
	"fmt"
	"slices"
)

// How all comes to rest in the explorer.

// calm lets everybody be there and hear everybody: in the end one serves, and the
// others stream from it.
func (x *world) calm() error {
	for _, h := range x.hosts {
		h.down, h.cut, h.prio = false, false, 100
		x.bag = append(x.bag, asked{Clear{h.id}, h})
	}
	s := x.hosts[0].s.Settings
	if s.SyncCount = min(s.SyncCount, 2); s.DelayMillis > 0 {
		x.bag = append(x.bag, asked{Adjust{ModeOn, s}, x.hosts[0]})
	}
	for round := range 400 {
		x.enables(x.hosts[0])
		if x.leader == nil {
			x.elect(x.hosts[round%len(x.hosts)])
		}
		for _, e := range x.bag {
			x.log = append(x.log, e.entry)
		}
		x.bag = nil
		for _, h := range x.hosts {
			h.down = false
			x.writesBegun(h)
			for h.applied < len(x.log) {
				x.apply(h)
			}
			h.now++
			h.replayed, h.flushed = len(h.wal), len(h.wal)
			for _, o := range x.hosts {
				x.tell(h, o)
			}
			x.report(h)
			x.decide(h)
			for len(h.orders) > 0 {
				x.obey(h)
			}
			for range 20 {
				x.stream(h, 100)
			}
			if err := x.check(h); err != nil {
				return err
			}
		}
		if x.settled() && x.counted() {
			if len(x.late) == 0 {
				return nil
			}
			for len(x.late) > 0 {
				x.overdue()
			}
		}
	}
	for _, h := range x.hosts {
		a := x.around(h)
		out := h.m.Decide(a)
		x.say("end: %d leads %v recovery %v wal %d history %v noted %v sealed %d streaming %v orders %T%+v why %v nobody %v %v", uint32(h.id), a.Leads,
			h.recovery, len(h.wal), h.history(), h.notes, h.sealed, h.streaming, out.Orders, out.Orders, out.Why.Reason, out.Nobody.Reason, out.Nobody.Members)
	}
	x.say("end: %+v", x.hosts[0].s)
	return fmt.Errorf("stuck: all are there, and not one serves that all others follow, and counts its set")
}

// counted says whether who serves counts all of its set that are not quarantined.
func (x *world) counted() bool {
	for _, h := range x.hosts {
		for _, id := range h.shared.Set.Members {
			if h.s.Member(id).Quarantined == NotQuarantined && !slices.ContainsFunc(h.shared.Tokens, func(t Token) bool { return t.Member == id }) {
				return false
			}
		}
	}
	return true
}

func (x *world) settled() bool {
	serves := 0
	for _, h := range x.hosts {
		me := h.s.Member(h.id)
		if h.down || me != nil && me.Quarantined != NotQuarantined {
			continue
		}
		if h.shared.Open && x.leader == h {
			serves++
		} else if !h.witness && (!h.streaming || h.follows.Epoch != h.s.Epoch.Number || !h.shared.Reads) {
			return false
		}
	}
	return serves == 1
}
