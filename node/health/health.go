// Package health judges a node by what it knows of itself and the others: see
// Check. It is what pgraft_health_check() shows, and a node without PostgreSQL too.
package health

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
)

// The limits.
const (
	EntriesWarning      = 1000 // not committed, or not applied
	diskWarningPercent  = 10   // free
	diskCriticalPercent = 3
	certificateWarning  = 30 * day // until this node's certificate expires
	certificateCritical = 7 * day
)

const day = 24 * time.Hour

// A finding's status.
const (
	OK       = "ok"
	Warning  = "warning"
	Critical = "critical"
	Unknown  = "unknown" // what the node cannot know now
)

// The metrics that a host of the node judges by more than the node knows.
const (
	WorkerState = "worker_state"
	ApplyLag    = "apply_lag"
)

// Worker states that Check knows beside those that are critical.
const (
	WorkerRunning      = "running"
	WorkerInitializing = "initializing"
)

// Finding is one row.
type Finding struct {
	Metric string
	Value  string // empty with Unknown
	Status string
}

type findings []Finding

func (f *findings) add(metric, value, status string) { *f = append(*f, Finding{metric, value, status}) }

func (f *findings) unknown(metrics ...string) {
	for _, m := range metrics {
		f.add(m, "", Unknown)
	}
}

// Check has a row for every metric, in every state of the node: n is nil while
// it is being opened, or if that was refused, and err says why there is no view.
// worker is the state as pgraft_get_worker_state() says it.
func Check(n *node.Node, v node.View, err, refused error, worker string, election, heartbeat time.Duration) []Finding {
	var f findings
	f.raft(v, err)
	status := Critical
	switch worker {
	case WorkerRunning:
		status = OK
	case WorkerInitializing:
		status = Warning
	}
	f.add(WorkerState, worker, status)
	f.progress(v, err)
	f.disk(n)
	f.syncs(n, election, heartbeat)
	f.certificate(n)
	f.alarm(n, v, err, refused)
	return f
}

// raft tells of the leader. Without a view all is unknown.
func (f *findings) raft(v node.View, err error) {
	if err != nil {
		f.unknown("leader", "term", "leader_node")
		return
	}
	f.add("leader", fmt.Sprint(v.LeaseLeft() > 0), OK)
	f.add("term", fmt.Sprint(v.Core.Term), OK)
	status := OK
	if v.Core.Lead == 0 {
		status = Critical
	}
	f.add("leader_node", fmt.Sprint(core.NodeID(v.Core.Lead)), status)
}

// progress tells of the log and of who can be reached to commit more of it.
func (f *findings) progress(v node.View, err error) {
	if err != nil {
		f.unknown("commit_index", "quorum", ApplyLag)
		return
	}
	f.add("commit_index", fmt.Sprintf("%d of %d", v.Core.Commit, v.Core.Last), lagStatus(v.Core.Last, v.Core.Commit))
	voters, reached, room, full := 0, 0, 0, ""
	for _, m := range v.Members {
		if m.Member.GetRole() == corepb.Role_VOTER {
			voters++
			if v.Reachable(m) {
				reached++
				if !m.Full {
					room++
				}
			}
			if m.Full {
				full += fmt.Sprintf(", the disk of node %d is full", core.NodeID(m.Member.GetRaftId()))
			}
		}
	}
	status := OK
	switch {
	case voters == 0:
		status = Unknown // this node waits to be added
	case room < core.Majority(voters):
		status = Critical
	case room < voters:
		status = Warning
	}
	f.add("quorum", fmt.Sprintf("%d of %d voters reachable%s", reached, voters, full), status)
	// of Raft; the shim knows how far the tables have come, and says that instead
	f.add(ApplyLag, fmt.Sprintf("%d entries", v.Core.Commit-v.Core.Applied), lagStatus(v.Core.Commit, v.Core.Applied))
}

func lagStatus(to, at uint64) string {
	if to > at+EntriesWarning {
		return Warning
	}
	return OK
}

func (f *findings) disk(n *node.Node) {
	if n == nil {
		f.unknown("disk_free")
		return
	}
	d, err := n.Disk()
	if err != nil || d.Total == 0 {
		f.unknown("disk_free")
		return
	}
	percent := 100 * float64(d.Free) / float64(d.Total)
	status, full := OK, ""
	switch {
	case n.Full():
		status, full = Critical, ", full: no entries are taken"
	case percent < diskCriticalPercent:
		status = Critical
	case percent < diskWarningPercent:
		status = Warning
	}
	f.add("disk_free", fmt.Sprintf("%.1f GB (%.0f %%)%s", float64(d.Free)/(1<<30), percent, full), status)
}

// syncs tells when the log store was made durable last. A disk that is slow
// against the timeouts costs the node its leader, or its leadership.
func (f *findings) syncs(n *node.Node, election, heartbeat time.Duration) {
	if n == nil || n.Stats().Syncs == 0 {
		f.unknown("last_fsync")
		return
	}
	s := n.Stats()
	slowest := max(s.LastSync.Took, s.SyncFor)
	status := OK
	switch {
	case slowest > election:
		status = Critical
	case slowest > heartbeat:
		status = Warning
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
		f.unknown("certificate")
		return
	}
	expiry, ok := n.Certificate()
	if !ok {
		f.add("certificate", "none: pgraft.ssl_enabled is off", OK)
		return
	}
	left := time.Until(expiry)
	text := "expires " + expiry.UTC().Format("2006-01-02 15:04:05+00")
	status := OK
	switch {
	case left <= 0:
		text, status = "expired "+expiry.UTC().Format("2006-01-02 15:04:05+00"), Critical
	case left < certificateCritical:
		status = Critical
	case left < certificateWarning:
		status = Warning
	}
	f.add("certificate", text, status)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
