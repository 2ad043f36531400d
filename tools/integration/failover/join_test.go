//go:build integration

package failover

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// A server is made from nothing while the cluster commits, by way of a standby: commits wait for
// it, it has all of them, and it can become the primary.
func TestJoin(t *testing.T) {
	w := newWorld(t, nil)
	a, b := w.cluster.Servers[0], w.cluster.Servers[1]
	w.until(a, quorum, "2")
	s := w.empty()
	w.writes(4)
	w.acknowledged(100, a)
	out, err := w.join(s, b)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var said struct {
		NodeID    int    `json:"node_id"`
		Primary   string `json:"primary"`
		InSyncSet bool   `json:"in_sync_set"`
	}
	must(t, json.Unmarshal([]byte(out[strings.Index(out, "{\n"):]), &said))
	if said.NodeID != 4 || said.Primary != a.Host() || !said.InSyncSet {
		t.Errorf("it says %+v:\n%s", said, out)
	}
	w.until(a, "SELECT state || ' ' || in_sync_set || ' ' || electable FROM pgraft_stat_failover WHERE node_id = 4", "streaming true true")
	w.until(a, quorum, "3")
	w.until(s, "SELECT current_setting('pgraft.node_id') || ' ' || current_setting('port')", fmt.Sprintf("4 %d", s.Port))
	w.acknowledged(100, a)
	w.do(b, "SELECT pgraft_switchover(4)")
	w.acknowledged(200, s)
	w.checks(s)
}

