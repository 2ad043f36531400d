//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// The leader's server is stopped, then the next one's engine worker alone is told to end.
// Each hands leadership over before: its log says to whom, nobody calls an election, and
// writes go on elsewhere. A heartbeat interval that a busy machine keeps easily: a stop
// that takes longer is left to an election.
func handsOverAsItStops(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 3, map[string]string{"pgraft.heartbeat_interval": "1s", "pgraft.election_timeout": "10s"})
	must(t, c.Start(ctx))
	for _, server := range c.Servers {
		initialise(ctx, t, server)
	}
	first := connect(ctx, t, s.leader(ctx, t, c.Servers...))
	for _, server := range c.Servers[1:] {
		addNode(ctx, t, first, server)
	}
	ledger := newLedger()
	up := slices.Clone(c.Servers)
	elections := func(of []*pgcluster.Server) (n int64) {
		for _, server := range of {
			var called int64
			must(t, connect(ctx, t, server).QueryRow(ctx, "SELECT elections FROM pgraft_stat_node").Scan(&called))
			n += called
		}
		return n
	}
	for _, how := range []struct {
		what string
		stop func(*pgcluster.Server)
	}{
		{"the server is stopped", func(l *pgcluster.Server) {
			must(t, l.Stop(ctx))
			up = slices.DeleteFunc(up, func(x *pgcluster.Server) bool { return x == l })
		}},
		{"the engine worker is told to end", func(l *pgcluster.Server) {
			pid, err := l.EngineWorker()
			must(t, err)
			must(t, l.EndEngine())
			_, err = l.WaitEngineWorker(ctx, pid)
			must(t, err)
		}},
	} {
		leader := s.leader(ctx, t, up...)
		ledger.replicate(ctx, t, connect(ctx, t, leader), "before "+how.what)
		rest := slices.DeleteFunc(slices.Clone(up), func(x *pgcluster.Server) bool { return x == leader })
		size, err := leader.LogSize()
		must(t, err)
		called := elections(rest)
		how.stop(leader)
		next := s.leader(ctx, t, rest...)
		ledger.replicate(ctx, t, connect(ctx, t, next), "after "+how.what)
		if n := elections(rest); n != called {
			t.Errorf("%s: %d elections were called", how.what, n-called)
		}
		text, err := os.ReadFile(leader.LogPath)
		must(t, err)
		for _, line := range []string{fmt.Sprintf("handing leadership to node %d", next.NodeID), fmt.Sprintf("leadership is handed to node %d", next.NodeID)} {
			if !strings.Contains(string(text[size:]), line) {
				t.Errorf("%s: the log of node %d does not say %q", how.what, leader.NodeID, line)
			}
		}
	}
	ledger.check(ctx, t, up...)
}
