//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// node is the part of pgraft_stat_node that the scenarios look at.
type node struct {
	role                              string
	term, commit, applied, last       int64
	proposals, commits, fsyncs, bytes int64
	won                               int64
	sane                              bool
}

func statNode(ctx context.Context, t *testing.T, conn *pgx.Conn) (n node) {
	t.Helper()
	// sane: what has a type in the contract can be computed with
	must(t, conn.QueryRow(ctx, `SELECT role, term, commit_index, applied_index, last_index, proposals, commits, fsyncs, commit_bytes, elections_won,
		fsync_time > '0s' AND fsync_time_max <= fsync_time AND last_fsync_time <= fsync_time_max
		AND last_fsync BETWEEN stats_since AND clock_timestamp() AND propose_time >= '0s'
		AND first_index <= last_index AND log_bytes > 0 AND (lease_left IS NULL OR lease_left <= '1s')
		AND proposals_failed <= proposals AND elections >= 0 AND leader_changes >= 1 AND worker_state = 'running'
		FROM pgraft_stat_node`).Scan(&n.role, &n.term, &n.commit, &n.applied, &n.last, &n.proposals, &n.commits, &n.fsyncs,
		&n.bytes, &n.won, &n.sane))
	return n
}

// What happens shows in the counters of the node where it happens.
func countsWhatItDoes(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	before := map[int]node{}
	for _, server := range s.cluster.Servers {
		before[server.NodeID] = statNode(ctx, t, connect(ctx, t, server))
	}
	const entries = 25
	on := s.others(leader)[0]
	conn := connect(ctx, t, on)
	for i := range entries {
		s.ledger.replicate(ctx, t, conn, fmt.Sprintf("counted %02d", i))
	}
	s.settle(ctx, t)
	for _, server := range s.cluster.Servers {
		now, was := statNode(ctx, t, connect(ctx, t, server)), before[server.NodeID]
		proposed := int64(0)
		if server == on {
			proposed = entries
		}
		want := map[bool]string{true: "Leader", false: "Follower"}[server == leader]
		switch {
		case !now.sane, now.role != want, now.term != was.term, now.commit != now.last, now.applied != now.commit:
			t.Errorf("node %d: %+v", server.NodeID, now)
		case now.proposals-was.proposals != proposed:
			t.Errorf("node %d counts %d proposals, want %d", server.NodeID, now.proposals-was.proposals, proposed)
		case now.commits-was.commits != entries, now.bytes-was.bytes != entries*int64(len("counted 00")):
			t.Errorf("node %d counts %d entries of %d bytes", server.NodeID, now.commits-was.commits, now.bytes-was.bytes)
		case now.fsyncs <= was.fsyncs:
			t.Errorf("node %d counts %d fsyncs, %d before", server.NodeID, now.fsyncs, was.fsyncs)
		}
		checkPeers(ctx, t, s, server, now)
	}
	var own int64
	must(t, connect(ctx, t, leader).QueryRow(ctx, "SELECT elections_won FROM pgraft_stat_node").Scan(&own))
	if own < 1 {
		t.Errorf("node %d leads and has won %d elections", leader.NodeID, own)
	}
}

func checkPeers(ctx context.Context, t *testing.T, s *suite, server *pgcluster.Server, n node) {
	t.Helper()
	rows, err := connect(ctx, t, server).Query(ctx, `SELECT node_id, address,
		connected AND connection_since < clock_timestamp() AND messages_sent > 0 AND messages_received > 0
		AND bytes_sent > messages_sent AND bytes_received > messages_received AND queue_messages >= 0 AND queue_bytes >= 0
		AND last_heard < '10s' AND state IN ('Leader', 'Follower') AND match_index <= $1 FROM pgraft_stat_peers ORDER BY node_id`, n.last)
	must(t, err)
	type peer struct {
		node    int
		address string
	}
	var got, want []peer
	for rows.Next() {
		var p peer
		var sane bool
		must(t, rows.Scan(&p.node, &p.address, &sane))
		got = append(got, p)
		if !sane {
			t.Errorf("node %d says nonsense of its peer %d", server.NodeID, p.node)
		}
	}
	must(t, rows.Err())
	for _, other := range s.others(server) {
		want = append(want, peer{other.NodeID, fmt.Sprintf("127.0.0.1:%d", other.RaftPort)})
	}
	if !slices.Equal(got, want) {
		t.Errorf("node %d has the peers %v, want %v", server.NodeID, got, want)
	}
}

