package node

import (
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// A server is looked at soon while something is expected of it, and not for ever.
func TestLooksSoon(t *testing.T) {
	order := []failover.Order{failover.Seal{Boot: 1, UpTo: 1}}
	for _, c := range []struct {
		name string
		out  core.FailoverOutput
		soon bool
	}{
		{"nothing is ordered", core.FailoverOutput{}, false},
		{"an order", core.FailoverOutput{Orders: order}, true},
		{"the primary's port is to be looked at", core.FailoverOutput{Orders: []failover.Order{failover.Watch{Epoch: 1, Member: 2}}}, false},
		{"the primary does not serve yet", core.FailoverOutput{Shared: failover.Shared{Primary: true}}, true},
		{"it serves", core.FailoverOutput{Shared: failover.Shared{Primary: true, Open: true}}, false},
		{"it switches over", core.FailoverOutput{Shared: failover.Shared{Primary: true, Open: true, Switchover: 7}}, true},
	} {
		h := &serverHost{wake: make(chan struct{}, 1), again: time.NewTimer(time.Hour), port: newPortWatch(nil, nil)}
		h.take(c.out)
		h.decided = time.Now().Add(time.Hour)
		h.looksSoon()
		if c.soon {
			<-h.again.C
		} else if !h.again.Stop() {
			t.Errorf("%s: it is looked at soon", c.name)
		}
		if h.decided = time.Now().Add(-lookLimit); c.soon {
			h.again.Reset(time.Hour)
			h.take(c.out) // no other than before
			if h.looksSoon(); !h.again.Stop() {
				t.Errorf("%s: it is looked at soon for more than %v", c.name, lookLimit)
			}
		}
	}
}
