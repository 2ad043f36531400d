package core

// Clock remembers when a core's last ticks were, by the clock of its host: the lease,
// which the core counts in ticks, ends at a time. It is the host's, as a core has no
// clock. A Clock that is nil knows no time.
type Clock struct {
	// Now is the time in nanoseconds, more than 0, on a clock that nobody sets, that
	// goes on while the machine sleeps, and that all who read the lease's end go by.
	Now   func() int64
	ticks [clockTicks]tickTime
}

// clockTicks is for how many ticks their time is remembered: longer than a lease.
const clockTicks = 1024

type tickTime struct {
	tick uint64
	at   int64
}

func (c *Clock) tick(n uint64) {
	if c != nil {
		c.Note(n, c.Now())
	}
}

// Note says when the tick number n was.
func (c *Clock) Note(n uint64, at int64) { c.ticks[n%clockTicks] = tickTime{n, at} }

// LeaseEnd is when the lease of s ends, of a core whose ticks are so long; 0: it has
// none, or the tick from which it counts was before the first one noted.
func (c *Clock) LeaseEnd(s Status, tickMillis uint64) int64 {
	if c == nil || s.LeaseTicks == 0 {
		return 0
	}
	t := c.ticks[s.LeaseFrom%clockTicks]
	if t.tick != s.LeaseFrom || t.at == 0 {
		return 0
	}
	return t.at + int64(s.LeaseTicks*tickMillis)*1e6
}
