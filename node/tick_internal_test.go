package node

import (
	"testing"
	"time"
)

// A tick is half a heartbeat interval where that is shorter than 100 ms, and never
// so long that an election timeout has less than ten.
func TestTick(t *testing.T) {
	for _, c := range []struct{ election, heartbeat, want time.Duration }{
		{time.Second, 100 * time.Millisecond, 50 * time.Millisecond},
		{time.Minute, 5 * time.Second, 100 * time.Millisecond},
		{time.Second, 20 * time.Millisecond, 10 * time.Millisecond},
		{300 * time.Millisecond, 100 * time.Millisecond, 30 * time.Millisecond},
		{30 * time.Millisecond, 10 * time.Millisecond, 3 * time.Millisecond},
	} {
		cfg := Config{ElectionTimeout: c.election, HeartbeatInterval: c.heartbeat}
		if got := cfg.tick(); got != c.want {
			t.Errorf("election timeout %v, heartbeat interval %v: a tick of %v, want %v", c.election, c.heartbeat, got, c.want)
		}
	}
}
