package failover

import (
	"strings"
	"testing"
)

// Every quarantine has a way out, and where nobody is quarantined there is nothing to do.
func TestEveryQuarantineHasAWayOut(t *testing.T) {
	const nothing = "nothing is to be done"
	for q := range quarantines {
		if got := q.WayOut(); (got == nothing) != (q == NotQuarantined) {
			t.Errorf("%v: %s", q, got)
		}
	}
}

// What an operator may meet and can do something about has a way out, in a sentence.
func TestWayOutOfAVoidEntry(t *testing.T) {
	for _, v := range []Void{VoidOff, VoidEpoch, VoidNotElectable, VoidLastPrimary, VoidUnderWay, VoidSettings, VoidFounding} {
		if got := v.WayOut(); !strings.HasSuffix(got, ".") {
			t.Errorf("%v: %q", v, got)
		}
	}
	if got := VoidKnown.WayOut(); got != "" {
		t.Errorf("nothing is to be done about what the log has: %q", got)
	}
}
