package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/node/transport"
	"github.com/pgraft/pgraft/tools/internal/status"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A witness waits, joins, votes, is asked over HTTP, stops, comes back, and ends
// once it is removed.
func TestLife(t *testing.T) {
	x := newTrial(t, 10000, nil)
	cfg := Config{Dir: filepath.Join(t.TempDir(), "made by it"), Node: settings(3, port(t, &x.next))}
	r := x.run(cfg)
	if code, body := get(t, r.url+"/health"); code != http.StatusOK || !strings.Contains(body, "worker_state ok: running\n") ||
		!strings.Contains(body, "quorum unknown: \n") {
		t.Errorf("while it waits to be added, /health answers %d\n%s", code, body)
	}
	if _, body := get(t, r.url+"/metrics"); !strings.Contains(body, "\npgraft_node_running 1\n") || !strings.Contains(body, "\npgraft_node_has_leader 0\n") ||
		strings.Contains(body, "pgraft_node_term") || strings.Contains(body, "pgraft_node_cluster_version") || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("while it waits to be added, /metrics answers\n%s", body)
	}
	x.add(3, cfg.Node.Port)
	index, _, err := x.founder.Propose(x.soon(), [16]byte{1}, []byte("needs the witness"))
	if err != nil {
		t.Fatal(err)
	}
	x.until("the witness to say so", func(ctx context.Context) error {
		_, body := get(t, r.url+status.Path)
		var n status.Node
		if err := json.Unmarshal([]byte(body), &n); err != nil {
			return fmt.Errorf("%s: %w: %w", body, err, wait.ErrHopeless)
		}
		if n.NodeID != 3 || n.Version != "1.2.3" || n.WorkerState != "running" || n.Leader || n.LeaderNode != 1 || n.AppliedIndex < int64(index) ||
			len(n.Members) != 2 || n.Members[0].State != "Leader" || n.Members[1].State != "Follower" || n.Error != "" {
			return errors.New(body)
		}
		return nil
	})
	for path, want := range map[string]int{"/nowhere": http.StatusNotFound, "/": http.StatusServiceUnavailable,
		"/replica": http.StatusServiceUnavailable, "/health": http.StatusOK, "/liveness": http.StatusOK, "/readiness": http.StatusOK} {
		if code, body := get(t, r.url+path); code != want {
			t.Errorf("%s answers %d\n%s", path, code, body)
		}
	}
	r.stop()
	if err := r.end(t); err != nil {
		t.Fatal(err)
	}
	x.until("the founder to be without a majority", func(ctx context.Context) error {
		v, err := x.founder.View(ctx)
		if err == nil && v.Core.Lead != 0 {
			err = errors.New("it leads")
		}
		return err
	})
	r = x.run(cfg)
	if _, _, err := x.founder.Propose(x.soon(), [16]byte{2}, []byte("it is back")); err != nil {
		t.Fatal(err)
	}
	x.until("the witness to be removed", func(ctx context.Context) error { return x.founder.RemoveNode(ctx, 3) })
	if err := r.end(t); err != nil || !strings.Contains(r.log.String(), "was removed from its cluster and ends") {
		t.Errorf("removed, it ends with %v and logs\n%s", err, r.log)
	}
}

// Elected, it hands leadership over: to whom it is told to, and not to another
// witness for ever.
func TestYields(t *testing.T) {
	x := newTrial(t, 10300, nil)
	two := x.server(2, nil)
	var witnesses []*process
	for id := uint32(3); id <= 4; id++ {
		cfg := Config{Dir: t.TempDir(), Node: settings(id, port(t, &x.next)), YieldTo: []uint32{2}}
		witnesses = append(witnesses, x.run(cfg))
		x.add(id, cfg.Node.Port)
	}
	for _, id := range []uint32{3, 4} {
		x.until(fmt.Sprintf("node %d to have led", id), func(ctx context.Context) error {
			for _, n := range []*node.Node{x.founder, two} {
				if v, err := n.View(ctx); err == nil && v.Core.Role == core.RoleLeader {
					if err := n.TransferLeader(ctx, id); err != nil {
						return err
					}
				}
			}
			if !strings.Contains(witnesses[id-3].log.String(), "handed leadership over to node 2") {
				return errors.New("it has not handed leadership over")
			}
			return nil
		})
	}
	x.until("node 2 to lead", func(ctx context.Context) error {
		v, err := two.View(ctx)
		if err == nil && v.LeaseLeft() == 0 {
			err = errors.New("it has no lease")
		}
		return err
	})
}

