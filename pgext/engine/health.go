package main

// #include "engine.h"
import "C"

import (
	"context"
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
)

// The limits of pgraft_health_check.
const (
	entriesWarning      = 1000 // not committed, or not applied
	diskWarningPercent  = 10   // free
	diskCriticalPercent = 3
	certificateWarning  = 30 * day // until this node's certificate expires
	certificateCritical = 7 * day
)

const day = 24 * time.Hour

// A finding's status.
const (
	fine     = "ok"
	warning  = "warning"
	critical = "critical"
	unknown  = "unknown"
)

// findings are rows of pgraft_health_check. There is a row for every metric in
// every state of the node.
type findings struct{ result }

func (f *findings) add(metric string, value any, status string) {
	f.rows = append(f.rows, []any{metric, value, status})
}

func (e *engine) health(ctx context.Context) result {
	var f findings
	n := e.openNode()
	v, err := view(ctx, n)
	f.raft(v, err)
	state := e.workerState()
	f.add("worker_state", state, map[string]string{"running": fine, "initializing": warning}[state])
	if f.rows[len(f.rows)-1][2] == "" {
		f.rows[len(f.rows)-1][2] = critical
	}
	f.progress(v, err)
	f.disk(n)
	f.syncs(n, e.config().node)
	f.certificate(n)
	return f.result
}

// raft tells of the leader. Without a view all is unknown.
func (f *findings) raft(v node.View, err error) {
	if err != nil {
		f.add("leader", nil, unknown)
		f.add("term", nil, unknown)
		f.add("leader_node", nil, unknown)
		return
	}
	f.add("leader", fmt.Sprint(v.LeaseLeft() > 0), fine)
	f.add("term", fmt.Sprint(v.Core.Term), fine)
	status := fine
	if v.Core.Lead == 0 {
		status = critical
	}
	f.add("leader_node", fmt.Sprint(core.NodeID(v.Core.Lead)), status)
}

// progress tells of the log and of who can be reached to commit more of it.
func (f *findings) progress(v node.View, err error) {
	if err != nil {
		f.add("commit_index", nil, unknown)
		f.add("quorum", nil, unknown)
		f.add("apply_lag", nil, unknown)
		return
	}
	f.add("commit_index", fmt.Sprintf("%d of %d", v.Core.Commit, v.Core.Last), lagStatus(v.Core.Last, v.Core.Commit))
	voters, reached := 0, 0
	for _, m := range v.Members {
		if m.Member.GetRole() == corepb.Role_VOTER {
			voters++
			if v.Reachable(m) {
				reached++
			}
		}
	}
	status := fine
	switch {
	case voters == 0:
		status = unknown // this node waits to be added
	case reached <= voters/2:
		status = critical
	case reached < voters:
		status = warning
	}
	f.add("quorum", fmt.Sprintf("%d of %d voters reachable", reached, voters), status)
	// of Raft; the shim knows how far the tables have come, and says that instead
	f.add("apply_lag", fmt.Sprintf("%d entries", v.Core.Commit-v.Core.Applied), lagStatus(v.Core.Commit, v.Core.Applied))
}

func lagStatus(to, at uint64) string {
	if to > at+entriesWarning {
		return warning
	}
	return fine
}

func (f *findings) disk(n *node.Node) {
	if n == nil {
		f.add("disk_free", nil, unknown)
		return
	}
	d, err := n.Disk()
	if err != nil || d.Total == 0 {
		f.add("disk_free", nil, unknown)
		return
	}
	percent := 100 * float64(d.Free) / float64(d.Total)
	status := fine
	switch {
	case percent < diskCriticalPercent:
		status = critical
	case percent < diskWarningPercent:
		status = warning
	}
	f.add("disk_free", fmt.Sprintf("%.1f GB (%.0f %%)", float64(d.Free)/(1<<30), percent), status)
}

// syncs tells when the log store was made durable last. A disk that is slow
// against the timeouts costs the node its leader, or its leadership.
func (f *findings) syncs(n *node.Node, cfg node.Config) {
	if n == nil || n.Stats().Syncs == 0 {
		f.add("last_fsync", nil, unknown)
		return
	}
	s := n.Stats()
	slowest := max(s.LastSync.Took, s.SyncFor)
	status := fine
	switch {
	case slowest > cfg.ElectionTimeout:
		status = critical
	case slowest > cfg.HeartbeatInterval:
		status = warning
	}
	text := fmt.Sprintf("%s, took %.1f ms", s.LastSync.At.UTC().Format("2006-01-02 15:04:05.000+00"), milliseconds(s.LastSync.Took))
	if s.SyncFor > 0 {
		text += fmt.Sprintf("; another has lasted %.1f ms", milliseconds(s.SyncFor))
	}
	f.add("last_fsync", text, status)
}

// certificate tells when others will begin to refuse this node. What they show
// to this one is their own to watch: a connection goes on with the certificate
// that it began with, though there may be a newer one.
func (f *findings) certificate(n *node.Node) {
	if n == nil {
		f.add("certificate", nil, unknown)
		return
	}
	expiry, ok := n.Certificate()
	if !ok {
		f.add("certificate", "none: pgraft.ssl_enabled is off", fine)
		return
	}
	left := time.Until(expiry)
	text := "expires " + expiry.UTC().Format("2006-01-02 15:04:05+00")
	status := fine
	switch {
	case left <= 0:
		text, status = "expired "+expiry.UTC().Format("2006-01-02 15:04:05+00"), critical
	case left < certificateCritical:
		status = critical
	case left < certificateWarning:
		status = warning
	}
	f.add("certificate", text, status)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
