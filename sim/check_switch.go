package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What the checkers know of switchovers.

// switches: a primary that stops as it switches over has no commit under way, and no lease.
func (c *checks) switches(v *server) {
	if slices.ContainsFunc(v.pg.Sessions(), (*postgres.Session).Commits) {
		c.w.fail(checkServerSwitch, "%v stops as it switches over, and commits are under way", v.n)
	}
	if v.leased() {
		c.w.fail(checkServerSwitch, "%v stops as it switches over, and still has the lease", v.n)
	}
}

// undisturbed is a switchover that nothing disturbs: what was when it was asked for.
type undisturbed struct {
	from, to *server
	epoch    uint64
	asked    time.Duration
	faults   int
	remade   int // how often from's data was made anew
}

// inTime is for how long a switchover that nothing disturbs may take.
const inTime = 8 * time.Second

// switchesOver begins to watch a switchover; nil if something disturbs it already.
func (c *checks) switchesOver(from, to *server) *undisturbed {
	w := c.w
	if len(w.strikes) > 1 || !w.servers.allSound() || w.servers.impatient > 0 {
		return nil
	}
	for _, v := range w.servers.data() {
		if id, _ := v.pg.Receiving(); v != from && (id != int(from.n.id) || v.frozen) {
			return nil
		}
	}
	return &undisturbed{from, to, from.shared.Epoch, w.now, w.struck, from.timesAnew}
}

// switchedOver: a switchover that nothing has disturbed makes its target the primary of the next
// epoch, and the server of before its standby, with the data that it had.
func (c *checks) switchedOver(u *undisturbed) {
	w := c.w
	if u == nil || w.struck != u.faults {
		return
	}
	w.marks.add(markSwitchoverEnded)
	if p := w.servers.serving(); p != u.to || p.shared.Epoch != u.epoch+1 {
		w.fail(checkServerSwitch, "nothing disturbs the switchover to %v in epoch %d, and it has not ended well: %s", u.to.n, u.epoch, w.servers.reasons())
		return
	}
	if id, _ := u.from.pg.Receiving(); id != int(u.to.n.id) || u.from.timesAnew != u.remade {
		w.fail(checkServerSwitch, "%v switched over to %v undisturbed, and does not follow with the data that it had: %s", u.from.n, u.to.n, w.servers.reasons())
	}
}

// endsInTime: a switchover whose primary has the lease all the time ends by its deadline, done
// or given up.
func (c *checks) endsInTime() {
	w, r := c.w, &c.w.servers.reigns
	p := w.servers.serving()
	if p == nil || p.n.core == nil || p.n.paused > 0 || p.frozen || !p.leased() {
		r.askedAt = w.now
		return
	}
	k := p.n.core.FailoverState().Epoch.Ask
	if k.Way != failover.WaySwitchover && k.Way != failover.WaySwitching || k.Index != r.asked {
		r.asked, r.askedAt = k.Index, w.now
		return
	}
	if most := time.Duration(k.Millis)*time.Millisecond*6/5 + tooLong; w.now-r.askedAt > most {
		c.w.fail(checkServerSwitch, "the switchover of %v that was asked for at index %d has not ended for %v", p.n, k.Index, w.now-r.askedAt)
	}
}

// tooLong is for how long the log may take over the end of a switchover.
const tooLong = 4 * time.Second
