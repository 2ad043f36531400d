package failover

import "testing"

// The primary may have had the lease without this node, which was cut off and followed
// nobody: the delay counts from what it tells of that.
func TestPrimaryHadTheLeaseSince(t *testing.T) {
	led := func(millis uint64) Told { return with(primary(), func(t *Told) { t.Led = millis + 1 }) }
	d := witness(t).there(led(1900), a)
	d.nothing(19, Nothing).expect(1, nil, a).nothing(15, Nothing)
	d.there(led(2000), a).expect(1, Begin{2}, 0)

	// It tells of the lease, and not of leadership alone.
	d = sit(opened(t), a).there(standby(), b, c).server(func(v *Server) { v.Recovery, v.Flushed = false, 500 })
	d.a.Lease = false
	d.ticks(3)
	if got := d.m.Tells(d.a).Led; got != 0 {
		t.Errorf("it leads without the lease: %d", got)
	}
	d.a.Lease = true
	d.ticks(1)
	d.a.Leads, d.a.Lease, d.a.Leader = false, false, b
	d.ticks(7)
	if got := d.m.Tells(d.a).Led; got != 701 {
		t.Errorf("it had the lease 700 ms ago: %d", got)
	}
}
