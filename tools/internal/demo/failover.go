package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/internal/commits"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/status"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// What the sessions do while the primary dies.
const (
	sessions      = 8
	commitLimit   = 10 * time.Second
	commitsBefore = 1000
	commitsAfter  = 1000
)

// failoverSettings are those of a server that takes part.
var failoverSettings = map[string]string{"pgraft.failover": "on", "pgraft.rejoin": "rewind", "wal_log_hints": "on"}

// Failover is what a run with Options.Failover found out.
type Failover struct {
	Killed     int     `json:"killed_node"`
	NewPrimary int     `json:"new_primary"`
	Seconds    float64 `json:"seconds_to_first_commit"` // from SIGKILL to the first commit that another server acknowledged
	// BackSeconds is from the start of the killed server until commits wait for it again.
	BackSeconds float64 `json:"seconds_to_counted_again"`
	// SwitchedTo is who is primary in the end, and GapSeconds the longest time without an
	// acknowledged commit as that was handed over.
	SwitchedTo int     `json:"switched_over_to"`
	GapSeconds float64 `json:"switchover_gap_seconds"`
	// Commits is what the primary in the end has of the sessions' commits.
	Commits commits.Found     `json:"commits"`
	Errors  map[string]int    `json:"client_errors"` // by text: how often
	Members []sqlapi.Failover `json:"members"`
}

// failoverSteps are those of a run that shows how the database itself stays writable.
func (d *demo) failoverSteps(ctx context.Context) []step {
	return []step{
		{"start a server; CREATE EXTENSION pgraft; SELECT pgraft_init();", func(*progress) (string, error) { return d.startFirst(ctx) }},
		{"copy its data to two standbys, and start them", func(p *progress) (string, error) { return d.addStandbys(ctx, p) }},
		{"pgraft_init() there, pgraft_add_node() on the leader", func(*progress) (string, error) { return d.addStandbyNodes(ctx) }},
		{"SELECT pgraft_enable_failover()", func(*progress) (string, error) { return d.enableFailover(ctx) }},
		{fmt.Sprintf("%d sessions commit, by target_session_attrs=read-write", sessions), func(p *progress) (string, error) { return d.commit(ctx, p, commitsBefore) }},
		{"kill the primary's server with SIGKILL, with WAL that nobody else has", func(*progress) (string, error) { return d.killPrimary(ctx) }},
		{"the sessions go on", func(p *progress) (string, error) { return d.commit(ctx, p, commitsAfter) }},
		{"start the killed server again", func(*progress) (string, error) { return d.comeBack(ctx) }},
		{"SELECT pgraft_switchover()", func(*progress) (string, error) { return d.switchOver(ctx) }},
		{"the sessions go on", func(p *progress) (string, error) { return d.commit(ctx, p, commitsAfter) }},
		{"compare with what the sessions know", func(*progress) (string, error) { return d.compareCommits(ctx) }},
		{"SELECT * FROM pgraft_stat_failover", func(*progress) (string, error) { return d.showFailover(ctx) }},
	}
}

func (d *demo) startFirst(ctx context.Context) (string, error) {
	detail, err := d.start(ctx)
	if err != nil {
		return "", err
	}
	initialised, err := d.initialise(ctx)
	return detail + ", " + initialised, err
}

func (d *demo) addStandbys(ctx context.Context, p *progress) (string, error) {
	primary := d.server(1)
	p.total(d.options.Nodes - 1)
	for range d.options.Nodes - 1 {
		s, err := d.cluster.AddBackup(ctx, primary, nil)
		if err == nil {
			err = s.Start(ctx)
		}
		if err == nil {
			err = d.connect(ctx, s)
		}
		if err != nil {
			return "", err
		}
		p.add()
	}
	return "streaming from node 1", nil
}

// addStandbyNodes initialises the standbys: the extension came with the data.
func (d *demo) addStandbyNodes(ctx context.Context) (string, error) {
	for _, s := range d.cluster.Servers[1:] {
		if _, err := d.conns[s.NodeID].Exec(ctx, "SELECT pgraft_init()"); err != nil {
			return "", fmt.Errorf("node %d: %w\n%s", s.NodeID, err, s.LogTail(8))
		}
	}
	return d.addNodes(ctx)
}

// enableFailover enables it on node 1, and makes the table once that serves.
func (d *demo) enableFailover(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, electionLimit)
	defer cancel()
	conn := d.conns[1]
	if _, err := conn.Exec(ctx, "SELECT pgraft_enable_failover()"); err != nil {
		return "", fmt.Errorf("%w\n%s", err, d.server(1).LogTail(8))
	}
	if err := commits.Create(ctx, conn); err != nil {
		return "", fmt.Errorf("%w%s", err, d.logs())
	}
	return "node 1 is the primary", nil
}

