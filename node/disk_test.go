package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// disk fails every change from the moment it is broken, and holds up every sync
// while it is stuck.
type disk struct {
	broken atomic.Bool
	stuck  atomic.Pointer[chan struct{}] // closed to go on
	held   atomic.Int32                  // syncs that are or were held up
}

func (d *disk) String() string { return "disk" }

func (d *disk) MaybeError(op errorfs.Op) error {
	if stuck := d.stuck.Load(); stuck != nil && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
		d.held.Add(1)
		<-*stuck
	}
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRemove, errorfs.OpRename, errorfs.OpMkdirAll,
		errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData:
		if d.broken.Load() {
			return errorfs.ErrInjected
		}
	}
	return nil
}

// withDisks gives every member a disk that can be broken.
func withDisks(disks map[uint32]*disk) func(*member) {
	return func(m *member) {
		d := &disk{}
		disks[m.cfg.NodeID] = d
		m.cfg.FS, m.cfg.CloseLimit = errorfs.Wrap(vfs.Default, d), 0 // as in production
	}
}

// wantFailed checks that m stopped because its disk failed, claims nothing, and
// says why to everyone who asks.
func (m *member) wantFailed(t *testing.T) {
	t.Helper()
	eventually(t, "the failure", func() error { return m.inState(node.Failed) })
	s := m.out.status()
	if s.State != node.Failed || !errors.Is(s.Failure, errorfs.ErrInjected) || s.LeaseExpiry != 0 || s.LeaderNode != 0 {
		t.Errorf("node %d published state %d, failure %v, lease %d, leader %d", m.cfg.NodeID, s.State, s.Failure, s.LeaseExpiry, s.LeaderNode)
	}
	ctx := soon(t)
	_, _, proposed := m.Propose(ctx, request(99, 99), nil)
	_, viewed := m.View(ctx)
	_, added := m.AddNode(ctx, 9, "127.0.0.1", 1)
	_, initialised := m.Init(nil)
	_, _, read := m.Entry(ctx, 2)
	for what, err := range map[string]error{"propose": proposed, "view": viewed, "add": added, "init": initialised,
		"read": read, "remove": m.RemoveNode(ctx, 1), "await": m.AwaitLeader(ctx)} {
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("node %d: %s: %v; want the failure of the disk", m.cfg.NodeID, what, err)
		}
	}
	if s := m.out.status(); s.State != node.Failed {
		t.Errorf("node %d published state %d after it had failed", m.cfg.NodeID, s.State)
	}
	if _, err := os.Stat(m.traceDir()); errors.Is(err, os.ErrNotExist) {
		return // it had no core yet
	}
	kept, err := filepath.Glob(filepath.Join(m.traceDir(), "kept-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("node %d: kept traces %v, %v", m.cfg.NodeID, kept, err)
	}
	// A step that was under way then is in it once it is done.
	eventually(t, "the failure in the trace that was kept", func() error {
		p := replayTrace(t, kept[0])
		if p.inputs == 0 || !strings.Contains(p.notes, errorfs.ErrInjected.Error()) {
			return fmt.Errorf("%d inputs, notes %q", p.inputs, p.notes)
		}
		return nil
	})
}

// A node whose disk fails stops and says so; the others go on. With a disk that
// works it comes back and has everything.
func TestDiskFailure(t *testing.T) {
	for name, pick := range map[string]func(cluster) *member{
		"leader":   func(c cluster) *member { return c.leader() },
		"follower": func(c cluster) *member { return c.followers()[0] },
	} {
		t.Run(name, func(t *testing.T) {
			disks := map[uint32]*disk{}
			c, l := newCluster(t, 3, withDisks(disks)), newLedger()
			c.proposeAll(1, 10, l)
			m := pick(c)
			disks[m.cfg.NodeID].broken.Store(true)
			// What m is asked meanwhile gets an answer, whatever that is.
			answered := make(chan error, 1)
			go func() {
				_, _, err := m.Propose(context.Background(), request(7, 7), []byte("in between"))
				answered <- err
			}()
			var rest cluster
			for _, x := range c {
				if x != m {
					rest = append(rest, x)
				}
			}
			rest.proposeAll(2, 10, l)
			m.wantFailed(t)
			select {
			case err := <-answered:
				t.Logf("the proposal in between: %v", err)
			case <-time.After(patience):
				t.Fatal("a proposal made while the disk failed is not answered")
			}
			if err := m.Close(); !errors.Is(err, errorfs.ErrInjected) {
				t.Errorf("close: %v; want the failure of the disk", err)
			}
			m.Node = nil
			rest.leader()
			rest.proposeAll(3, 10, l)

			disks[m.cfg.NodeID].broken.Store(false)
			m.open()
			c.leader()
			l.put(m.propose(request(7, 7), "in between"), "in between", nil)
			c.wantLogs(l.entries)
			l.check(t, 30+20+20+1)
			c.wantOneLeaderAtATime(t)
		})
	}
}

