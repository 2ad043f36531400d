//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// tlsCluster is a cluster of three over TLS, apart from the shared one. Nodes 1
// and 2 dial node 3 through a proxy.
type tlsCluster struct {
	*suite
	ca    *certs.Authority
	link  *proxy
	wire  *wiretap
	third *pgcluster.Server
}

const trialValidity = 60 * 24 * time.Hour

func newAuthority(t *testing.T, name string) *certs.Authority {
	t.Helper()
	ca, err := certs.New(name, 2*trialValidity)
	must(t, err)
	return ca
}

func (s *suite) tlsCluster(ctx context.Context, t *testing.T) *tlsCluster {
	t.Helper()
	x := &tlsCluster{suite: &suite{install: s.install, ledger: newLedger()}, ca: newAuthority(t, "first CA"), wire: &wiretap{}}
	x.cluster = s.extraCluster(ctx, t, nodes, nil)
	for _, server := range x.cluster.Servers {
		must(t, server.SetTLS(x.ca, trialValidity))
	}
	must(t, x.cluster.Start(ctx))
	for _, server := range x.cluster.Servers {
		initialise(ctx, t, server)
	}
	x.third = x.cluster.Servers[2]
	x.link = newTappedProxy(t, x.third.RaftPort, x.wire)
	conn := connect(ctx, t, x.leader(ctx, t))
	addNode(ctx, t, conn, x.cluster.Servers[1])
	added, err := sqlapi.AddNode(ctx, conn, x.third.NodeID, "127.0.0.1", x.link.port())
	if err != nil || !added {
		t.Fatalf("pgraft_add_node() = %v, %v", added, err)
	}
	x.settle(ctx, t)
	return x
}

// wiretap keeps what it sees, up to its bound.
type wiretap struct {
	mu   sync.Mutex
	seen []byte
}

const maxWiretapBytes = 16 << 20

func (w *wiretap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen)+len(b) > maxWiretapBytes {
		return 0, errors.New("the wiretap is full")
	}
	w.seen = append(w.seen, b...)
	return len(b), nil
}

func (w *wiretap) saw(b string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.seen, []byte(b))
}

func (w *wiretap) start(n int) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.seen[:min(n, len(w.seen))])
}

