package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// Before Init a node says that it is not initialised, and keeps nothing.
func TestUninitialised(t *testing.T) {
	m := newMember(t, 1).open()
	if s := m.out.status(); s.State != node.Uninitialised || s.LeaseExpiry != 0 {
		t.Errorf("it published %+v", s)
	}
	_, _, proposed := m.Propose(soon(t), request(1, 1), nil)
	_, viewed := m.View(soon(t))
	for what, err := range map[string]error{"propose": proposed, "view": viewed, "await": m.AwaitLeader(soon(t)),
		"remove": m.RemoveNode(soon(t), 1)} {
		if !errors.Is(err, node.ErrNotInitialised) {
			t.Errorf("%s: %v; want ErrNotInitialised", what, err)
		}
	}
	if _, err := os.Stat(m.cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory: %v; want none", err)
	}
}

// Without an argument node 1 founds, and any other waits; repeating it changes
// nothing, before and after a restart; contradicting it is refused.
func TestInitRepeated(t *testing.T) {
	for id, founds := range map[uint32]bool{1: true, 2: false} {
		m := newMember(t, id).open()
		raftID := uint64(0)
		for round := range 2 {
			for range 2 {
				founded, err := m.Init(nil)
				if err != nil || founded != founds {
					t.Fatalf("init of node %d, round %d: %v, %v; want %v", id, round, founded, err, founds)
				}
				m.init(founds)
			}
			if _, err := m.Init(new(!founds)); !errors.Is(err, node.ErrContradiction) {
				t.Errorf("the opposite on node %d, round %d: %v; want ErrContradiction", id, round, err)
			}
			want := node.Waiting
			if founds {
				want = node.Running
				v := cluster{m}.leader().view()
				if raftID != 0 && v.Core.RaftID != raftID || len(v.Members) != 1 {
					t.Errorf("round %d: it is %x with %d members, was %x alone", round, v.Core.RaftID, len(v.Members), raftID)
				}
				raftID = v.Core.RaftID
			}
			if err := m.inState(want); err != nil {
				t.Error(err)
			}
			m.stop()
			m.open()
		}
	}
}

// A node that waits knows nothing, and says so without an error.
func TestWaiting(t *testing.T) {
	m := newMember(t, 1).open().init(false)
	v := m.view()
	if b := v.LogBounds(); v.Core.Lead != 0 || len(v.Members) != 0 || v.Leader() != nil || b.First != 1 || b.Last != 0 {
		t.Errorf("view: %+v, bounds %+v", v, b)
	}
	if _, _, err := m.Propose(soon(t), request(1, 1), nil); !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("propose: %v; want ErrNotRunning", err)
	}
	short, done := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer done()
	if err := m.AwaitLeader(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a leader: %v; want that the time was up", err)
	}
	var beyond *store.BeyondError
	if _, _, err := m.Entry(soon(t), 1); !errors.As(err, &beyond) {
		t.Errorf("entry 1: %v; want a BeyondError", err)
	}
}

// An Init that a crash cut short can be repeated, wherever it was cut.
func TestInitCutShort(t *testing.T) {
	t.Run("marker missing", func(t *testing.T) {
		m := newMember(t, 1).open().init(true)
		index := cluster{m}.leader().propose(request(1, 1), "kept")
		m.stop()
		if err := os.Remove(m.cfg.MarkerPath); err != nil {
			t.Fatal(err)
		}
		m.open().init(true)
		cluster{m}.leader()
		cluster{m}.wantLogs(map[uint64]string{index: "kept"})
		if _, err := os.Stat(m.cfg.MarkerPath); err != nil {
			t.Errorf("the marker was not written again: %v", err)
		}
	})
	t.Run("identity missing", func(t *testing.T) {
		m := halfFounded(t)
		m.open()
		if err := m.inState(node.Uninitialised); err != nil {
			t.Fatal(err)
		}
		m.init(true)
		cluster{m}.leader().propose(request(1, 1), "x")
	})
	t.Run("only the directory", func(t *testing.T) {
		m := newMember(t, 1)
		if err := os.Mkdir(m.cfg.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		m.open().init(true)
		if err := m.AwaitLeader(soon(t)); err != nil || m.view().LeaseExpiry == 0 {
			t.Errorf("waiting for it to lead: %v; lease %d", err, m.view().LeaseExpiry)
		}
	})
	t.Run("marker not writable", func(t *testing.T) {
		m := newMember(t, 1)
		marker := m.cfg.MarkerPath
		m.cfg.MarkerPath = filepath.Join(filepath.Dir(marker), "missing", "marker")
		m.open()
		if _, err := m.Init(nil); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("init: %v; want that the marker cannot be written", err)
		}
		if err := m.inState(node.Uninitialised); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Dir(m.cfg.MarkerPath), 0o700); err != nil {
			t.Fatal(err)
		}
		m.init(true)
		cluster{m}.leader()
	})
}