// A join that is killed at any step goes on from there, or begins anew, and makes one member.
func TestJoinCutShort(t *testing.T) {
	w := newWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.do(a, "INSERT INTO rows SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
	s := w.empty()
	for _, line := range []string{"copies ", "has settings", "starts the server", "adds node", "commits wait for it"} {
		w.joinKilled(s, a, line)
		if _, err := os.Stat(s.DataDir + ".pgraft_join"); err != nil {
			t.Errorf("killed at %q: %v", line, err)
		}
	}
	out, err := w.join(s, a)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(s.DataDir + ".pgraft_join"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a join that has ended: %v", err)
	}
	w.until(a, "SELECT count(*) || ' ' || max(node_id) FROM pgraft_get_nodes()", "4 4")
	w.until(a, "SELECT in_sync_set FROM pgraft_stat_failover WHERE node_id = 4", "t")
	w.until(a, "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgraft_join%'", "0")
	w.until(s, "SELECT count(*) FROM rows", "20000")
}

// What stands in the way of a join is said, all at once and with the way out, before anything is
// changed; then a standby is made without failover, whichever node leads.
func TestJoinRefused(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, nil, map[string]string{"pgraft.failover": "off"})
	t.Cleanup(w.ends)
	a := w.cluster.Servers[0]
	must(t, a.Start(w.ctx))
	w.do(a, "CREATE EXTENSION pgraft")
	w.do(a, "SELECT pgraft_init()")
	s := w.empty()
	refused := func(want []string, args ...string) {
		t.Helper()
		cmd, err := s.Pgraft(w.ctx, args...)
		must(t, err)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("pgraft %q joins", args)
		}
		for _, text := range want {
			if !strings.Contains(string(out), text) {
				t.Errorf("pgraft %q says\n%s\nand not %q", args, out, text)
			}
		}
		if _, err := os.Stat(s.DataDir + ".pgraft_join"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("pgraft %q has begun: %v", args, err)
		}
	}
	full := joinArgs(s, a)
	refused([]string{"passfile"}, "join", "host=127.0.0.1 user=postgres password=secret", "-D", s.DataDir)
	w.types(s, `mkdir -m 700 "$PGDATA" && echo mine >"$PGDATA/file" && mkdir old && printf '#!/bin/sh\necho "postgres (PostgreSQL) 14.1"' >old/postgres && chmod +x old/postgres`)
	refused([]string{"is not empty: name another data directory", fmt.Sprintf("127.0.0.1:%d is where node 1 is: say with --port", a.RaftPort)}, full[:len(full)-4]...)
	refused([]string{"and this machine has 14.1"}, append(full, "--bindir", filepath.Join(filepath.Dir(s.DataDir), "old"))...)
	w.types(s, `grep -q mine "$PGDATA/file" && rm -r "$PGDATA"`)
	hba, err := os.ReadFile(a.File("pg_hba.conf"))
	must(t, err)
	must(t, os.WriteFile(a.File("pg_hba.conf"), []byte("local all all trust\nhost all all samehost trust\n"), 0o600))
	w.do(a, "SELECT pg_reload_conf()")
	refused([]string{"add to pg_hba.conf on every member, and reload it:\nhost replication postgres 127.0.0.1/32 scram-sha-256"}, full...)
	must(t, os.WriteFile(a.File("pg_hba.conf"), hba, 0o600))
	w.do(a, "SELECT pg_reload_conf()")

	out, err := w.join(s, a)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.until(a, "SELECT application_name || ' ' || state FROM pg_stat_replication", "node2 streaming")
	w.do(a, "SELECT pgraft_transfer_leadership(2)")
	third := w.empty()
	if out, err := w.join(third, a); err == nil || !strings.Contains(out, "node 2 leads, and its server was not found: name it, too") || !strings.Contains(out, "Run it again to go on from here") {
		t.Errorf("the leader was not named: %v\n%s", err, out)
	}
	if out, err := w.join(third, a, fmt.Sprintf("host=%s port=%d user=postgres", s.Address(), s.Port)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.until(a, "SELECT count(*) FROM pgraft_get_nodes()", "3")
	w.until(a, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")

	elsewhere := w.empty() // its configuration is not in the data directory, as on Debian
	config := filepath.Join(filepath.Dir(elsewhere.DataDir), "postgresql.conf")
	w.types(elsewhere, "echo \"unix_socket_directories = '$(dirname "+a.DataDir+")'\" >"+config)
	if out, err := w.join(elsewhere, a, fmt.Sprintf("host=%s port=%d user=postgres", s.Address(), s.Port), "--config-file", config); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.until(elsewhere, "SELECT current_setting('config_file') || ' ' || current_setting('pgraft.cluster_id') || ' ' || pgraft_get_worker_state()",
		config+" "+pgcluster.DefaultClusterID+" running")
	w.until(a, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "3")
}

// empty is a server of which there is nothing yet. Its settings will come with the first one's
// data, so its socket is where that one's is.
func (w *world) empty() *pgcluster.Server {
	w.t.Helper()
	s, err := w.cluster.AddEmpty()
	must(w.t, err)
	socket := fmt.Sprintf(".s.PGSQL.%d", s.Port)
	must(w.t, os.Symlink(filepath.Join(filepath.Dir(w.cluster.Servers[0].DataDir), socket), filepath.Join(filepath.Dir(s.DataDir), socket)))
	return s
}

// joinArgs are those of a join of a server by way of another one.
func joinArgs(s, by *pgcluster.Server) []string {
	return []string{"join", fmt.Sprintf("host=%s port=%d user=postgres", by.Address(), by.Port), "-D", s.DataDir, "--json",
		"--log", s.LogPath, "--bindir", s.Install.BinDir, "--port", fmt.Sprint(s.RaftPort), "--server-port", fmt.Sprint(s.Port)}
}

// join is the command, to its end; what it prints is its progress and what has come of it.
func (w *world) join(s, by *pgcluster.Server, more ...string) (string, error) {
	cmd, err := s.Pgraft(w.ctx, append(joinArgs(s, by), more...)...)
	must(w.t, err)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// joinKilled kills it once it has printed a text.
func (w *world) joinKilled(s, by *pgcluster.Server, text string) {
	w.t.Helper()
	cmd, err := s.Pgraft(w.ctx, joinArgs(s, by)...)
	must(w.t, err)
	progress, err := cmd.StderrPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	var all bytes.Buffer
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		fmt.Fprintln(&all, lines.Text())
		if strings.Contains(lines.Text(), text) {
			must(w.t, cmd.Process.Kill())
			break
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		w.t.Fatalf("it was not killed at %q: %v\n%s", text, err, all.String())
	}
}
