//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A node that shows what the others do not want is kept out, and the logs of both
// sides say why; the others go on. With the right files it is back.
func refusesByTLS(ctx context.Context, t *testing.T, s *suite) {
	x := s.tlsCluster(ctx, t)
	other := newAuthority(t, "somebody else's CA")
	must(t, sqlapi.Replicate(ctx, connect(ctx, t, x.leader(ctx, t)), "before"))
	for _, c := range []struct {
		name   string
		change func()
		there  []string // in the log of node 3
		here   []string // in that of a node that it meets
	}{
		{"expired", func() { must(t, x.third.PutCertificate(x.ca, -time.Minute, "127.0.0.1")) },
			[]string{"refuses our certificate: the certificate of \"pgraft-node-3\" expired at"},
			[]string{"cannot connect to node 3", "its certificate is refused: the certificate of \"pgraft-node-3\" expired at"}},
		{"another CA", func() { must(t, x.third.PutCertificate(other, trialValidity, "127.0.0.1")) },
			[]string{"cannot connect to node", "its certificate is refused: x509: certificate signed by unknown authority"},
			[]string{"cannot connect to node 3", "its certificate is refused: x509: certificate signed by unknown authority"}},
		{"another CA, which trusts ours", func() { trust(t, x.third, other, x.ca) },
			[]string{"refuses our certificate, of \"pgraft-node-3\"; its log says why"},
			[]string{"closed a connection from 127.0.0.1", "its certificate is refused: x509: certificate signed by unknown authority"}},
		{"another node's", func() { must(t, x.third.PutCertificate(x.ca, trialValidity, "10.9.8.7", "pgraft-node-2")) },
			[]string{"refused our connection: the certificate of \"pgraft-node-3\" is for pgraft-node-2, 10.9.8.7, not for node 3 at 127.0.0.1"},
			[]string{"cannot connect to node 3", "the certificate of \"pgraft-node-3\" is for pgraft-node-2, 10.9.8.7, not for node 3 at 127.0.0.1"}},
		{"no TLS", func() { must(t, x.third.Set(map[string]string{"pgraft.ssl_enabled": "off"})) },
			[]string{"cannot connect to node", "it wants TLS: pgraft.ssl_enabled is on there and off here"},
			[]string{"closed a connection from 127.0.0.1", "it speaks no TLS: pgraft.ssl_enabled is on here and off there"}},
	} {
		must(t, x.third.Stop(ctx))
		there, here := logSize(t, x.third), map[*pgcluster.Server]int64{}
		for _, server := range x.cluster.Servers[:2] {
			here[server] = logSize(t, server)
		}
		c.change()
		must(t, x.third.Start(ctx))
		t.Log(c.name)
		waitLog(ctx, t, x.third, there, c.there...)
		if c.name == "no TLS" { // and dialled by the others, who use it
			waitLog(ctx, t, x.third, there, "closed a connection from 127.0.0.1", "it speaks TLS: pgraft.ssl_enabled is on there and off here")
			for _, server := range x.cluster.Servers[:2] {
				waitLog(ctx, t, server, here[server], "cannot connect to node 3", "it speaks no TLS: pgraft.ssl_enabled is on here and off there")
			}
		}
		for _, server := range x.cluster.Servers[:2] {
			waitLog(ctx, t, server, here[server], c.here...)
			var connected bool
			must(t, connect(ctx, t, server).QueryRow(ctx, "SELECT connected FROM pgraft_stat_peers WHERE node_id = 3").Scan(&connected))
			if connected {
				t.Errorf("%s: node %d is connected to node 3", c.name, server.NodeID)
			}
		}
		x.ledger.replicate(ctx, t, connect(ctx, t, x.leader(ctx, t, x.cluster.Servers[:2]...)), "without node 3: "+c.name)
	}
	must(t, x.third.Stop(ctx))
	must(t, x.third.SetTLS(x.ca, trialValidity))
	must(t, x.third.Start(ctx))
	x.settle(ctx, t)
}

