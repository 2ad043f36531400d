//go:build integration

package failover

import (
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// A standby that was away for two changes of the primary has two timelines to cross. It does so at
// once: PostgreSQL alone would wait wal_retrieve_retry_interval at the second.
func TestTwoTimelinesBehind(t *testing.T) {
	w := newWorld(t, map[string]string{"wal_retrieve_retry_interval": "1h"})
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(2)
	w.acknowledged(50, a)
	must(t, c.Stop(w.ctx))
	w.handsOver(a, b)
	w.handsOver(b, a)
	must(t, c.Start(w.ctx))
	w.until(a, quorum, "2")
	w.stop()
	w.cameBack(c, a)
	w.checks(c)
	w.checks(a)
}

// handsOver switches over to a server while the third is away: who is left to be asked is the one
// that is chosen, whose promotion ends the session.
func (w *world) handsOver(primary, next *pgcluster.Server) {
	w.t.Helper()
	got, err := w.ask(next, fmt.Sprintf("SELECT pgraft_switchover(%d)", next.NodeID))
	if (err != nil || got != "t") && !isState(err, "57P01") {
		w.t.Fatalf("a switchover to node %d: %q, %v", next.NodeID, got, err)
	}
	w.acknowledged(50, next)
	w.until(next, stands(primary, "state"), "streaming")
}
