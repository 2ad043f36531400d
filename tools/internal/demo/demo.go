// Package demo is `pgraft demo`: a cluster of real PostgreSQL servers on this
// machine, shown at work and through the crash of its leader. Call Run.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/commits"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// MinNodes and MaxNodes bound Options.Nodes: with fewer than three, no node may
// fail.
const (
	MinNodes = 3
	MaxNodes = pgcluster.MaxNodes
)

// How many entries the demo writes before and after the crash, and for how long
// it watches the idle workers.
const (
	entriesBefore = 100
	entriesAfter  = 50
	idleInterval  = 3 * time.Second
)

// Time limits, each far above what a healthy cluster needs.
const (
	electionLimit = 30 * time.Second
	catchUpLimit  = 30 * time.Second
)

// ErrInterrupted is the error of a run whose context ended.
var ErrInterrupted = errors.New("interrupted")

// Options are the command's flags.
type Options struct {
	Nodes    int    // MinNodes..MaxNodes
	PGConfig string // empty: $PG_CONFIG, then the search path
	Dir      string // of the servers' files, made by the run; empty: a temporary one
	Keep     bool   // leave the cluster running at the end
	TLS      bool   // between nodes, with certificates made for the run
	Failover bool   // a primary and its standbys, and the crash of the primary
	Progress io.Writer
}

// Result is what a run found out; its JSON form is the output of --json.
type Result struct {
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"`
	Postgres string     `json:"postgres"`
	Version  string     `json:"pgraft"`
	Steps    []StepTime `json:"steps"`
	// rows of pgraft_get_cluster_status() as each node answered, by node
	Status []NodeStatus `json:"status"`
	// rows of pgraft_stat_peers about TLS, with --tls
	TLS []PeerTLS `json:"tls,omitempty"`
	// entries compared on every node; those written after the crash included
	Entries        int       `json:"entries"`
	Killed         int       `json:"killed_node"`
	NewLeader      int       `json:"new_leader"`
	FailoverSecs   float64   `json:"failover_seconds"` // from SIGKILL to pgraft_is_leader() on a survivor
	CatchUpSecs    float64   `json:"catch_up_seconds"` // from the start of the killed server's restart
	Idle           []Idle    `json:"idle"`
	Seconds        float64   `json:"seconds"`
	Kept           []Kept    `json:"kept,omitempty"`
	Dir            string    `json:"dir,omitempty"` // only when kept
	CleanedUp      bool      `json:"cleaned_up"`
	Failover       *Failover `json:"failover,omitempty"` // with --failover; then nothing of the entries, and of the idle workers
	idleCPU        float64
	idlePSSInBytes int64
}