// With Lead it keeps leadership.
func TestLeads(t *testing.T) {
	x := newTrial(t, 10600, nil)
	cfg := Config{Dir: t.TempDir(), Node: settings(3, port(t, &x.next)), Lead: true}
	r := x.run(cfg)
	x.add(3, cfg.Node.Port)
	if err := x.founder.TransferLeader(x.soon(), 3); err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.founder.Propose(x.soon(), [16]byte{1}, []byte("through the witness")); err != nil {
		t.Fatal(err)
	}
	x.until("the witness to hold the lease", func(context.Context) error {
		if _, body := get(t, r.url+"/metrics"); !strings.Contains(body, "\npgraft_node_leader 1\n") {
			return errors.New(body)
		}
		return nil
	})
}

// SIGHUP reads the certificates anew; a wrong file leaves the old ones in force.
func TestReloadsCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, err := certs.New("test CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	files := func(id uint32) *transport.TLSFiles {
		f, err := ca.Node(dir, transport.NodeName(id), []string{"127.0.0.1"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return &transport.TLSFiles{Cert: f.Cert, Key: f.Key, CA: f.CA}
	}
	x := newTrial(t, 10900, files(1))
	cfg := Config{Dir: t.TempDir(), Node: settings(3, port(t, &x.next))}
	cfg.Node.TLS = files(3)
	r := x.run(cfg)
	x.add(3, cfg.Node.Port)
	if _, body := get(t, r.url+"/metrics"); !strings.Contains(body, "\npgraft_node_certificate_expiry_seconds ") {
		t.Errorf("nothing of the certificate in\n%s", body)
	}
	if _, err := ca.Node(dir, transport.NodeName(3), []string{"127.0.0.1"}, 30*time.Minute); err != nil {
		t.Fatal(err)
	}
	before := strings.Count(r.log.String(), "TLS with the certificate of")
	r.reload <- struct{}{}
	x.until("the new certificate to be read", func(context.Context) error {
		if strings.Count(r.log.String(), "TLS with the certificate of") == before {
			return errors.New("it is not logged")
		}
		return nil
	})
	if err := os.WriteFile(cfg.Node.TLS.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload <- struct{}{}
	x.logs(r, "stay in force")
	if _, _, err := x.founder.Propose(x.soon(), [16]byte{1}, []byte("goes on")); err != nil {
		t.Fatal(err)
	}
}

// What cannot be is said in one line, with the way out.
func TestRefuses(t *testing.T) {
	x := newTrial(t, 11200, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	member := Config{Dir: t.TempDir(), Node: settings(3, port(t, &x.next))}
	r := x.run(member)
	x.add(3, member.Node.Port)
	r.stop()
	if err := r.end(t); err != nil {
		t.Fatal(err)
	}
	emptied := member
	emptied.Dir = t.TempDir()
	if err := os.Rename(filepath.Join(member.Dir, marker), filepath.Join(emptied.Dir, marker)); err != nil {
		t.Fatal(err)
	}
	founders := Config{Dir: t.TempDir(), Node: settings(5, port(t, &x.next))}
	c := founders.Node
	c.DataDir, c.MarkerPath, c.MaxEntryBytes = filepath.Join(founders.Dir, storeDir), filepath.Join(founders.Dir, marker), 1000
	n, err := node.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Init(new(true))
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	fresh := func(change func(*Config)) Config {
		c := Config{Dir: t.TempDir(), Node: settings(4, port(t, &x.next))}
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		cfg   Config
		words []string
	}{
		"an emptied directory": {emptied, []string{"is empty, but", "its data is lost; mount it and start this node; or, to begin anew: remove node 3", "start this node, and add it again"}},
		"another node's":       {fresh(func(c *Config) { c.Dir = member.Dir }), []string{"belongs to node 3, but the node id is set to 4; to begin anew"}},
		"a founder's":          {founders, []string{"what a PostgreSQL server left", "a directory of its own"}},
		"a port in use":        {fresh(func(c *Config) { c.Node.Port = uint32(taken.Addr().(*net.TCPAddr).Port) }), []string{"is in use by another process"}},
		"HTTP in use":          {fresh(func(c *Config) { c.HTTP = taken.Addr().String() }), []string{"--http", "address already in use"}},
		"a missing file":       {fresh(func(c *Config) { c.Node.TLS = &transport.TLSFiles{Cert: "a", Key: "b", CA: "c"} }), []string{"no such file"}},
		"itself":               {fresh(func(c *Config) { c.YieldTo = []uint32{4} }), []string{"--yield-to 4: that is this node"}},
		"a contradiction":      {fresh(func(c *Config) { c.YieldTo, c.Lead = []uint32{1}, true }), []string{"--lead and --yield-to"}},
		"timings":              {fresh(func(c *Config) { c.Node.ElectionTimeout = c.Node.HeartbeatInterval }), []string{"at least 3 times"}},
	} {
		c.cfg.Logger = slog.New(slog.DiscardHandler)
		err := Run(x.soon(), c.cfg)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %q in: %v", name, w, err)
			}
		}
	}
}
