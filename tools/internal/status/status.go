// Package status is `pgraft status`: it asks PostgreSQL servers with pgraft, and
// nodes without PostgreSQL, how they are. Start with Ask.
package status

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/rejoin"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// Node is what one node says of itself and of its cluster. It is also what a
// node without PostgreSQL answers at Path.
type Node struct {
	Asked string `json:"asked,omitempty"` // how it was reached, without a password
	Error string `json:"error,omitempty"` // why there is no answer; then the rest is empty, but for Rejoin
	// Rejoin is there while the data of a server on this machine is made anew.
	Rejoin *rejoin.Progress `json:"rejoin,omitempty"`

	NodeID       int    `json:"node_id"`
	Version      string `json:"version,omitempty"`
	WorkerState  string `json:"worker_state,omitempty"`
	Leader       bool   `json:"leader"`      // it holds the leader lease
	LeaderNode   int    `json:"leader_node"` // 0: none known
	Term         int64  `json:"term"`
	CommitIndex  int64  `json:"commit_index"`
	AppliedIndex int64  `json:"applied_index"`
	LastIndex    int64  `json:"last_index"`

	Members []sqlapi.Status  `json:"members"`
	Health  []sqlapi.Finding `json:"health"`
	// Failover is empty where the server takes no part in it.
	Failover []sqlapi.Failover `json:"failover,omitempty"`
}

// Path is where a node without PostgreSQL answers with a Node, as JSON.
const Path = "/status"

// Severities of findings, worst last. What a node cannot know now is none.
var severities = []string{"ok", "warning", "critical"}

// Worst is the severity of the worst finding; critical for a node that did not
// answer.
func (n Node) Worst() string {
	if n.Error != "" {
		return "critical"
	}
	worst := 0
	for _, f := range n.Health {
		worst = max(worst, slices.Index(severities, f.Status))
	}
	return severities[worst]
}

// Report is what all that were asked answered, in the order of the targets.
type Report struct {
	Status   string   `json:"status"` // ok, warning or critical: the worst of all
	Problems []string `json:"problems"`
	Nodes    []Node   `json:"nodes"`
}

// Ask asks all targets at once, each until ctx ends: a connection string or URL
// as libpq takes it, or the http:// or https:// URL of a node without PostgreSQL.
func Ask(ctx context.Context, targets []string) Report {
	r := Report{Nodes: make([]Node, len(targets))}
	var all sync.WaitGroup
	for i, target := range targets {
		all.Go(func() {
			n, err := ask(ctx, target)
			if err != nil {
				n = Node{Error: err.Error()}
				n.rejoins(target)
			}
			n.Asked = name(target)
			r.Nodes[i] = n
		})
	}
	all.Wait()
	r.judge()
	return r
}

// rejoins looks whether there is no server because its data is being made anew.
func (n *Node) rejoins(target string) {
	if isHTTP(target) {
		return
	}
	cfg, err := pgx.ParseConfig(target)
	if err != nil {
		return // it has been said
	}
	p, err := rejoin.Local(cfg.Host, cfg.Port)
	if p != nil {
		n.Rejoin, n.Error = p, p.String()
	} else if err != nil {
		n.Error += "; " + err.Error()
	}
}

// judge finds the problems, worst first.
func (r *Report) judge() {
	type problem struct {
		severity int
		text     string
	}
	var found []problem
	add := func(severity, text string, a ...any) {
		found = append(found, problem{slices.Index(severities, severity), fmt.Sprintf(text, a...)})
	}
	leaders := map[int64]map[int]bool{} // by term: who is said to lead
	for _, n := range r.Nodes {
		if n.Error != "" {
			add("critical", "%s: %s", n.Asked, n.Error)
			continue
		}
		for _, f := range n.Health {
			if f.Status == "warning" || f.Status == "critical" {
				value := ""
				if f.Value != nil {
					value = ": " + *f.Value
				}
				add(f.Status, "node %d: %s is %s%s", n.NodeID, f.Metric, f.Status, value)
			}
		}
		if n.LeaderNode != 0 {
			if leaders[n.Term] == nil {
				leaders[n.Term] = map[int]bool{}
			}
			leaders[n.Term][n.LeaderNode] = true
		}
	}
	for term, ids := range leaders {
		if len(ids) > 1 { // of one cluster that cannot be
			add("critical", "in term %d different nodes are said to lead: these nodes are of different clusters", term)
		}
	}
	for _, p := range r.failoverProblems() {
		add(p[0], "%s", p[1])
	}
	slices.SortStableFunc(found, func(a, b problem) int { return cmp.Compare(b.severity, a.severity) })
	r.Status, r.Problems = severities[0], []string{}
	for i, p := range found {
		if i == 0 {
			r.Status = severities[p.severity]
		}
		r.Problems = append(r.Problems, p.text)
	}
}