// What else a node writes fails it too: a change of its identity, and of what
// it retains.
func TestDiskFailureElsewhere(t *testing.T) {
	t.Run("removal", func(t *testing.T) {
		disks := map[uint32]*disk{}
		c := newCluster(t, 3, withDisks(disks))
		m := c.followers()[0]
		m.stop()
		c.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), m.cfg.NodeID) })
		m.open()
		disks[m.cfg.NodeID].broken.Store(true)
		m.wantFailed(t)
	})
	t.Run("retention", func(t *testing.T) {
		disks := map[uint32]*disk{}
		c := newCluster(t, 1, withDisks(disks))
		for i := range 200 {
			c.leader().propose(request(1, i), "x")
		}
		disks[1].broken.Store(true)
		// What is dropped need not be synced, so the next write may be the first to fail.
		reloaded := c[0].Reload(node.Settings{ElectionTimeout: electionTimeout, HeartbeatInterval: heartbeatInterval,
			SnapshotEntries: 50, Retention: store.Retention{RetainEntries: 10}, Trace: c[0].cfg.Trace})
		_, _, err := c[0].Propose(soon(t), request(2, 1), nil)
		if err == nil || reloaded != nil && !errors.Is(reloaded, errorfs.ErrInjected) {
			t.Errorf("reload: %v; then propose: %v; want the failure of the disk", reloaded, err)
		}
		c[0].wantFailed(t)
	})
	t.Run("founding", func(t *testing.T) {
		disks := map[uint32]*disk{}
		m := newMember(t, 1)
		withDisks(disks)(m)
		m.open()
		disks[1].broken.Store(true)
		if _, err := m.Init(nil); !errors.Is(err, errorfs.ErrInjected) {
			t.Fatalf("init: %v; want the failure of the disk", err)
		}
		disks[1].broken.Store(false)
		if err := m.inState(node.Uninitialised); err != nil {
			t.Fatal(fmt.Errorf("a node that could not be founded: %w", err))
		}
		m.init(true)
		cluster{m}.leader().propose(request(1, 1), "x")
	})
}

// A node whose disk fails just when it is invited is a member that never comes.
// It costs the others nothing, and can be removed.
func TestDiskFailureOfInvited(t *testing.T) {
	t.Parallel() // it mostly waits
	disks := map[uint32]*disk{}
	c := newCluster(t, 1, nil)
	m := newMember(t, 2)
	withDisks(disks)(m)
	m.open().init(false)
	disks[2].broken.Store(true)
	promoted, err := c.leader().AddNode(soon(t), 2, m.cfg.Address, m.cfg.Port)
	if promoted || err != nil {
		t.Errorf("add: promoted %v, %v; want a member that still catches up", promoted, err)
	}
	m.wantFailed(t)
	c[0].propose(request(1, 1), "x")
	if v := c[0].view(); v.LeaseExpiry == 0 || len(v.Members) != 2 || v.Reachable(v.Members[1]) || v.Leads(v.Members[1]) {
		t.Errorf("the founder's view: %+v", v)
	}
	c.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), 2) })
	if v := c[0].view(); len(v.Members) != 1 {
		t.Errorf("members after the removal: %v", v.Members)
	}
}
