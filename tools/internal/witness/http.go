package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
	"github.com/pgraft/pgraft/node/web"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/status"
)

// web is what the witness answers with on HTTP; its own page is a status.Node, as JSON, which
// `pgraft status` asks for.
func (w *witness) web() *web.Server {
	return web.New(web.Host{Node: func() *node.Node { return w.node }, Trouble: func() error { return w.status().Failure },
		Findings: func(ctx context.Context) []health.Finding { _, found, _ := w.findings(ctx); return found },
		Witness:  true, Logger: w.cfg.Logger, Setting: "--http", Go: func(f func()) { go f() }, Recovered: func() {},
		Pages: map[string]http.HandlerFunc{status.Path: w.statusPage}})
}

func (w *witness) statusPage(out http.ResponseWriter, r *http.Request) {
	out.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(out).Encode(w.look(r.Context())); err != nil {
		w.cfg.Logger.Debug(fmt.Sprintf("an answer on HTTP was not read: %v", err))
	}
}

// workerStates are as pgraft_get_worker_state() says them.
var workerStates = map[node.State]string{node.Uninitialised: "initializing", node.Waiting: "running", node.Running: "running",
	node.Failed: "error", node.Removed: "stopped", node.Closed: "stopped"}

// look is what the node says of itself now.
func (w *witness) look(ctx context.Context) status.Node {
	state, _ := w.node.State()
	n := status.Node{NodeID: int(w.cfg.Node.NodeID), Version: w.cfg.Version, WorkerState: workerStates[state]}
	v, findings, err := w.findings(ctx)
	for _, f := range findings {
		found := sqlapi.Finding{Metric: f.Metric, Status: f.Status}
		if f.Value != "" {
			found.Value = &f.Value
		}
		n.Health = append(n.Health, found)
	}
	if err != nil {
		return n
	}
	n.Leader, n.LeaderNode, n.Term = v.LeaseLeft() > 0, int(core.NodeID(v.Core.Lead)), int64(v.Core.Term)
	n.CommitIndex, n.AppliedIndex, n.LastIndex = int64(v.Core.Commit), int64(v.Core.Applied), int64(v.Core.Last)
	n.Members = members(v)
	return n
}

// findings are what is judged healthy now; err is why there is no view.
func (w *witness) findings(ctx context.Context) (v node.View, found []health.Finding, err error) {
	c := w.cfg.Node
	state, _ := w.node.State()
	if v, err = w.node.View(ctx); err == nil && v.Core.RaftID == 0 {
		err = node.ErrNotRunning // it waits to be added
	}
	return v, health.Check(w.node, v, err, nil, workerStates[state], c.ElectionTimeout, c.HeartbeatInterval), err
}

// members are the rows of pgraft_get_cluster_status().
func members(v node.View) (rows []sqlapi.Status) {
	for _, m := range v.Members {
		commit := v.Core.Commit
		if m.Member.GetRaftId() != v.Core.RaftID {
			commit = min(commit, m.Match)
		}
		row := sqlapi.Status{NodeID: int32(core.NodeID(m.Member.GetRaftId())), Address: m.Member.GetAddress(), Port: int32(m.Member.GetPort()),
			IsLeader: v.Leads(m), State: v.StateOf(m), Term: int64(v.Core.Term), CommitIndex: int64(commit), LastLogIndex: int64(m.Match)}
		if m.Heard {
			heard := fmt.Sprintf("%d.%03ds", m.SilentMillis/1000, m.SilentMillis%1000)
			row.LastHeartbeat = &heard
		}
		rows = append(rows, row)
	}
	return rows
}
