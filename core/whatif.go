package core

import "fmt"

// RestoreOther is Restore of a core that goes on with another configuration:
// what would have happened? The identity must be the same. No node does that.
func RestoreOther(taken, next Config, b []byte) (*Core, error) {
	if taken.Identity != next.Identity {
		return nil, fmt.Errorf("core: a checkpoint of %+v cannot go on as %+v", taken.Identity, next.Identity)
	}
	if err := next.Validate(); err != nil {
		return nil, err
	}
	taken, next = taken.withDefaults(), next.withDefaults()
	if taken.Limits != next.Limits {
		return nil, fmt.Errorf("a core with the bounds %+v cannot go on with %+v", taken.Limits, next.Limits)
	}
	if taken.Failover != next.Failover {
		return nil, fmt.Errorf("a core with the part %+v in failover cannot go on with %+v", taken.Failover, next.Failover)
	}
	c, err := Restore(taken, b)
	if err != nil {
		return nil, err
	}
	c.cfg = next
	c.library.SetTiming(c.rn.raw, next.ElectionTicks, next.HeartbeatTicks)
	if m := c.failing.machine; m != nil {
		m.SetTiming(next.TickMillis, uint64(next.ElectionTicks))
	}
	return c, nil
}
