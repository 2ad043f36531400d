//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/tools/internal/commits"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// A primary that has streaming standbys and never heard of pgraft is taken over with the data that
// is there, fails over, and is let go again: it takes writes alone, its standby streams through
// restarts of both, and pgraft goes.
func TestTaken(t *testing.T) {
	w := newPlain(t)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND application_name = 'node2'", "1")
	for _, s := range []*pgcluster.Server{b, c} {
		w.types(s, `touch "$PGDATA/same"`)
	}
	for _, s := range []*pgcluster.Server{b, c, a} {
		must(t, s.Set(map[string]string{"shared_preload_libraries": "pgraft", "pgraft.cluster_id": "taken", "pgraft.node_id": fmt.Sprint(s.NodeID),
			"pgraft.address": s.Address(), "pgraft.port": fmt.Sprint(s.RaftPort), "pgraft.failover": "on", "pgraft.replication_conninfo": "user=postgres"}))
		must(t, s.Restart(w.ctx))
	}
	w.do(a, "CREATE EXTENSION pgraft")
	w.do(a, "SELECT pgraft_init()")
	conn := w.conn(a)
	for _, s := range []*pgcluster.Server{b, c} {
		w.until(s, "SELECT count(*) FROM pg_extension WHERE extname = 'pgraft'", "1")
		w.do(s, "SELECT pgraft_init(false)")
		_, err := sqlapi.AddNode(w.ctx, conn, s.NodeID, s.Address(), s.RaftPort)
		must(t, err)
	}
	must(t, conn.Close(w.ctx))
	w.until(a, "SELECT pgraft_enable_failover()", "t")
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	_, err := a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(200, b, c)
	w.checks(next)
	for _, s := range []*pgcluster.Server{b, c} {
		if _, err := os.Stat(s.File("same")); err != nil {
			t.Errorf("the data of node %d was made anew: %v", s.NodeID, err)
		}
	}
	w.letGo(next, w.third(next, a))
}

// newPlain is a primary with two standbys that have slots, the first of which is synchronous.
func newPlain(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	install, err := pgcluster.Find(os.Getenv("PGRAFT_PG_CONFIG"))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), setupLimit+caseLimit)
	t.Cleanup(cancel)
	cluster, err := pgcluster.New(ctx, pgcluster.Config{Install: install, Nodes: 1, Plain: true})
	must(t, err)
	w := &world{t: t, ctx: ctx, cluster: cluster, began: time.Now()}
	t.Cleanup(w.ends)
	a := cluster.Servers[0]
	must(t, a.Start(ctx))
	conn := w.conn(a)
	must(t, errors.Join(commits.Create(ctx, conn), conn.Close(ctx)))
	w.do(a, "CREATE TABLE rows (v text)")
	for id := 2; id <= 3; id++ {
		slot := fmt.Sprintf("own%d", id)
		w.do(a, fmt.Sprintf("SELECT pg_create_physical_replication_slot('%s')", slot))
		s, err := cluster.AddBackup(ctx, a, map[string]string{"primary_slot_name": slot})
		must(t, err)
		must(t, s.Start(ctx))
	}
	w.do(a, "ALTER SYSTEM SET synchronous_standby_names = 'node2'")
	w.do(a, "SELECT pg_reload_conf()")
	return w
}

// letGo ends failover, and then pgraft, on a primary and a standby.
func (w *world) letGo(primary, standby *pgcluster.Server) {
	w.t.Helper()
	w.do(primary, "SELECT pgraft_disable_failover()")
	w.until(primary, "SHOW synchronous_standby_names", "")
	streams := "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
	for _, settings := range []map[string]string{nil, {"pgraft.failover": pgcluster.Off}, {"shared_preload_libraries": pgcluster.Off}} {
		for _, s := range []*pgcluster.Server{standby, primary} {
			must(w.t, s.Set(settings))
			must(w.t, s.Restart(w.ctx))
		}
		w.until(primary, "SELECT pg_is_in_recovery()", "f")
		w.until(primary, streams, "1")
		w.do(primary, "INSERT INTO rows VALUES ('let go')")
		w.until(standby, "SELECT count(*) > 0 FROM rows WHERE v = 'let go'", "t")
		w.do(primary, "DELETE FROM rows")
	}
	must(w.t, standby.Stop(w.ctx))
	w.do(primary, "INSERT INTO rows VALUES ('alone')")
}

// Standbys stream by TLS, with the primary's name verified, as a role with a password that stands
// in a file; so they do from the next primary.
func TestTLS(t *testing.T) {
	t.Parallel()
	const lines = "local all all trust\nhost all postgres samehost trust\nhost replication postgres samehost trust\n" + // of the test
		"hostnossl all replicator all reject\nhostssl all,replication replicator all scram-sha-256\n"
	w := makeWorld(t, nil, map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key",
		"pgraft.replication_conninfo": "user=replicator passfile=replicator.pass sslmode=verify-full sslrootcert=" + pgcluster.CAFile}) // in the data directory
	t.Cleanup(w.ends)
	a := w.cluster.Servers[0]
	ca, err := certs.New("test", time.Hour)
	must(t, err)
	must(t, a.PutCertificate(ca, time.Hour, a.Address()))
	w.types(a, fmt.Sprintf(`cd "$PGDATA" && mv %s server.crt && mv %s server.key && echo '*:*:*:replicator:secret' >replicator.pass && chmod 600 replicator.pass`, a.CertFile(), a.KeyFile()))
	must(t, os.WriteFile(a.File("pg_hba.conf"), []byte(lines), 0o600))
	must(t, a.Start(w.ctx))
	w.do(a, "CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'secret'")
	must(t, a.Stop(w.ctx))
	w.found()
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	t.Cleanup(cancel)
	w.ctx = ctx

	secure := "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl AND usename = 'replicator' AND sync_state = 'quorum'"
	w.until(a, secure, "2")
	s := w.empty()
	if out, err := w.join(s, a, "--replication", fmt.Sprintf("user=replicator passfile=%s sslmode=verify-full sslrootcert=%s", a.File("replicator.pass"), a.File(pgcluster.CAFile))); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.until(a, secure, "3")
	w.writes(4)
	w.acknowledged(100, a)
	_, err = a.Kill9(w.ctx)
	must(t, err)
	next := w.acknowledged(100, w.others(a)...)
	w.until(next, secure, "2")
	w.checks(next)
	for _, x := range w.others(a) {
		if text, err := os.ReadFile(x.File("postgresql.auto.conf")); err != nil || strings.Contains(string(text), "secret") {
			t.Errorf("the settings of node %d, %v:\n%s", x.NodeID, err, text)
		}
	}
}

// types has a server's operator type a script.
func (w *world) types(s *pgcluster.Server, script string) {
	w.t.Helper()
	if out, err := s.Shell(w.ctx, "set -e\n"+script); err != nil {
		w.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
}
