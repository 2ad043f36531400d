package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
	"github.com/pgraft/pgraft/tools/internal/printed"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const limit = 20 * time.Second

// port is free, and none of those that outgoing connections get. Each test has
// its own from next on.
func port(t *testing.T, next *uint32) uint32 {
	t.Helper()
	for ; *next < 15000; *next++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *next))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		*next++
		return *next - 1
	}
	t.Fatal("no free port")
	return 0
}

// trial is a founder, in the place of a server, and what joins it.
type trial struct {
	t       *testing.T
	next    uint32 // port
	founder *node.Node
}

func settings(id, port uint32) node.Config {
	return node.Config{ClusterID: "test", NodeID: id, Address: "127.0.0.1", Port: port,
		ElectionTimeout: 300 * time.Millisecond, HeartbeatInterval: 30 * time.Millisecond, SnapshotEntries: 100,
		Retention: store.Retention{RetainEntries: 1000, RetainBytes: 1 << 20}}
}

func newTrial(t *testing.T, firstPort uint32, tls *transport.TLSFiles) *trial {
	t.Helper()
	x := &trial{t: t, next: firstPort}
	x.founder = x.server(1, tls)
	return x
}

// server is a node that behaves as a PostgreSQL server's does; 1 founds.
func (x *trial) server(id uint32, tls *transport.TLSFiles) *node.Node {
	x.t.Helper()
	dir := x.t.TempDir()
	c := settings(id, port(x.t, &x.next))
	c.DataDir, c.MarkerPath, c.MaxEntryBytes, c.TLS = filepath.Join(dir, "pgraft"), filepath.Join(dir, "marker"), 1<<20, tls
	n, err := node.Open(c)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			x.t.Error(err)
		}
	})
	if _, err := n.Init(new(id == 1)); err != nil {
		x.t.Fatal(err)
	}
	if id == 1 {
		if err := n.AwaitLeader(x.soon()); err != nil {
			x.t.Fatal(err)
		}
	} else {
		x.add(id, c.Port)
	}
	return n
}

func (x *trial) soon() context.Context {
	ctx, cancel := context.WithTimeout(x.t.Context(), limit)
	x.t.Cleanup(cancel)
	return ctx
}

// add makes a node a member, whoever leads.
func (x *trial) add(id, port uint32) {
	x.t.Helper()
	x.until(fmt.Sprintf("node %d to be added", id), func(ctx context.Context) error {
		_, err := x.founder.AddNode(ctx, id, "127.0.0.1", port)
		return err
	})
}

func (x *trial) until(what string, cond func(context.Context) error) {
	x.t.Helper()
	if err := wait.Until(x.soon(), what, cond); err != nil {
		x.t.Fatal(err)
	}
}

// process is a witness that runs.
type process struct {
	url    string
	stop   context.CancelFunc
	reload chan struct{}
	log    *printed.Text
	ended  chan error
}

func (x *trial) run(cfg Config) *process {
	x.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &process{stop: stop, reload: make(chan struct{}), log: &printed.Text{}, ended: make(chan error, 1)}
	urls := make(chan string, 1)
	cfg.HTTP, cfg.Reload, cfg.Version = "127.0.0.1:0", r.reload, "1.2.3"
	cfg.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	cfg.Listening = func(a net.Addr) { urls <- "http://" + a.String() }
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- Run(ctx, cfg)
	}()
	x.t.Cleanup(func() {
		stop()
		<-done
		if x.t.Failed() {
			x.t.Logf("log of node %d:\n%s", cfg.Node.NodeID, r.log)
		}
	})
	select {
	case r.url = <-urls:
	case err := <-r.ended:
		x.t.Fatal(err)
	}
	return r
}

// end waits until it has ended by itself.
func (r *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(limit):
		t.Fatal("it goes on")
		return nil
	}
}

func (x *trial) logs(r *process, words string) {
	x.t.Helper()
	x.until("the log to have "+words, func(context.Context) error {
		if !strings.Contains(r.log.String(), words) {
			return errors.New("it has not")
		}
		return nil
	})
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
