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
	c, err := Restore(taken, b)
	if err != nil {
		return nil, err
	}
	if next.MaxTailBytes == 0 {
		next.MaxTailBytes = defaultTailBytes
	}
	c.cfg = next
	c.library.SetTiming(c.rn, next.ElectionTicks, next.HeartbeatTicks)
	return c, nil
}
