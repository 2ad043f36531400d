//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/commits"
	"github.com/pgraft/pgraft/tools/internal/freeport"
	"github.com/pgraft/pgraft/tools/internal/pages"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/printed"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Clients that know HAProxy's ports alone, as docs/haproxy.md configures it, write and read through
// the death of the primary and through a switchover, and no acknowledged commit is lost. All the
// while one server at most says that it is the primary.
func TestHAProxy(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	x := w.proxied()
	defer x.watched()()
	x.leads(x.write, "1 f")
	w.ledger = commits.New(patience, x.write)
	w.stop = w.ledger.Start(w.ctx, 4)
	t.Cleanup(w.stop)
	x.commits(100)
	x.leads(x.read, "2 t", "3 t")

	_, err := a.Kill9(w.ctx)
	must(t, err)
	x.commits(100)
	primary := map[string]*pgcluster.Server{"2 f": b, "3 f": c}[x.leads(x.write, "2 f", "3 f")]
	third := w.third(a, primary)
	x.leads(x.read, fmt.Sprintf("%d t", third.NodeID))
	x.says(primary, "/primary", http.StatusOK)
	x.says(primary, "/replica", http.StatusServiceUnavailable)
	x.says(third, "/replica?lag=16MB", http.StatusOK)
	x.says(third, "/sync", http.StatusOK)

	go w.ask(third, fmt.Sprintf("SELECT pgraft_switchover(%d)", third.NodeID)) // both servers' sessions end; what comes of it is seen
	x.leads(x.write, fmt.Sprintf("%d f", third.NodeID))
	x.commits(100)
	x.leads(x.read, fmt.Sprintf("%d t", primary.NodeID))
	w.checks(third)
}

// proxy is HAProxy before a world's servers.
type proxy struct {
	w           *world
	write, read string         // where clients connect, host:port
	http        map[int]string // where a server is asked, by node id
}

// proxied has all servers answer on HTTP, and starts HAProxy.
func (w *world) proxied() *proxy {
	w.t.Helper()
	port := func() string {
		r, err := freeport.Reserve()
		must(w.t, err)
		w.t.Cleanup(func() { must(w.t, r.Close()) })
		return fmt.Sprintf("127.0.0.1:%d", r.Port)
	}
	x := &proxy{w: w, write: port(), read: port(), http: map[int]string{}}
	page, err := pages.Read("../../../docs/haproxy.md")
	must(w.t, err)
	config := ""
	for _, i := range page.Items {
		if i.Lang == "haproxy" {
			config += i.Text
		}
	}
	replace := func(old, new string) {
		if !strings.Contains(config, old) {
			w.t.Fatalf("docs/haproxy.md has no %q", old)
		}
		config = strings.ReplaceAll(config, old, new)
	}
	replace("*:5000", x.write)
	replace("*:5001", x.read)
	for _, s := range w.cluster.Servers {
		x.http[s.NodeID] = port()
		must(w.t, s.Set(map[string]string{"pgraft.http_listen": x.http[s.NodeID]}))
		w.do(s, "SELECT pg_reload_conf()")
		_, number, _ := strings.Cut(x.http[s.NodeID], ":")
		replace(fmt.Sprintf("10.0.0.%d:5432 check port 8008", s.NodeID), fmt.Sprintf("%s check port %s", s.Host(), number))
	}
	path := filepath.Join(w.t.TempDir(), "haproxy.cfg")
	must(w.t, os.WriteFile(path, []byte(config), 0o600))
	program, err := exec.LookPath("haproxy")
	if err != nil {
		w.t.Fatalf("%v; tools/deps/debian.sh --haproxy installs it", err)
	}
	out := &printed.Text{}
	cmd := exec.Command(program, "-db", "-f", path)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(w.t, cmd.Start())
	w.t.Cleanup(func() {
		must(w.t, cmd.Process.Kill())
		_ = cmd.Wait() // it says that it was killed
		if w.t.Failed() {
			w.t.Logf("haproxy:\n%s", out)
		}
	})
	return x
}

// leads waits until a port leads to one of these: a node id, and whether it is in recovery.
func (x *proxy) leads(port string, to ...string) (at string) {
	x.w.t.Helper()
	must(x.w.t, wait.Until(x.w.ctx, fmt.Sprintf("%s to lead to %q", port, to), func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, "postgres://postgres@"+port+"/postgres?sslmode=disable&connect_timeout=2")
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if err := conn.QueryRow(ctx, "SELECT current_setting('pgraft.node_id') || ' ' || left(pg_is_in_recovery()::text, 1)").Scan(&at); err != nil {
			return err
		}
		for _, want := range to {
			if at == want {
				return nil
			}
		}
		return fmt.Errorf("it leads to %q", at)
	}))
	return at
}

// commits waits until another n commits were acknowledged, by whomever.
func (x *proxy) commits(n int) {
	x.w.t.Helper()
	_, was := x.w.ledger.Last()
	must(x.w.t, wait.Until(x.w.ctx, fmt.Sprintf("%d commits through HAProxy", n), func(context.Context) error {
		if _, now := x.w.ledger.Last(); now < was+n {
			return fmt.Errorf("there are %d more; errors: %v", now-was, x.w.ledger.Errors())
		}
		return nil
	}))
}

func (x *proxy) code(ctx context.Context, s *pgcluster.Server, path string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, "http://"+x.http[s.NodeID]+path, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func (x *proxy) says(s *pgcluster.Server, path string, want int) {
	x.w.t.Helper()
	must(x.w.t, wait.Until(x.w.ctx, fmt.Sprintf("node %d to answer %d at %s", s.NodeID, want, path), func(ctx context.Context) error {
		if got, err := x.code(ctx, s, path); err != nil || got != want {
			return errors.Join(err, fmt.Errorf("it answers %d", got))
		}
		return nil
	}))
}

// watched asks all servers whether they are the primary, until it is ended: who said so after the
// next one had must not say so again, as a lease ends once.
func (x *proxy) watched() (end func()) {
	ctx, cancel := context.WithCancel(x.w.ctx)
	ended := make(chan struct{})
	var order []int
	go func() {
		defer close(ended)
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
			for _, s := range x.w.cluster.Servers {
				if code, err := x.code(ctx, s, "/primary"); err == nil && code == http.StatusOK {
					if n := len(order); n == 0 || order[n-1] != s.NodeID {
						order = append(order, s.NodeID)
					}
				}
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		x.w.t.Logf("the primary was, one after the other, node %v", order)
		if len(order) != 3 || order[0] != 1 { // two at once would take turns
			x.w.t.Errorf("servers that say that they are the primary: %v, want node 1 and two others, one after the other", order)
		}
	}
}