// Without the files that it needs a server runs without its node, and says which
// is wrong, and why. The node starts once that is put right. At a reload what it
// has stays.
func waitsForTLSFiles(ctx context.Context, t *testing.T, s *suite) {
	c := s.extraCluster(ctx, t, 2, nil)
	ca := newAuthority(t, "the CA")
	one, two := c.Servers[0], c.Servers[1]
	must(t, one.SetTLS(ca, trialValidity))
	must(t, one.Start(ctx))
	initialise(ctx, t, one)
	s.leader(ctx, t, one)
	conn := connect(ctx, t, one)

	key := one.File(one.KeyFile())
	good, err := os.ReadFile(key)
	must(t, err)
	restore := func() {
		must(t, os.WriteFile(key, good, 0o600))
		must(t, os.Chmod(key, 0o600))
	}
	for _, x := range []struct {
		name, setting, value string // a setting other than the right one
		change               func()
		words                []string
	}{
		{"a key that others can read", "", "", func() { must(t, os.Chmod(key, 0o644)) },
			[]string{"pgraft.ssl_key_file " + key, "its mode is 0644", "run chmod 0600"}},
		{"a key that is no key", "", "", func() { must(t, os.WriteFile(key, []byte("nothing\n"), 0o600)) },
			[]string{"pgraft.ssl_key_file " + key, "there is no private key in it, in PEM"}},
		{"a key that is not there", "pgraft.ssl_key_file", "/no/such/key", nil,
			[]string{"pgraft.ssl_key_file /no/such/key: no such file or directory"}},
		{"a certificate that is a key", "pgraft.ssl_cert_file", one.KeyFile(), nil,
			[]string{"pgraft.ssl_cert_file " + key, "there is no certificate in it, in PEM"}},
		{"no CA", "pgraft.ssl_ca_file", "", nil, []string{"pgraft.ssl_ca_file is not set"}},
	} {
		t.Log(x.name)
		spoil := func() {
			if x.setting != "" {
				must(t, one.Set(map[string]string{x.setting: x.value}))
			} else {
				x.change()
			}
		}
		mend := func() {
			if x.setting != "" {
				must(t, one.Set(map[string]string{x.setting: one.TLSSettings()[x.setting]}))
				reload(ctx, t, conn)
			} else {
				restore()
			}
		}
		// at a reload
		at := logSize(t, one)
		spoil()
		reload(ctx, t, conn)
		waitLog(ctx, t, one, at, append(x.words, "WARNING", "stay in force")...)
		must(t, sqlapi.Replicate(ctx, conn, "with what was read before: "+x.name))
		// at a start
		at = logSize(t, one)
		must(t, one.Restart(ctx))
		waitLog(ctx, t, one, at, append(x.words, "pgraft error", "trying again")...)
		conn = connect(ctx, t, one)
		stateIs(ctx, t, conn, "error")
		call{sql: "SELECT pgraft_replicate_entry('x')", state: "55000", words: x.words, hint: []string{"reload"}}.check(ctx, t, conn)
		s.waitHealth(ctx, t, conn, "worker_state", "critical")
		s.waitHealth(ctx, t, conn, "certificate", "unknown")
		mend()
		stateIs(ctx, t, conn, "running")
		s.leader(ctx, t, one)
		must(t, sqlapi.Replicate(ctx, conn, "after "+x.name))
	}
	if os.Geteuid() == 0 { // PostgreSQL lets a group read a key of root's
		var owner syscall.Stat_t
		must(t, syscall.Stat(key, &owner))
		must(t, os.Chown(key, 0, int(owner.Gid)))
		must(t, os.Chmod(key, 0o640))
		at := logSize(t, one)
		must(t, one.Restart(ctx))
		waitLog(ctx, t, one, at, "TLS with the certificate of")
		conn = connect(ctx, t, one)
		stateIs(ctx, t, conn, "running")
	}
	s.leader(ctx, t, one)

	// A certificate near its end shows, and one past it does not take a good one's place.
	for _, x := range []struct {
		validFor time.Duration
		status   string
	}{{20 * 24 * time.Hour, "warning"}, {24 * time.Hour, "critical"}} {
		must(t, one.PutCertificate(ca, x.validFor, "127.0.0.1"))
		reload(ctx, t, conn)
		s.waitHealth(ctx, t, conn, "certificate", x.status)
	}
	at := logSize(t, one)
	must(t, one.PutCertificate(ca, -time.Minute, "127.0.0.1"))
	reload(ctx, t, conn)
	waitLog(ctx, t, one, at, "WARNING", "stay in force", "expired at")
	must(t, one.SetTLS(ca, trialValidity))
	reload(ctx, t, conn)
	s.waitHealth(ctx, t, conn, "certificate", "ok")

	// Who is to be added has to speak it too.
	must(t, two.Start(ctx))
	initialise(ctx, t, two)
	add := fmt.Sprintf("SELECT pgraft_add_node(2, '127.0.0.1', %d)", two.RaftPort)
	call{sql: add, state: "08001", words: []string{"could not agree on TLS with node 2", "it speaks no TLS"},
		hint: []string{"pgraft.ssl_enabled", "pgraft-node-2"}}.check(ctx, t, conn)
	must(t, two.SetTLS(newAuthority(t, "another CA"), trialValidity))
	must(t, two.Restart(ctx))
	stateIs(ctx, t, connect(ctx, t, two), "running")
	call{sql: add, state: "08001", words: []string{"could not agree on TLS with node 2", "unknown authority"}}.check(ctx, t, conn)
	must(t, two.SetTLS(ca, trialValidity))
	reload(ctx, t, connect(ctx, t, two))
	must(t, wait.For(ctx, settleLimit, "node 2 to be added", func(ctx context.Context) error {
		_, err := conn.Exec(ctx, add)
		return err
	}))
}
