package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
)

// replayed is what the flight recorder's files of one directory hold.
type replayed struct {
	trace.Player
	inputs, starts int
	notes          string
	closed         []core.PeerClosed
	kinds          map[string]int        // of inputs
	parts          []core.FailoverConfig // of each start
}

// replayTrace replays all of them. The replay must not differ.
func replayTrace(t testing.TB, dir string) *replayed {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.trace"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	p := &replayed{kinds: map[string]int{}}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := trace.NewReader(b)
		for f, ok := r.Next(); ok; f, ok = r.Next() {
			step, err := p.Play(f)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			switch f := f.(type) {
			case *trace.Boot:
				p.starts++
				p.parts = append(p.parts, f.Config.Failover)
			case *trace.Note:
				p.notes += f.Text + "\n"
			case *trace.Input:
				if p.inputs++; !step.Same() {
					t.Fatalf("%s: input %d, %T %+v, leads to something else in a replay: %+v", path, p.Seq(), step.Input, step.Input, step.Output)
				}
				for in := range core.Each(step.Input) {
					p.kinds[fmt.Sprintf("%T", in)]++
					if in, ok := in.(core.PeerClosed); ok {
						p.closed = append(p.closed, in)
					}
				}
			}
		}
		var damage *trace.DamageError
		if err := r.Err(); err != nil && (!errors.As(err, &damage) || !damage.Cut) {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return p
}

func (m *member) traceDir() string { return filepath.Join(m.cfg.DataDir, "trace") }

// What a node's flight recorder holds replays, over restarts and changes of the
// settings; what is saved of it, too, while the node runs.
func TestTrace(t *testing.T) {
	c := newCluster(t, 3, nil)
	for i := range 50 {
		c[i%3].propose(request(1, i), "before")
	}
	saved := filepath.Join(t.TempDir(), "saved")
	if n, err := c[1].SaveTrace(saved); err != nil || n == 0 {
		t.Fatalf("saved %d bytes, %v", n, err)
	}
	if p := replayTrace(t, saved); p.inputs == 0 || p.starts != 1 {
		t.Errorf("saved %d inputs and %d starts", p.inputs, p.starts)
	}
	c[1].stop()
	c[1].open()
	s := node.Settings{ElectionTimeout: 2 * electionTimeout, HeartbeatInterval: heartbeatInterval, SnapshotEntries: c[1].cfg.SnapshotEntries,
		Retention: c[1].cfg.Retention, Trace: recorder.Settings{Mode: recorder.Full, Redact: true}}
	if err := c[1].Reload(s); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		c[i%3].propose(request(2, i), "nobody shall see this")
	}
	c[1].stop()
	p := replayTrace(t, c[1].traceDir())
	if p.starts != 3 || p.inputs < 100 || len(p.Gaps) > 0 {
		t.Errorf("%d starts, %d inputs, gaps %v", p.starts, p.inputs, p.Gaps)
	}
	paths, err := filepath.Glob(filepath.Join(c[1].traceDir(), "*.trace"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if b, err := os.ReadFile(path); err != nil || strings.Contains(string(b), "nobody shall see") {
			t.Errorf("%s shows what it should not, %v", path, err)
		}
	}
}

// A panic in a goroutine of the node that has nothing to do with the core keeps
// the trace, and goes on to the host.
func TestTraceKeptAtPanic(t *testing.T) {
	m := newMember(t, 1)
	panics, died := atomic.Bool{}, make(chan any, 10)
	m.cfg.Go = func(f func()) {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					died <- p
				}
			}()
			f()
		}()
	}
	m.cfg.Logger = slog.New(panicHandler{m.cfg.Logger.Handler(), &panics})
	m.open().init(true)
	if err := m.AwaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	m.propose(request(1, 1), "x")
	panics.Store(true)
	// The transport logs that a stranger says nothing it knows.
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(m.cfg.Port))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-died:
		if p != "planted" {
			t.Errorf("died of %v", p)
		}
	case <-soon(t).Done():
		t.Fatal("nothing panicked")
	}
	panics.Store(false)
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	kept, err := filepath.Glob(filepath.Join(m.traceDir(), "kept-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if p := replayTrace(t, kept[0]); p.inputs == 0 || !strings.Contains(p.notes, "panic: planted") {
		t.Errorf("kept %d inputs, notes %q", p.inputs, p.notes)
	}
}

// panicHandler panics while it is told to.
type panicHandler struct {
	slog.Handler
	on *atomic.Bool
}

func (h panicHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.on.Load() && strings.HasPrefix(r.Message, "closed a connection") {
		panic("planted")
	}
	return h.Handler.Handle(ctx, r)
}

// A node that was stopped in order has nothing to note, and what exists is not
// written over.
func TestTraceOfOneNode(t *testing.T) {
	m := newMember(t, 1)
	m.open().init(true)
	if err := m.AwaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	m.propose(request(1, 1), "x")
	m.stop()
	if p := replayTrace(t, m.traceDir()); p.inputs == 0 || p.notes != "" {
		t.Errorf("%d inputs, notes %q", p.inputs, p.notes)
	}
	if _, err := m.open().SaveTrace(m.cfg.DataDir); !errors.Is(err, os.ErrExist) {
		t.Errorf("saved over what is there: %v", err)
	}
}
