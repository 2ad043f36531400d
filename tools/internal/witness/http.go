package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/health"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/status"
)

// httpLimit bounds a request and its answer.
const httpLimit = 10 * time.Second

// handler answers at
//
//	/metrics   what Prometheus reads
//	/status    a status.Node, as JSON: what `pgraft status` asks for
//	/health    200 if nothing is critical, else 503; a line for each finding
func (w *witness) handler() http.Handler {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collector{w}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET "+status.Path, func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		w.reply(out, func() error { return json.NewEncoder(out).Encode(w.look(r.Context())) })
	})
	mux.HandleFunc("GET /health", func(out http.ResponseWriter, r *http.Request) {
		n := w.look(r.Context())
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if n.Worst() == health.Critical {
			out.WriteHeader(http.StatusServiceUnavailable)
		}
		w.reply(out, func() error {
			for _, f := range n.Health {
				value := ""
				if f.Value != nil {
					value = *f.Value
				}
				if _, err := fmt.Fprintf(out, "%s %s: %s\n", f.Metric, f.Status, value); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return mux
}

// reply writes an answer; that nobody reads it any more is worth a line at most.
func (w *witness) reply(out http.ResponseWriter, write func() error) {
	if err := write(); err != nil {
		w.cfg.Logger.Debug(fmt.Sprintf("an answer on HTTP was not read: %v", err))
	}
}

// workerStates are as pgraft_get_worker_state() says them.
var workerStates = map[node.State]string{node.Uninitialised: "initializing", node.Waiting: "running", node.Running: "running",
	node.Failed: "error", node.Removed: "stopped", node.Closed: "stopped"}

// look is what the node says of itself now.
func (w *witness) look(ctx context.Context) status.Node {
	c := w.cfg.Node
	state, _ := w.node.State()
	n := status.Node{NodeID: int(c.NodeID), Version: w.cfg.Version, WorkerState: workerStates[state]}
	v, err := w.node.View(ctx)
	if err == nil && v.Core.RaftID == 0 {
		err = node.ErrNotRunning // it waits to be added
	}
	for _, f := range health.Check(w.node, v, err, nil, n.WorkerState, c.ElectionTimeout, c.HeartbeatInterval) {
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
