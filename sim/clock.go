package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
)

// clock is a node's own: CLOCK_BOOTTIME, which its lease is counted in, and the
// ticker. It runs at a rate of its own within maxDrift.
type clock struct {
	rate  int64         // local nanoseconds in a million true ones
	truth time.Duration // a true instant ...
	local time.Duration // ... and what the clock shows then

	next    time.Duration // by the clock, the ticker's next firing
	arg     uint64        // of the evTick that is arranged; others are stale
	pending bool          // fired while the process stood still: one is kept
	asleep  time.Duration // by the clock, since when the machine sleeps; 0 = it does not
}

// maxDrift is how far a clock's rate may be off, in parts of a million. The
// fastest clock then runs 9.9 % faster than the slowest: core's lease allows 10.
const maxDrift = 47_000

func (c *clock) at(truth time.Duration) time.Duration {
	return c.local + scale(truth-c.truth, c.rate, 1_000_000)
}

// trueAt is the first true instant at which the clock shows local or more.
func (c *clock) trueAt(local time.Duration) time.Duration {
	return c.truth + scale(local-c.local, 1_000_000, c.rate) + 1
}

func (c *clock) setRate(now time.Duration, rate int64) {
	c.local = c.at(now)
	c.truth, c.rate = now, rate
}

// scale is d*num/den without overflow for hours of nanoseconds.
func scale(d time.Duration, num, den int64) time.Duration {
	q, r := int64(d)/den, int64(d)%den
	return time.Duration(q*num + r*num/den)
}

// startTicker lets the ticker fire one tick from now on.
func (n *node) startTicker() {
	n.clock.next = n.clock.at(n.w.now) + n.tick()
	n.clock.pending = false
	n.arrangeTick()
}

func (n *node) arrangeTick() {
	n.clock.arg++
	n.w.arrange(event{at: max(n.w.now, n.clock.trueAt(n.clock.next)), kind: evTick, node: n, life: n.life, arg: n.clock.arg})
}

// ticked is the ticker's firing: a process that stands still, or is at work, keeps one,
// and the others are lost.
func (n *node) ticked(arg uint64) {
	if arg != n.clock.arg {
		return
	}
	n.clock.next += n.tick()
	n.arrangeTick()
	if n.paused > 0 || n.isAtWork() {
		if n.clock.pending {
			n.w.marks.add(markTickDropped)
		}
		n.clock.pending = true
		if n.paused == 0 {
			n.wakeAtEnd()
		}
		return
	}
	n.takeTick()
	n.works()
}

// takeTick notes when it was and steps the core.
func (n *node) takeTick() {
	if n.state != running {
		return
	}
	next := n.status.Tick + 1
	n.moments[next%moments] = moment{next, n.w.now}
	n.step(core.Tick{})
	if n.state == running {
		if full := n.disk.saysFull(); full != n.status.Full {
			n.w.marks.add(markToldFull)
			n.step(core.DiskFull{Full: full})
		}
	}
	if n.state == running && n.status.Tick%statusTicks == 0 {
		n.w.checks.statuses(n)
	}
}

// fallAsleep stops the ticker, but not CLOCK_BOOTTIME; wakeUp lets it run on
// for what was left.
func (n *node) fallAsleep() {
	n.clock.asleep = n.clock.at(n.w.now)
	n.clock.arg++
}

func (n *node) wakeUp() {
	n.clock.next += n.clock.at(n.w.now) - n.clock.asleep
	n.clock.asleep = 0
	if n.state == running {
		n.arrangeTick()
	}
}