// What nodes say to each other is encrypted, on the wire too, and each shows
// with whom it speaks. Without TLS the same entry can be read on the wire.
func encryptsBetweenNodes(ctx context.Context, t *testing.T, s *suite) {
	x := s.tlsCluster(ctx, t)
	leader := x.leaderAcross(ctx, t)
	const secret = "the password of the treasury"
	x.ledger.replicate(ctx, t, connect(ctx, t, leader), secret)
	x.ledger.replicate(ctx, t, connect(ctx, t, x.others(leader)[0]), secret+" again")
	x.settle(ctx, t)
	x.ledger.check(ctx, t, x.cluster.Servers...)
	for _, server := range x.cluster.Servers {
		conn := connect(ctx, t, server)
		var peers, right int
		must(t, conn.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE connected AND tls_version = 'TLS 1.3' AND tls_cipher LIKE 'TLS\_%'
			AND certificate_subject = 'CN=pgraft-node-' || node_id AND certificate_expiry BETWEEN now() + '59 days' AND now() + '60 days')
			FROM pgraft_stat_peers`).Scan(&peers, &right))
		if peers != nodes-1 || right != peers {
			t.Errorf("node %d: %d of %d peers with TLS as it should be", server.NodeID, right, peers)
		}
		found, err := health(ctx, conn)
		must(t, err)
		if f := found["certificate"]; f.Status != "ok" || !strings.HasPrefix(*f.Value, "expires 20") {
			t.Errorf("node %d: certificate is %s, %s", server.NodeID, *f.Value, f.Status)
		}
	}
	const handshakeRecord = "\x16\x03\x01" // of TLS: a ClientHello follows
	if got := x.wire.start(3); string(got) != handshakeRecord {
		t.Errorf("a connection starts with %q, want %q", got, handshakeRecord)
	}
	if x.wire.saw("treasury") || x.wire.saw(clusterID) || x.wire.saw("pgraft\n") {
		t.Error("the wire carries plain text")
	}

	must(t, x.cluster.Stop(ctx))
	for _, server := range x.cluster.Servers {
		must(t, server.Set(map[string]string{"pgraft.ssl_enabled": "off"}))
	}
	must(t, x.cluster.Start(ctx))
	x.settle(ctx, t)
	conn := connect(ctx, t, x.leaderAcross(ctx, t))
	x.ledger.replicate(ctx, t, conn, "the weather in the treasury")
	x.settle(ctx, t)
	if !x.wire.saw("treasury") || !x.wire.saw("pgraft\n") {
		t.Error("the proxy sees nothing: what it did not see before says nothing")
	}
	var none int
	must(t, conn.QueryRow(ctx, `SELECT count(*) FROM pgraft_stat_peers WHERE tls_version IS NULL AND tls_cipher IS NULL
		AND certificate_subject IS NULL AND certificate_expiry IS NULL`).Scan(&none))
	if none != nodes-1 {
		t.Errorf("without TLS %d peers have no TLS", none)
	}
}

// leaderAcross is a leader that reaches node 3 through the proxy.
func (x *tlsCluster) leaderAcross(ctx context.Context, t *testing.T) *pgcluster.Server {
	t.Helper()
	if x.leader(ctx, t) == x.third {
		moved, err := answered(ctx, func() (bool, error) { return sqlapi.TransferLeadership(ctx, connect(ctx, t, x.third), 1) })
		if err != nil || !moved {
			t.Fatalf("pgraft_transfer_leadership(1) = %v, %v", moved, err)
		}
		x.settle(ctx, t)
	}
	return x.leader(ctx, t, x.cluster.Servers[:2]...)
}

// Certificates are renewed on one node after the other, then the authority is
// exchanged, and nobody notices: every write succeeds, the leader stays, and
// connections do too. Those made from then on use what is new.
func renewsCertificates(ctx context.Context, t *testing.T, s *suite) {
	x := s.tlsCluster(ctx, t)
	leader := x.leader(ctx, t)
	term, err := sqlapi.Term(ctx, connect(ctx, t, leader))
	must(t, err)
	stop := x.writeOn(ctx, t)

	const renewed = trialValidity - 10*24*time.Hour
	since := x.connectedSince(ctx, t, leader)
	for _, server := range x.cluster.Servers {
		x.reloadWith(ctx, t, server, func() { must(t, server.SetTLS(x.ca, renewed)) })
	}
	if now := x.connectedSince(ctx, t, leader); now != since {
		t.Errorf("connections since %s, before the reloads since %s", now, since)
	}
	x.reconnect(ctx, t, "50 days")

	next := newAuthority(t, "second CA")
	const third = renewed - 10*24*time.Hour
	for _, server := range x.cluster.Servers { // both authorities count
		x.reloadWith(ctx, t, server, func() { trust(t, server, x.ca, next) })
	}
	for _, server := range x.cluster.Servers {
		x.reloadWith(ctx, t, server, func() {
			must(t, server.PutCertificate(next, third, "127.0.0.1"))
			trust(t, server, x.ca, next)
		})
		x.reconnect(ctx, t, map[bool]string{false: "50 days", true: "40 days"}[server == x.third]) // the old and the new meet
	}
	for _, server := range x.cluster.Servers {
		x.reloadWith(ctx, t, server, func() { trust(t, server, next) })
	}
	x.reconnect(ctx, t, "40 days")

	stop()
	x.settle(ctx, t)
	x.ledger.check(ctx, t, x.cluster.Servers...)
	if now := x.leader(ctx, t); now != leader {
		t.Errorf("node %d led, node %d leads", leader.NodeID, now.NodeID)
	}
	if now, err := sqlapi.Term(ctx, connect(ctx, t, leader)); err != nil || now != term {
		t.Errorf("term %d, then %d, %v", term, now, err)
	}
}

// writeOn writes through every node all the time; each write has to succeed.
func (x *tlsCluster) writeOn(ctx context.Context, t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	for _, server := range x.cluster.Servers {
		conn := connect(ctx, t, server)
		done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				data := fmt.Sprintf("meanwhile n%d #%d", server.NodeID, i)
				err := sqlapi.Replicate(context.WithoutCancel(ctx), conn, data)
				x.ledger.record(data, err)
				if err != nil {
					t.Errorf("node %d: %v", server.NodeID, err)
					return
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); done.Wait() })
	return func() {
		x.ledger.waitFor(ctx, t, nodes)
		cancel()
		done.Wait()
	}
}

// reloadWith changes files, reloads, and waits until the node says what it shows
// from now on.
func (x *tlsCluster) reloadWith(ctx context.Context, t *testing.T, server *pgcluster.Server, change func()) {
	t.Helper()
	x.ledger.waitFor(ctx, t, 1)
	at := logSize(t, server)
	change()
	reload(ctx, t, connect(ctx, t, server))
	waitLog(ctx, t, server, at, fmt.Sprintf("TLS with the certificate of %q, which expires at", fmt.Sprintf("pgraft-node-%d", server.NodeID)))
}

// connectedSince is when the leader's connections began, as text.
func (x *tlsCluster) connectedSince(ctx context.Context, t *testing.T, server *pgcluster.Server) (text string) {
	t.Helper()
	must(t, connect(ctx, t, server).QueryRow(ctx,
		"SELECT string_agg(connected || ' ' || connection_since, ', ' ORDER BY node_id) FROM pgraft_stat_peers").Scan(&text))
	return text
}

// reconnect cuts node 3's proxy for a moment, and waits until both others are
// connected through it again, with a certificate that is valid for so long.
func (x *tlsCluster) reconnect(ctx context.Context, t *testing.T, valid string) {
	t.Helper()
	for _, step := range []struct {
		what string
		do   func()
		sql  string
	}{
		{"to be cut off", x.link.cut, "last_error IS NOT NULL"}, // connected it is still, by the connection that node 3 has dialled
		{"to be back with a certificate for " + valid, x.link.heal,
			"last_error IS NULL AND connected AND certificate_expiry - now() BETWEEN '" + valid + "'::interval - '1 day' AND '" + valid + "'"},
	} {
		step.do()
		for _, server := range x.others(x.third) {
			conn := connect(ctx, t, server)
			must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node 3's link from node %d %s", server.NodeID, step.what), func(ctx context.Context) error {
				var is bool
				var last *string
				err := conn.QueryRow(ctx, "SELECT "+step.sql+", last_error FROM pgraft_stat_peers WHERE node_id = 3").Scan(&is, &last)
				if err == nil && !is {
					err = fmt.Errorf("the last error is %v", last)
				}
				return err
			}))
		}
	}
}

// trust writes the certificates of authorities into a server's CA file.
func trust(t *testing.T, server *pgcluster.Server, cas ...*certs.Authority) {
	t.Helper()
	var pem []byte
	for _, ca := range cas {
		pem = append(pem, ca.PEM()...)
	}
	must(t, os.WriteFile(server.File(pgcluster.CAFile), pem, 0o644))
}

func logSize(t *testing.T, server *pgcluster.Server) int64 {
	t.Helper()
	n, err := server.LogSize()
	must(t, err)
	return n
}

// waitLog waits for a line of the server's log, from offset on, that has all the
// words.
func waitLog(ctx context.Context, t *testing.T, server *pgcluster.Server, offset int64, words ...string) (line string) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, fmt.Sprintf("a line of node %d's log with %q", server.NodeID, words), func(context.Context) error {
		text, err := os.ReadFile(server.LogPath)
		if err != nil {
			return err
		}
		for l := range strings.Lines(string(text[offset:])) {
			missing := false
			for _, w := range words {
				missing = missing || !strings.Contains(l, w)
			}
			if !missing {
				line = l
				return nil
			}
		}
		return fmt.Errorf("it has\n%s", text[offset:])
	}))
	t.Logf("node %d: %s", server.NodeID, strings.TrimSpace(line))
	return line
}

// stateIs waits for pgraft_get_worker_state().
func stateIs(ctx context.Context, t *testing.T, conn *pgx.Conn, want string) {
	t.Helper()
	must(t, wait.For(ctx, settleLimit, "the worker to be "+want, func(ctx context.Context) error {
		state, err := sqlapi.WorkerState(ctx, conn)
		if err == nil && state != want {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	}))
}
