package failover

import "testing"

// Every quarantine has a way out, and where nobody is quarantined there is nothing to do.
func TestEveryQuarantineHasAWayOut(t *testing.T) {
	const nothing = "nothing is to be done"
	for q := range quarantines {
		if got := q.WayOut(); (got == nothing) != (q == NotQuarantined) {
			t.Errorf("%v: %s", q, got)
		}
	}
}