// writers starts the sessions, once.
func (d *demo) writers(ctx context.Context) {
	if d.ledger != nil {
		return
	}
	var hosts []string
	for _, s := range d.cluster.Servers {
		hosts = append(hosts, s.Host())
	}
	d.ledger = commits.New(commitLimit, hosts...)
	d.stopWriters = d.ledger.Start(ctx, sessions)
}

// commit waits until n more commits are acknowledged.
func (d *demo) commit(ctx context.Context, p *progress, n int) (string, error) {
	d.writers(ctx)
	began := time.Now()
	p.total(n)
	_, before := d.ledger.Last()
	shown := 0
	err := wait.For(ctx, electionLimit, fmt.Sprintf("%d commits", n), func(context.Context) error {
		_, now := d.ledger.Last()
		for ; shown < min(now-before, n); shown++ {
			p.add()
		}
		if now-before < n {
			return fmt.Errorf("%d so far; the sessions met %v", now-before, d.ledger.Errors())
		}
		return nil
	})
	ack, all := d.ledger.Last()
	rate := float64(all-before) / time.Since(began).Seconds()
	return fmt.Sprintf("%.0f commits a second, acknowledged by node %d", rate, d.nodeAt(ack.Server)), err
}

// killPrimary kills the server that acknowledges, and waits for a commit that another one does.
func (d *demo) killPrimary(ctx context.Context) (string, error) {
	ack, _ := d.ledger.Last()
	d.killed = d.server(d.nodeAt(ack.Server))
	d.conns[d.killed.NodeID].Close(ctx) // it would only hear that its server is gone
	delete(d.conns, d.killed.NodeID)
	var killedAt time.Time
	var group errgroup.Group
	group.Go(func() (err error) {
		killedAt, err = d.killed.Diverge(ctx)
		return err
	})
	f := &Failover{Killed: d.killed.NodeID}
	var first time.Time
	err := wait.For(ctx, electionLimit, "a commit that another server acknowledges", func(context.Context) error {
		for _, s := range d.cluster.Servers {
			if by := d.ledger.By(s.Host()); s != d.killed && by.Commits > 0 {
				f.NewPrimary, first = s.NodeID, by.First
				return nil
			}
		}
		return fmt.Errorf("there is none; the sessions met %v", d.ledger.Errors())
	})
	if err := errors.Join(err, group.Wait()); err != nil {
		return "", fmt.Errorf("%w%s", err, d.logs())
	}
	f.Seconds = first.Sub(killedAt).Seconds()
	d.result.Failover = f
	return fmt.Sprintf("node %d was the primary; node %d acknowledges a commit after %.2f s", f.Killed, f.NewPrimary, f.Seconds), nil
}

// logs are the tails of the logs of the servers that run, for an error.
func (d *demo) logs() string {
	var b strings.Builder
	for id := range d.conns {
		fmt.Fprintf(&b, "\n%s", d.server(id).LogTail(15))
	}
	return b.String()
}

func (d *demo) nodeAt(host string) int {
	i := slices.IndexFunc(d.cluster.Servers, func(s *pgcluster.Server) bool { return s.Host() == host })
	return i + 1
}

func (d *demo) failoverSummary() {
	f := d.result.Failover
	d.ui.printf("  first commit elsewhere     %.2f s after the kill (node %d to node %d)\n", f.Seconds, f.Killed, f.NewPrimary)
	d.ui.printf("  back as a standby          %.2f s after its start, by pg_rewind (node %d)\n", f.BackSeconds, f.Killed)
	d.ui.printf("  switchover                 %.2f s without a commit (node %d to node %d)\n", f.GapSeconds, f.NewPrimary, f.SwitchedTo)
	d.ui.printf("  acknowledged commits       %d, all on each of %d servers, each once\n", f.Commits.Acknowledged, d.options.Nodes)
	d.ui.printf("  of unknown outcome         %d that are there\n", f.Commits.Unknown)
}

func failoverTable(rows []sqlapi.Failover) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  node\trole\tstate\tepoch\ttimeline\tin the set\twhy not")
	for _, r := range rows {
		fmt.Fprintf(w, "  %d\t%s\t%s\t%s\t%s\t%t\t%s\n", r.NodeID, r.Role, r.State, status.OrDash(r.Epoch), status.OrDash(r.Timeline), r.InSyncSet, status.OrDash(r.WhyNot))
	}
	w.Flush() // into memory: cannot fail
	return b.String()
}
