package web

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// collector reads everything when it is asked: there is one source for a number,
// the node.
type collector struct{ host Host }

// metric is one by its name and its help text, which docs/monitoring.md has, too.
type metric struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType
	desc       *prometheus.Desc
}

// metrics are all there are, as gauge and counter make them.
var metrics []metric

func gauge(name, help string, labels ...string) metric {
	return newMetric("pgraft_"+name, help, labels, prometheus.GaugeValue)
}

func counter(name, help string, labels ...string) metric {
	return newMetric("pgraft_"+name+"_total", help, labels, prometheus.CounterValue)
}

func newMetric(name, help string, labels []string, kind prometheus.ValueType) metric {
	m := metric{name, help, labels, kind, prometheus.NewDesc(name, help, labels, nil)}
	metrics = append(metrics, m)
	return m
}

// Those of a node are named as the views in SQL name what they say of one.
var (
	running        = gauge("node_running", "1 while the node runs.")
	leader         = gauge("node_leader", "1 while this node holds the leader lease.")
	hasLeader      = gauge("node_has_leader", "1 while a leader is known.")
	term           = gauge("node_term", "Raft term.")
	commitIndex    = gauge("node_commit_index", "Committed up to here, as far as this node knows.")
	appliedIndex   = gauge("node_applied_index", "Taken over up to here.")
	lastIndex      = gauge("node_last_index", "Last index of the log.")
	logBytes       = gauge("node_log_bytes", "Size of the log store's entries.")
	entries        = counter("node_commits", "Users' entries that this node has taken over.")
	entryBytes     = counter("node_commit_bytes", "Bytes of their data.")
	syncs          = counter("node_fsyncs", "Writes to the log store that were made durable.")
	syncSeconds    = counter("node_fsync_seconds", "Time spent in them.")
	maxSyncSeconds = gauge("node_fsync_max_seconds", "The longest of them.")
	elections      = counter("node_elections", "Elections that this node called, since it heard no leader.")
	electionsWon   = counter("node_elections_won", "Elections that this node won.")
	leaderChanges  = counter("node_leader_changes", "Leader changes seen here.")
	diskFree       = gauge("node_disk_free_bytes", "Free on the file system of the log store.")
	certExpiry     = gauge("node_certificate_expiry_seconds", "When others begin to refuse this node's certificate, in Unix time. Absent without TLS.")

	clusterVersion = gauge("node_cluster_version", "Version that the log is at. Absent while the node is no member.")
	newestVersion  = gauge("node_newest_version", "The newest version that this pgraft knows.")

	alarm = gauge("node_alarm", "1 while this node is not the member that its cluster counts on; /health says why.")

	connected     = gauge("peer_connected", "1 while connected to it.", "node_id")
	silentSeconds = gauge("peer_silent_seconds", "Since it was heard.", "node_id")
	matchIndex    = gauge("peer_match_index", "What it is known to have.", "node_id")
	bytesSent     = counter("peer_bytes_sent", "Bytes to it.", "node_id")
	bytesReceived = counter("peer_bytes_received", "Bytes from it.", "node_id")
	sendsDropped  = counter("peer_sends_dropped", "Messages to it that were lost on this side.", "node_id")
	peerAlarm     = gauge("peer_alarm", "1 while it is not the member that its cluster counts on; /health says why.", "node_id")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metrics {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector. It is called in a goroutine of its own.
func (c collector) Collect(out chan<- prometheus.Metric) {
	defer c.host.Recovered()
	put := func(m metric, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
	}
	n := c.host.Node()
	if n == nil {
		put(running, 0)
		put(newestVersion, core.NewestVersion)
		return
	}
	state, _ := n.State()
	put(running, oneIf(state == node.Waiting || state == node.Running))
	s := n.Stats()
	put(entries, float64(s.Entries))
	put(entryBytes, float64(s.EntryBytes))
	put(syncs, float64(s.Syncs))
	put(syncSeconds, s.Syncing.Seconds())
	put(maxSyncSeconds, s.MaxSync.Seconds())
	put(elections, float64(s.Elections))
	put(electionsWon, float64(s.ElectionsWon))
	put(leaderChanges, float64(s.LeaderChanges))
	if d, err := n.Disk(); err == nil {
		put(diskFree, float64(d.Free))
	}
	if expiry, ok := n.Certificate(); ok {
		put(certExpiry, float64(expiry.Unix()))
	}
	put(newestVersion, core.NewestVersion)
	for _, p := range n.Peers() {
		if p.Address == "" {
			continue // no member any more: another one may have its node id
		}
		id := strconv.Itoa(int(core.NodeID(p.RaftID)))
		put(connected, oneIf(p.Connected), id)
		put(bytesSent, float64(p.BytesOut), id)
		put(bytesReceived, float64(p.BytesIn), id)
		put(sendsDropped, float64(p.DroppedOut), id)
	}
	ctx, done := context.WithTimeout(context.Background(), lookLimit)
	defer done()
	put(alarm, oneIf(n.Alarm(ctx) != core.NoAlarm))
	v, err := n.View(ctx)
	if err != nil || v.Core.RaftID == 0 {
		put(leader, 0)
		put(hasLeader, 0)
		return // it is no member: the rest is not known
	}
	c.raft(v, put)
	if f, err := n.Failover(ctx); err == nil {
		failoverMetrics(n, &f, put)
	}
}

// putter gives a metric its value.
type putter func(m metric, value float64, labels ...string)

func (c collector) raft(v node.View, put putter) {
	put(leader, oneIf(v.LeaseLeft() > 0))
	put(hasLeader, oneIf(v.Core.Lead != 0))
	put(term, float64(v.Core.Term))
	put(commitIndex, float64(v.Core.Commit))
	put(appliedIndex, float64(v.Core.Applied))
	put(lastIndex, float64(v.Core.Last))
	put(clusterVersion, float64(v.Core.Version))
	put(logBytes, float64(v.LogBounds().Bytes))
	for _, m := range v.Members {
		id := m.Member.GetRaftId()
		if id == v.Core.RaftID {
			continue
		}
		label := strconv.Itoa(int(core.NodeID(id)))
		put(matchIndex, float64(m.Match), label)
		put(peerAlarm, oneIf(m.Alarm != core.NoAlarm), label)
		if m.Heard {
			put(silentSeconds, (time.Duration(m.SilentMillis) * time.Millisecond).Seconds(), label)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
