//go:build integration

package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// A subscriber whose slot is a failover slot, from PostgreSQL 17 on, follows the primary: the slot is
// on each server that is promoted, and the subscriber has what was acknowledged, each commit once, and
// nothing that no standby has. docs/replication.md has these settings.
func TestLogicalSlots(t *testing.T) {
	w := newNetWorld(t, map[string]string{"pgraft.rejoin": "rewind", "wal_log_hints": "on", "wal_level": "logical",
		"hot_standby_feedback": "on", "sync_replication_slots": "on", "pgraft.replication_conninfo": "dbname=postgres"})
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	for _, s := range w.cluster.Servers {
		w.sendsWhatStandbysHave(s)
	}
	subscriber := w.outside(nil)
	w.do(a, "CREATE PUBLICATION p FOR TABLE pgraft_commits, rows")
	w.do(subscriber, "CREATE TABLE pgraft_commits (session int NOT NULL, number bigint NOT NULL)")
	w.do(subscriber, "CREATE TABLE rows (v text)")
	w.do(subscriber, fmt.Sprintf("CREATE SUBSCRIPTION s CONNECTION '%s' PUBLICATION p WITH (failover = true)", w.anyOf(w.cluster.Servers)))
	w.writes(2)
	w.acknowledged(100, a)
	w.hasSlot(b)
	w.hasSlot(c)

	// The server where the slot was made keeps that one, and copies none before it is dropped.
	w.do(c, "SELECT pgraft_switchover(2)")
	w.acknowledged(100, b)
	w.until(b, quorum, "2")
	w.untilLogged(a, `same name slot "s" already exists on the standby`)
	w.do(a, "SELECT pg_drop_replication_slot('s')")
	w.hasSlot(a)
	w.hasSlot(c)

	w.cut(b, w.streams())
	p := w.session(b).start(insert("on no standby")).waits()
	w.holds("a subscriber that is told nothing", 2*time.Second, func() error { return w.shows(subscriber, "on no standby", "0") })
	w.kills(b)
	p.fails()
	next := w.acknowledged(100, a, c)
	w.do(next, insert("by the next"))
	w.heal(b)
	must(t, b.Start(w.ctx))
	w.until(next, quorum, "2")
	w.until(subscriber, count("by the next"), "1") // not before: each standby has to have it
	w.hasSlot(b)
	w.stop()
	w.do(next, insert("the last"))
	w.until(subscriber, count("the last"), "1")
	w.checks(next)
	w.checks(subscriber)
	if err := w.shows(subscriber, "on no standby", "0"); err != nil {
		t.Error(err)
	}
}

// hasSlot waits until a standby has the subscriber's slot, ready for a promotion. The postmaster starts
// the worker that copies it once a minute, or when it has something else to do.
func (w *world) hasSlot(s *pgcluster.Server) {
	w.t.Helper()
	w.until(s, "SELECT pg_reload_conf(); SELECT count(*) FROM pg_replication_slots WHERE slot_name = 's' AND synced AND NOT temporary", "1")
}

// sendsWhatStandbysHave has a server tell subscribers what all others have, and no more.
func (w *world) sendsWhatStandbysHave(s *pgcluster.Server) {
	w.t.Helper()
	slots := w.do(s, "SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'pgraft\\_%'")
	if strings.Count(slots, ",") != len(w.cluster.Servers)-2 {
		w.t.Fatalf("node %d has slots %q", s.NodeID, slots)
	}
	must(w.t, s.Set(map[string]string{"synchronized_standby_slots": slots}))
	w.do(s, "SELECT pg_reload_conf()")
}

// anyOf is how a subscriber connects to whichever of some servers takes writes.
func (w *world) anyOf(servers []*pgcluster.Server) string {
	var hosts, ports []string
	for _, s := range servers {
		hosts, ports = append(hosts, s.Address()), append(ports, fmt.Sprint(s.Port))
	}
	return fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres target_session_attrs=read-write connect_timeout=2",
		strings.Join(hosts, ","), strings.Join(ports, ","))
}
