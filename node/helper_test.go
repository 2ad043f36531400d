package node_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/recorder"
)

const (
	electionTimeout   = 300 * time.Millisecond
	heartbeatInterval = 30 * time.Millisecond
	// patience is how long a test waits for what must come.
	patience = 20 * time.Second
	// pollInterval is how often it looks.
	pollInterval = 5 * time.Millisecond
)

// eventually waits until cond returns nil; any other result says what is missing.
func eventually(t testing.TB, what string, cond func() error) {
	t.Helper()
	if err := poll(cond); err != nil {
		t.Fatalf("waited %v for %s: %v", patience, what, err)
	}
}

// poll calls cond until it returns nil, or returns its last result once patience
// is at an end.
func poll(cond func() error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if err := cond(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// soon is a context for what must not take longer than patience.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](t testing.TB, what string) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

// member is a node of a test, with a directory and a port of its own. Node is
// nil while it is stopped.
type member struct {
	*node.Node
	t   testing.TB
	cfg node.Config
	out journal
	log lockedBuffer
}

// newMember is a member that was never opened.
func newMember(t testing.TB, id uint32) *member {
	dir := t.TempDir()
	m := &member{t: t, cfg: node.Config{
		ClusterID: "test", NodeID: id, Address: "127.0.0.1", Port: freePort(t),
		DataDir: filepath.Join(dir, "pgraft"), CloseLimit: time.Minute, MarkerPath: filepath.Join(dir, "pgraft.initialized"),
		ElectionTimeout: electionTimeout, HeartbeatInterval: heartbeatInterval,
		MaxEntryBytes: 1 << 20, SnapshotEntries: 50, Trace: recorder.Settings{Mode: recorder.Ring, MaxBytes: recorder.MinBytes},
	}}
	m.cfg.Publish = m.out.add
	m.cfg.Logger = slog.New(slog.NewTextHandler(&m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Cleanup(func() {
		if m.Node != nil {
			if state, _ := m.State(); state != node.Failed {
				m.stop()
			} else if err := m.Close(); err == nil {
				t.Errorf("node %d: closed without an error after it had failed", id)
			}
		}
		replayTrace(t, m.traceDir()) // what happened in any test, replays
		if t.Failed() {
			t.Logf("the log of node %d:\n%s", id, m.log.String())
		}
	})
	return m
}

// open opens m, whose Open must not fail. A port that was taken since it was
// found free is exchanged, unless other nodes know it already.
func (m *member) open() *member {
	m.t.Helper()
	_, err := os.Stat(m.cfg.MarkerPath)
	fresh := errors.Is(err, os.ErrNotExist)
	n, err := node.Open(m.cfg)
	for range 10 {
		if !fresh || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		m.cfg.Port = freePort(m.t)
		n, err = node.Open(m.cfg)
	}
	if err != nil {
		m.t.Fatalf("open node %d: %v", m.cfg.NodeID, err)
	}
	m.Node = n
	return m
}

func (m *member) stop() {
	m.t.Helper()
	if err := m.Close(); err != nil {
		m.t.Errorf("close node %d: %v", m.cfg.NodeID, err)
	}
	m.Node = nil
}

// init calls Init, which must say founded.
func (m *member) init(founded bool) *member {
	m.t.Helper()
	got, err := m.Init(&founded)
	if err != nil || got != founded {
		m.t.Fatalf("init of node %d: founded %v, %v; want %v", m.cfg.NodeID, got, err, founded)
	}
	return m
}

// refusesToOpen opens m, which must fail, and returns why.
func (m *member) refusesToOpen() error {
	m.t.Helper()
	n, err := node.Open(m.cfg)
	if err == nil {
		m.t.Fatalf("node %d opened; %v", m.cfg.NodeID, n.Close())
	}
	return err
}

func (m *member) view() node.View {
	m.t.Helper()
	return must[node.View](m.t, fmt.Sprintf("view of node %d", m.cfg.NodeID))(m.View(soon(m.t)))
}

func (m *member) inState(want node.State) error {
	if got, failure := m.State(); got != want {
		return fmt.Errorf("node %d is in state %d (failure: %v), not %d", m.cfg.NodeID, got, failure, want)
	}
	return nil
}

// propose must succeed.
func (m *member) propose(id [16]byte, data string) uint64 {
	m.t.Helper()
	index, _, err := m.Propose(soon(m.t), id, []byte(data))
	if err != nil {
		m.t.Fatalf("propose %q to node %d: %v", data, m.cfg.NodeID, err)
	}
	return index
}

// request makes a request id of two numbers.
func request(a, b int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(a))
	binary.BigEndian.PutUint64(id[8:], uint64(b))
	return id
}

type cluster []*member

// newCluster forms a cluster of n voters, the first of which founds it. prepare,
// when not nil, changes a member before it is opened.
func newCluster(t testing.TB, n int, prepare func(*member)) cluster {
	t.Helper()
	var c cluster
	for id := 1; id <= n; id++ {
		m := newMember(t, uint32(id))
		if prepare != nil {
			prepare(m)
		}
		c = append(c, m.open().init(id == 1))
		if id > 1 {
			c[:id-1].add(m)
		}
	}
	return c
}

// up are the members that are open.
func (c cluster) up() (open cluster) {
	for _, m := range c {
		if m.Node != nil {
			open = append(open, m)
		}
	}
	return open
}

// leader waits until all open members agree on one of them that holds its lease.
func (c cluster) leader() (leader *member) {
	t := c[0].t
	t.Helper()
	eventually(t, "a leader that all know and that holds its lease", func() error {
		leader = nil
		lead := uint64(0)
		for _, m := range c.up() {
			v, err := m.View(soon(t))
			switch {
			case err != nil:
				return fmt.Errorf("node %d: %w", m.cfg.NodeID, err)
			case v.Core.Lead == 0 || lead != 0 && v.Core.Lead != lead:
				return fmt.Errorf("node %d follows %x, the one before %x", m.cfg.NodeID, v.Core.Lead, lead)
			}
			if lead = v.Core.Lead; lead == v.Core.RaftID && v.LeaseExpiry > bootNanos() {
				leader = m
			}
		}
		if leader == nil {
			return fmt.Errorf("%x holds no lease", lead)
		}
		return nil
	})
	return leader
}

func (c cluster) followers() (l cluster) {
	leader := c.leader()
	for _, m := range c.up() {
		if m != leader {
			l = append(l, m)
		}
	}
	return l
}

// asLeader makes a change on whichever member leads. A change of leader
// meanwhile is no failure of it.
func (c cluster) asLeader(what string, change func(leader *member) error) {
	t := c[0].t
	t.Helper()
	eventually(t, what, func() error {
		err := change(c.leader())
		var r *node.RequestError
		if errors.As(err, &r) && (r.Code == core.NotLeader || r.Code == core.Unknown || r.Detail != "") { // the last: somebody did not answer in time
			return err
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return nil
	})
}

// add makes m a voter.
func (c cluster) add(m *member) {
	t := c[0].t
	t.Helper()
	c.asLeader(fmt.Sprintf("adding node %d", m.cfg.NodeID), func(leader *member) error {
		_, err := leader.AddNode(soon(t), m.cfg.NodeID, m.cfg.Address, m.cfg.Port)
		return err
	})
	eventually(t, fmt.Sprintf("node %d to know that it votes", m.cfg.NodeID), func() error {
		v, err := m.View(soon(t))
		if err != nil {
			return err
		}
		for _, s := range v.Members {
			if s.Member.GetRaftId() == v.Core.RaftID && s.Member.GetRole() == corepb.Role_VOTER {
				return nil
			}
		}
		return fmt.Errorf("members are %v", v.Members)
	})
}

// applied waits until m has applied an entry. That is later than to know that
// the others have committed it, when it need not be on m's own disk.
func (m *member) applied(index uint64) {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("entry %d on node %d", index, m.cfg.NodeID), func() error {
		if v := m.view(); v.Core.Applied < index {
			return fmt.Errorf("applied index %d", v.Core.Applied)
		}
		return nil
	})
}

// entries reads all of m's log up to last. Raft's own entries are left out.
func (m *member) entries(last uint64) map[uint64]string {
	t := m.t
	t.Helper()
	m.applied(last)
	all := map[uint64]string{}
	for i := uint64(core.FoundingIndex); i <= last; i++ {
		data, ok, err := m.Entry(soon(t), i)
		if err != nil {
			t.Fatalf("entry %d of node %d: %v", i, m.cfg.NodeID, err)
		}
		if ok {
			all[i] = string(data)
		}
	}
	return all
}

// wantLogs checks that the open members hold the same entries up to the end of
// the log, and that these are exactly want: data by index.
func (c cluster) wantLogs(want map[uint64]string) {
	t := c[0].t
	t.Helper()
	last := uint64(0)
	for _, m := range c.up() {
		last = max(last, m.view().Core.Commit)
	}
	for i := range want { // a commit index that was not synced can be older after a restart
		last = max(last, i)
	}
	for _, m := range c.up() {
		got := m.entries(last)
		for i, data := range want {
			if got[i] != data {
				t.Errorf("node %d has %q at %d, not %q", m.cfg.NodeID, got[i], i, data)
			}
		}
		for i, data := range got {
			if _, ok := want[i]; !ok {
				t.Errorf("node %d has %q at %d, where nothing was said to be", m.cfg.NodeID, data, i)
			}
		}
	}
}

// freePort is below the ports that the system gives to outgoing connections, so
// that none of those takes it while a node is stopped. The socket beside it, which ends with
// the test, keeps other tests off it, in other processes too: tools/internal/freeport has
// the same.
func freePort(t testing.TB) uint32 {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		guard, err := net.Listen("unix", "@pgraft-port-"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			guard.Close() // the next port is tried
			continue
		}
		t.Cleanup(func() { guard.Close() }) // nobody connects to it
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return uint32(port)
	}
	t.Fatal("no free port")
	return 0
}

func bootNanos() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