// metrics are the rows of pgraft_health_check, in every state of a node.
var metrics = []string{"leader", "term", "leader_node", "worker_state", "commit_index", "quorum", "apply_lag", "disk_free", "last_fsync", "certificate", "alarm"}

func health(ctx context.Context, conn *pgx.Conn) (map[string]sqlapi.Finding, error) {
	rows, err := sqlapi.HealthCheck(ctx, conn)
	if err != nil {
		return nil, err
	}
	found := map[string]sqlapi.Finding{}
	for i, r := range rows {
		if i >= len(metrics) || r.Metric != metrics[i] {
			return nil, fmt.Errorf("row %d of pgraft_health_check() is %+v, want one of %v in order", i, r, metrics)
		}
		found[r.Metric] = r
	}
	if len(rows) != len(metrics) {
		return nil, fmt.Errorf("pgraft_health_check() has %d rows, want %d", len(rows), len(metrics))
	}
	return found, nil
}

// A whole cluster is ok on every node; one that lost nodes says what is missing;
// a node that is no member yet says what is not known.
func tellsItsHealth(ctx context.Context, t *testing.T, s *suite) {
	s.whole(ctx, t)
	leader := s.leader(ctx, t)
	for _, server := range s.cluster.Servers {
		found, err := health(ctx, connect(ctx, t, server))
		must(t, err)
		for _, m := range metrics {
			slow := m == "last_fsync" && found[m].Status != "unknown" // of this machine's disk
			full := m == "disk_free" && found[m].Status != "unknown"
			if f := found[m]; f.Value == nil || f.Status != "ok" && !slow && !full {
				t.Errorf("node %d: %s is %v, %s", server.NodeID, m, f.Value, f.Status)
			}
		}
		if want := fmt.Sprint(server == leader); *found["leader"].Value != want {
			t.Errorf("node %d: leader is %s, want %s", server.NodeID, *found["leader"].Value, want)
		}
		if want := fmt.Sprint(leader.NodeID); *found["leader_node"].Value != want {
			t.Errorf("node %d: leader_node is %s, want %s", server.NodeID, *found["leader_node"].Value, want)
		}
	}
	conn := connect(ctx, t, leader)
	s.waitHealth(ctx, t, conn, "quorum", "ok")
	dead := s.others(leader)
	_, err := dead[0].Kill9(ctx)
	must(t, err)
	s.waitHealth(ctx, t, conn, "quorum", "warning")
	_, err = dead[1].Kill9(ctx)
	must(t, err)
	s.waitHealth(ctx, t, conn, "quorum", "critical")
	s.waitHealth(ctx, t, conn, "leader_node", "critical")

	fresh := s.extraCluster(ctx, t, 1, nil).Servers[0]
	must(t, fresh.Start(ctx))
	blank := connect(ctx, t, fresh)
	_, err = blank.Exec(ctx, "CREATE EXTENSION pgraft")
	must(t, err)
	s.waitHealth(ctx, t, blank, "worker_state", "warning")
	s.waitHealth(ctx, t, blank, "term", "unknown")
	var rows int
	must(t, blank.QueryRow(ctx, "SELECT count(*) FROM pgraft_stat_node WHERE worker_state = 'initializing' AND role IS NULL AND fsyncs = 0").Scan(&rows))
	if rows != 1 {
		t.Errorf("pgraft_stat_node has %d rows like that of a node without a cluster", rows)
	}
}

func (s *suite) waitHealth(ctx context.Context, t *testing.T, conn *pgx.Conn, metric, status string) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("%s to be %s", metric, status), func(ctx context.Context) error {
		found, err := health(ctx, conn)
		if err == nil && found[metric].Status != status {
			err = fmt.Errorf("it is %+v", found[metric])
		}
		return err
	}))
}