// halfFounded is a member whose Init crashed after the founding state was
// written, and before the identity.
func halfFounded(t *testing.T) *member {
	m := newMember(t, 1)
	s := must[*store.Pebble](t, "store")(store.Open(m.cfg.DataDir, store.Options{Logger: m.cfg.Logger}))
	d := core.Bootstrap(core.Identity{ClusterID: m.cfg.ClusterID, NodeID: 1, ClusterUUID: [16]byte{1}, RaftID: core.RaftID(1, 1)},
		m.cfg.Address, m.cfg.Port, core.NewestVersion)
	if err := s.Write([]core.Persist{{Seq: 1, Snapshot: d.Snapshot, HardState: &d.HardState, Sync: true}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// A founding that was cut short leaves a snapshot of its own. A node that waits
// must not take it for the beginning of the log that it is invited to: both
// begin at the same index and term.
func TestFoundingCutShortThenWaiting(t *testing.T) {
	m := halfFounded(t).open()
	waits := false
	if founded, err := m.Init(&waits); !errors.Is(err, node.ErrFoundingBegun) || founded {
		t.Fatalf("init: %v, %v; want ErrFoundingBegun", founded, err)
	}
	if err := m.inState(node.Uninitialised); err != nil {
		t.Error(err)
	}
	m.stop()
	m.empty()
	m.open().init(false)
}

// A directory that is not what the node's settings and marker say is refused.
func TestOpenRefusals(t *testing.T) {
	moved := func(t *testing.T, from, to string) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(from))); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		what, want string
		alarm      core.Alarm
		spoil      func(t *testing.T, m, other *member)
	}{
		{"emptied", "its data is lost", core.Wiped, func(t *testing.T, m, _ *member) { m.empty() }},
		{"emptied, with the directory there", "its data is lost", core.Wiped, func(t *testing.T, m, _ *member) {
			m.empty()
			if err := os.Mkdir(m.cfg.DataDir, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"another store put there", "has no identity", core.NoAlarm, func(t *testing.T, m, _ *member) {
			m.empty()
			s := must[*store.Pebble](t, "store")(store.Open(m.cfg.DataDir, store.Options{Logger: m.cfg.Logger}))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}},
		{"copied from another node", "belongs to node 2", core.OtherReplica, func(t *testing.T, m, other *member) { moved(t, other.cfg.DataDir, m.cfg.DataDir) }},
		{"copied from another node, without a marker", "belongs to node 2", core.OtherReplica, func(t *testing.T, m, other *member) {
			moved(t, other.cfg.DataDir, m.cfg.DataDir)
			if err := os.Remove(m.cfg.MarkerPath); err != nil {
				t.Fatal(err)
			}
		}},
		{"another replica", "another replica", core.OtherReplica, func(t *testing.T, m, other *member) {
			if err := os.Rename(other.cfg.MarkerPath, m.cfg.MarkerPath); err != nil {
				t.Fatal(err)
			}
		}},
		{"another address", "127.0.0.2:", core.Copy, func(t *testing.T, m, _ *member) { m.cfg.Address = "127.0.0.2" }},
		{"another port", "If it has moved: remove node 3", core.Copy, func(t *testing.T, m, _ *member) { m.cfg.Port = freePort(t) }},
		{"damaged marker", "marker", core.NoAlarm, func(t *testing.T, m, _ *member) {
			if err := os.WriteFile(m.cfg.MarkerPath, []byte(`{"replica_uuid": "xyz"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(x.what, func(t *testing.T) {
			m, other := newMember(t, 3).open().init(false), newMember(t, 2).open().init(false)
			m.stop()
			other.stop()
			x.spoil(t, m, other)
			err := m.refusesToOpen()
			if !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v; want it to say %s", err, x.want)
			}
			alarm := core.NoAlarm
			if refused := (*node.OpenError)(nil); errors.As(err, &refused) {
				alarm = refused.Alarm
			}
			if alarm != x.alarm {
				t.Errorf("it raises the alarm %v, want %v", alarm, x.alarm)
			}
			if err := m.refusesToOpen(); !strings.Contains(err.Error(), x.want) { // and lets go of what it held
				t.Errorf("the second time: %v; want it to say %s", err, x.want)
			}
		})
	}
}

// A second node on the same directory or the same port is refused.
func TestOpenTwice(t *testing.T) {
	m := newMember(t, 1).open().init(true)
	again := newMember(t, 1)
	again.cfg.DataDir, again.cfg.MarkerPath = m.cfg.DataDir, m.cfg.MarkerPath
	if err := again.refusesToOpen(); !errors.Is(err, store.ErrLocked) {
		t.Errorf("%v; want ErrLocked", err)
	}
	cluster{m}.leader().propose(request(1, 1), "x")
}

func TestConfigRefusals(t *testing.T) {
	for want, spoil := range map[string]func(*node.Config){
		"node id 0":               func(c *node.Config) { c.NodeID = 0 },
		"node id 2147483648":      func(c *node.Config) { c.NodeID = 1 << 31 },
		"cluster id":              func(c *node.Config) { c.ClusterID = "" },
		"address":                 func(c *node.Config) { c.Address = "" },
		"must be UTF-8":           func(c *node.Config) { c.ClusterID = "caf\xe9" },
		"port 65536":              func(c *node.Config) { c.Port = 65536 },
		"heartbeat interval":      func(c *node.Config) { c.HeartbeatInterval = c.ElectionTimeout / 2 },
		"max entry bytes 0":       func(c *node.Config) { c.MaxEntryBytes = 0 },
		"newest is 4, this":       func(c *node.Config) { c.Newest = core.NewestVersion + 1 },
		"snapshot entries 0 must": func(c *node.Config) { c.SnapshotEntries = 0 },
	} {
		m := newMember(t, 1)
		spoil(&m.cfg)
		if err := m.refusesToOpen(); !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want it to say %s", err, want)
		}
	}
}
