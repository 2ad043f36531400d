//go:build integration

package failover

import (
	"fmt"
	"testing"
)

// Of two servers that are left one has diverged, and the other, which is granted the epoch, may not
// open it without that one: its data is made anew from a primary that is not open yet, and shows
// its data to nobody else.
func TestRejoinFromFork(t *testing.T) {
	for _, way := range []string{"rewind", "clone"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t, rewinds)
			a := w.cluster.Servers[0]
			w.until(a, quorum, "2")
			w.writes(4)
			w.acknowledged(100, a)
			_, err := a.Diverge(w.ctx)
			must(t, err)
			next := w.acknowledged(100, w.others(a)...)
			must(t, a.Set(map[string]string{"pgraft.rejoin": "off"}))
			must(t, a.Start(w.ctx))
			w.standsBack(a, primaryIs(next))
			_, err = next.Diverge(w.ctx)
			must(t, err)
			third := w.third(a, next)
			w.until(third, fmt.Sprintf("SELECT state FROM pgraft_stat_failover WHERE node_id = %d", third.NodeID), "opening")
			w.hides(third, "nothing")
			must(t, a.Set(map[string]string{"pgraft.rejoin": way}))
			_, err = a.Shell(w.ctx, `kill -HUP "$(head -n 1 "$PGDATA/postmaster.pid")"`) // it shows no data
			must(t, err)
			w.acknowledged(100, third)
			w.reignEnded(next, third)
			w.stop()
			w.cameBack(a, third)
			w.checks(a)
			w.checks(third)
		})
	}
}