// StepTime is how long a step took.
type StepTime struct {
	Title   string  `json:"title"`
	Detail  string  `json:"detail,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Idle is what one engine worker takes when nothing is asked of it.
type Idle struct {
	NodeID   int     `json:"node_id"`
	CPU      float64 `json:"cpu"` // share of one core
	PSSBytes int64   `json:"pss_bytes"`
}

// Kept is how to reach a server that was left running.
type Kept struct {
	NodeID int    `json:"node_id"`
	URL    string `json:"url"`
	Psql   string `json:"psql"`
}

// demo is one run.
type demo struct {
	options Options
	ui      *screen
	cluster *pgcluster.Cluster
	conns   map[int]*pgx.Conn // by node id; those of a dead server are missing
	written map[string]bool   // every acknowledged entry
	killed  *pgcluster.Server
	result  Result

	ledger      *commits.Ledger // with Options.Failover
	stopWriters func()
}

// Run runs the demo. Whatever happens, no server is left running and no file
// stays, but with Options.Keep at the end of a run that was not interrupted.
func Run(ctx context.Context, options Options) (Result, error) {
	began := time.Now()
	d := &demo{options: options, ui: newScreen(options.Progress), conns: map[int]*pgx.Conn{}, written: map[string]bool{}}
	err := d.run(ctx)
	if ctx.Err() != nil { // what failed then failed because of that
		err = ErrInterrupted
	}
	if d.stopWriters != nil {
		d.stopWriters()
	}
	d.closeConns()
	err = errors.Join(err, d.cleanUp(ctx))
	d.result.Seconds = time.Since(began).Seconds()
	d.result.Steps = d.ui.steps
	d.result.OK = err == nil
	if err != nil {
		d.result.Error = err.Error()
	} else {
		d.summary()
	}
	return d.result, err
}

func (d *demo) run(ctx context.Context) error {
	if d.options.Nodes < MinNodes || d.options.Nodes > MaxNodes {
		return fmt.Errorf("--nodes %d: want %d to %d", d.options.Nodes, MinNodes, MaxNodes)
	}
	if d.options.Failover && d.options.TLS {
		return errors.New("--failover and --tls: one at a time")
	}
	install, err := pgcluster.Find(d.options.PGConfig)
	if err != nil {
		return err
	}
	d.result.Postgres = install.Version
	if err := install.CheckExtension(); err != nil {
		return err
	}
	d.ui.printf("A pgraft cluster of %d servers with %s on this machine\n\n", d.options.Nodes, install.Version)
	config := pgcluster.Config{Install: install, Nodes: d.options.Nodes, Dir: d.options.Dir, Outlive: d.options.Keep}
	title := fmt.Sprintf("make %d database servers", d.options.Nodes)
	if d.options.Failover {
		config.Nodes, config.Settings = 1, failoverSettings
		title = "make a database server"
	}
	err = d.ui.step(title, func(*progress) (string, error) {
		d.cluster, err = pgcluster.New(ctx, config)
		if err != nil {
			return "", err
		}
		return "in " + d.cluster.Dir, nil
	})
	if err != nil {
		return err
	}
	if d.options.TLS {
		if err := d.ui.step("make a certificate for each", func(*progress) (string, error) { return d.certify() }); err != nil {
			return err
		}
	}
	if d.options.Failover {
		return d.ui.all(d.failoverSteps(ctx)...)
	}
	return d.ui.all(d.steps(ctx)...)
}

// steps are those once the servers are made.
func (d *demo) steps(ctx context.Context) []step {
	steps := []step{
		{"start them", func(*progress) (string, error) { return d.start(ctx) }},
		{"CREATE EXTENSION pgraft; SELECT pgraft_init(); on each", func(*progress) (string, error) { return d.initialise(ctx) }},
		{"pgraft_add_node() on the leader", func(*progress) (string, error) { return d.addNodes(ctx) }},
		{"pgraft_get_cluster_status() on each node", func(*progress) (string, error) { return d.status(ctx) }},
		{fmt.Sprintf("replicate %d entries", entriesBefore), func(p *progress) (string, error) {
			return d.write(ctx, p, "entry", entriesBefore)
		}},
		{"read them back on every node", func(*progress) (string, error) { return d.readBack(ctx) }},
		{"watch the idle workers", func(*progress) (string, error) { return d.idle(ctx) }},
		{"kill the leader's server with SIGKILL", func(*progress) (string, error) { return d.failover(ctx) }},
		{fmt.Sprintf("replicate %d more entries without it", entriesAfter), func(p *progress) (string, error) {
			return d.write(ctx, p, "after the crash", entriesAfter)
		}},
		{"start the killed server again", func(*progress) (string, error) { return d.rejoin(ctx) }},
		{"read everything back on every node", func(*progress) (string, error) { return d.readBack(ctx) }},
		{"pgraft_get_cluster_status() on each node", func(*progress) (string, error) { return d.status(ctx) }},
	}
	if d.options.TLS {
		const afterStatus = 4
		steps = slices.Insert(steps, afterStatus, step{"SELECT ... FROM pgraft_stat_peers on each node", func(*progress) (string, error) { return d.showTLS(ctx) }})
	}
	return steps
}

// cleanUp stops and removes everything, unless it is to be kept.
func (d *demo) cleanUp(ctx context.Context) error {
	if d.cluster == nil {
		d.result.CleanedUp = true
		return nil
	}
	if d.options.Keep && ctx.Err() == nil {
		d.result.Dir = d.cluster.Dir
		for _, s := range d.cluster.Servers {
			d.result.Kept = append(d.result.Kept, Kept{NodeID: s.NodeID, URL: s.URL(), Psql: s.PsqlLine()})
		}
		return nil
	}
	return d.ui.step("stop and remove everything", func(*progress) (string, error) {
		err := d.cluster.Destroy()
		d.result.CleanedUp = err == nil
		return "", err
	})
}

func (d *demo) closeConns() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range d.conns {
		c.Close(ctx) // the server may be dead: then there is nothing to close
	}
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_/.,:=@+-]+$`)

// shellWord is text as a shell takes it for one word.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func (d *demo) summary() {
	r := d.result
	d.ui.printf("\n%s\n", d.ui.bold("Done in %.1f s.", r.Seconds))
	if r.Failover != nil {
		d.failoverSummary()
	} else {
		d.logSummary()
	}
	if len(r.Kept) == 0 {
		return
	}
	d.ui.printf("\nThe cluster runs on. Connect with\n")
	for _, k := range r.Kept {
		d.ui.printf("  %s\n", k.Psql)
	}
	d.ui.printf("Stop and remove it with\n  pgraft demo stop %s\n", shellWord(r.Dir))
}

func (d *demo) logSummary() {
	r := d.result
	d.ui.printf("  new leader after a crash   %.2f s (node %d to node %d)\n", r.FailoverSecs, r.Killed, r.NewLeader)
	d.ui.printf("  entries compared           %d, equal on all %d nodes\n", r.Entries, d.options.Nodes)
	d.ui.printf("  engine worker when idle    %.2f %% of a core, %.1f MB (PSS), the largest of all nodes\n",
		100*r.idleCPU, float64(r.idlePSSInBytes)/(1<<20))
}