// failoverProblems is what is wrong with failover, as the best informed knows it: a severity
// and a text each.
func (r *Report) failoverProblems() (l [][2]string) {
	_, rows := r.failover()
	on, serves := false, false
	for _, f := range rows {
		on = on || f.Epoch != nil && f.State != failoverIsOff
		serves = serves || f.State == "serving"
		if f.State == "quarantined" && f.WhyNot != nil {
			l = append(l, [2]string{"warning", fmt.Sprintf("node %d is quarantined: %s", f.NodeID, *f.WhyNot)})
		}
	}
	if on && !serves {
		l = append(l, [2]string{"critical", "failover: no server is the primary"})
	}
	return l
}

// failoverIsOff is a state in pgraft_stat_failover.
const failoverIsOff = "failover is off"

// name is a target as it may be shown: without a password.
func name(target string) string {
	if isHTTP(target) {
		return target
	}
	cfg, err := pgx.ParseConfig(target)
	if err != nil {
		return "connection string"
	}
	return fmt.Sprintf("%s:%d", cfg.Host, cfg.Port)
}

func isHTTP(target string) bool {
	return strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://")
}

func ask(ctx context.Context, target string) (Node, error) {
	if isHTTP(target) {
		return askHTTP(ctx, target)
	}
	return askSQL(ctx, target)
}

// maxAnswer bounds what is read of an HTTP answer, in bytes.
const maxAnswer = 1 << 20

func askHTTP(ctx context.Context, url string) (n Node, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(url, "/")+Path, nil)
	if err != nil {
		return n, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return n, fmt.Errorf("%s answers %s: is it the --http address of a `pgraft node`?", req.URL, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&n); err != nil {
		return n, fmt.Errorf("%s: %w: is it the --http address of a `pgraft node`?", req.URL, err)
	}
	return n, nil
}

// self is what pgraft_stat_node says. It is NULL but for the id and the state
// while the node belongs to no cluster.
type self struct {
	NodeID       int    `db:"node_id"`
	WorkerState  string `db:"worker_state"`
	Leader       bool   `db:"leader"`
	LeaderNode   int    `db:"leader_node"`
	Term         int64  `db:"term"`
	CommitIndex  int64  `db:"commit_index"`
	AppliedIndex int64  `db:"applied_index"`
	LastIndex    int64  `db:"last_index"`
}

const selfQuery = `SELECT node_id, worker_state, pgraft_is_leader() AS leader, coalesce(leader_node, 0) AS leader_node,
	coalesce(term, 0) AS term, coalesce(commit_index, 0) AS commit_index, coalesce(applied_index, 0) AS applied_index,
	coalesce(last_index, 0) AS last_index FROM pgraft_stat_node`

func askSQL(ctx context.Context, dsn string) (n Node, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if n.Version, err = sqlapi.Version(ctx, conn); err != nil {
		return n, err
	}
	rows, err := conn.Query(ctx, selfQuery)
	if err != nil {
		return n, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[self])
	if err != nil {
		return n, fmt.Errorf("pgraft_stat_node: %w", err)
	}
	n.NodeID, n.WorkerState, n.Leader, n.LeaderNode = s.NodeID, s.WorkerState, s.Leader, s.LeaderNode
	n.Term, n.CommitIndex, n.AppliedIndex, n.LastIndex = s.Term, s.CommitIndex, s.AppliedIndex, s.LastIndex
	if n.Health, err = sqlapi.HealthCheck(ctx, conn); err != nil {
		return n, err
	}
	if n.WorkerState != "running" {
		return n, nil // it has no members to tell of; its health says why
	}
	if n.Members, err = sqlapi.ClusterStatus(ctx, conn); err != nil {
		return n, err
	}
	n.Failover, err = sqlapi.StatFailover(ctx, conn)
	return n, err
}
