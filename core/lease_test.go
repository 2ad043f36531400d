package core

import "testing"

// A promise is for half an election timeout, but for longer where the lease would not
// last leaseHeartbeats heartbeat intervals, and for an election timeout at most.
func TestPromiseTicks(t *testing.T) {
	for _, tt := range []struct {
		election, heartbeat int
		promise, lease      uint64
	}{
		{20, 2, 10, 6}, // what the settings' defaults come to
		{40, 4, 20, 15},
		{100, 10, 50, 42},
		{10, 1, 7, 3}, // half would be a lease of one tick
		{11, 2, 10, 6},
		{10, 3, 10, 6}, // the shortest timeout for its heartbeats: no room
		{5, 1, 5, 1},   // the shortest of all
		{1000, 1, 500, 447},
	} {
		c := Config{ElectionTicks: tt.election, HeartbeatTicks: tt.heartbeat}
		p := c.promiseTicks()
		if l := leaseTicks(p - promiseSlackTicks); p != tt.promise || l != tt.lease {
			t.Errorf("with an election timeout of %d ticks and a heartbeat every %d, a promise is for %d ticks and the lease %d, want %d and %d",
				tt.election, tt.heartbeat, p, l, tt.promise, tt.lease)
		}
	}
	for election := minElectionTicks; election < 200; election++ {
		for heartbeat := 1; heartbeat*HeartbeatsPerElection <= election; heartbeat++ {
			c := Config{ElectionTicks: election, HeartbeatTicks: heartbeat}
			p := c.promiseTicks()
			l := leaseTicks(p - promiseSlackTicks)
			if p < minElectionTicks || p > uint64(election) || l == 0 || l < uint64(leaseHeartbeats*heartbeat) && p < uint64(election) {
				t.Errorf("an election timeout of %d ticks and a heartbeat every %d: a promise for %d ticks, a lease of %d", election, heartbeat, p, l)
			}
		}
	}
}
