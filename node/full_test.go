package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// fullDisk is a disk on which little is free, or nothing.
type fullDisk struct {
	vfs.FS
	little, none atomic.Bool
}

func (d *fullDisk) String() string { return "fullDisk" }

func (d *fullDisk) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpRename, errorfs.OpMkdirAll, errorfs.OpFileWrite, errorfs.OpFileWriteAt:
		if d.none.Load() {
			return syscall.ENOSPC
		}
	}
	return nil
}

func (d *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	u := vfs.DiskUsage{AvailBytes: 10 << 30, TotalBytes: 100 << 30}
	if d.little.Load() || d.none.Load() {
		u.AvailBytes = 1 << 20
	}
	return u, nil
}

// withFullDisks gives every member a disk that can fill up.
func withFullDisks(disks map[uint32]*fullDisk) func(*member) {
	return func(m *member) {
		d := &fullDisk{}
		d.FS = errorfs.Wrap(vfs.Default, d)
		disks[m.cfg.NodeID] = d
		m.cfg.FS = d
	}
}

func (m *member) wantFull(t *testing.T, full bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %d to say that its disk is full: %v", m.cfg.NodeID, full), func() error {
		if s := m.out.status(); s.Core.Full != full || m.Full() != full {
			return fmt.Errorf("it publishes %+v", s)
		}
		return nil
	})
}

// A node whose disk fills up goes on as a member that takes no entries, and so does
// the cluster without it; once there is room it catches up, by itself. It says both
// once.
func TestDiskFull(t *testing.T) {
	for name, c := range map[string]struct {
		pick func(cluster) *member
		fill func(*fullDisk) *atomic.Bool
	}{
		"leader, little is left":    {cluster.leader, func(d *fullDisk) *atomic.Bool { return &d.little }},
		"leader, nothing is left":   {cluster.leader, func(d *fullDisk) *atomic.Bool { return &d.none }},
		"follower, little is left":  {func(c cluster) *member { return c.followers()[0] }, func(d *fullDisk) *atomic.Bool { return &d.little }},
		"follower, nothing is left": {func(c cluster) *member { return c.followers()[0] }, func(d *fullDisk) *atomic.Bool { return &d.none }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disks := map[uint32]*fullDisk{}
			all, l := newCluster(t, 3, withFullDisks(disks)), newLedger()
			all.proposeAll(1, 5, l)
			m := c.pick(all)
			full := c.fill(disks[m.cfg.NodeID])
			full.Store(true)
			var rest cluster
			for _, x := range all {
				if x != m {
					rest = append(rest, x)
				}
			}
			rest.proposeAll(2, 5, l)
			m.wantFull(t, true)
			rest.leader()
			rest.proposeAll(3, 5, l)
			if err := m.inState(node.Running); err != nil {
				t.Error(err)
			}
			_, _, err := m.Propose(soon(t), request(7, 7), []byte("on a full disk"))
			wantCode(t, "a proposal on a full disk", err, core.NoRoom)
			full.Store(false)
			m.wantFull(t, false)
			all.leader()
			l.put(m.propose(request(7, 7), "on a full disk"), "on a full disk", nil)
			all.wantLogs(l.entries)
			all.wantOneLeaderAtATime(t)
			for _, line := range []string{"takes no entries", "has room again", "flight recorder is off"} {
				if n := strings.Count(m.log.String(), line); n != 1 {
					t.Errorf("its log says %d times %q", n, line)
				}
			}
		})
	}
}

// With the disks of a quorum full, proposals are refused at once, on all nodes, and
// nothing comes of them. A node can be closed meanwhile, and comes back.
func TestDisksOfQuorumFull(t *testing.T) {
	disks := map[uint32]*fullDisk{}
	c, l := newCluster(t, 3, withFullDisks(disks)), newLedger()
	c.proposeAll(1, 5, l)
	full := c.followers()
	for _, m := range full {
		disks[m.cfg.NodeID].little.Store(true)
	}
	for i, m := range full {
		m.wantFull(t, true)
		_, _, err := m.Propose(soon(t), request(8, i), []byte("never"))
		wantCode(t, "a proposal on a full disk", err, core.NoRoom)
	}
	leader := c.leader()
	eventually(t, "the leader to know", func() error {
		n := 0
		for _, m := range leader.view().Members {
			if m.Full {
				n++
			}
		}
		if n < 2 {
			return fmt.Errorf("of %d", n)
		}
		return nil
	})
	_, _, err := leader.Propose(soon(t), request(9, 9), []byte("not yet"))
	wantCode(t, "a proposal to the leader", err, core.NoRoom)
	if err == nil || !strings.HasSuffix(err.Error(), " are full") {
		t.Errorf("it says %v", err)
	}
	for _, m := range full {
		disks[m.cfg.NodeID].little.Store(false)
		m.wantFull(t, false)
	}
	eventually(t, "the leader to take entries", func() error {
		i, _, err := c.leader().Propose(soon(t), request(9, 9), []byte("not yet"))
		if err == nil {
			l.put(i, "not yet", nil)
		}
		return err
	})
	c.wantLogs(l.entries)
}

// Whoever waits for room does not hold up Close. What was acknowledged is there
// afterwards.
func TestCloseWhileDiskFull(t *testing.T) {
	disks := map[uint32]*fullDisk{}
	c := newCluster(t, 1, withFullDisks(disks))
	m := c.leader()
	index := m.propose(request(1, 1), "before")
	disks[1].none.Store(true)
	answered := make(chan error, 1)
	n := m.Node
	go func() {
		_, _, err := n.Propose(context.Background(), request(2, 2), []byte("while the disk is full"))
		answered <- err
	}()
	m.wantFull(t, true)
	m.stop()
	var r *node.RequestError
	if err := <-answered; !errors.As(err, &r) || r.Code != core.Unknown && r.Code != core.NoRoom {
		t.Errorf("the proposal: %v; want an unknown outcome, or no room", err)
	}
	if log := m.log.String(); strings.Contains(log, "level=ERROR") {
		t.Error("its log has an error")
	}
	disks[1].none.Store(false)
	m.open()
	want := map[uint64]string{index: "before"}
	again := c.leader().propose(request(2, 2), "while the disk is full")
	want[again] = "while the disk is full"
	c.wantLogs(want)
}

// A node that was founded on a full disk was not, and can be later.
func TestInitOnFullDisk(t *testing.T) {
	disks := map[uint32]*fullDisk{}
	m := newMember(t, 1)
	withFullDisks(disks)(m)
	m.open()
	disks[1].none.Store(true)
	for range 3 {
		if _, err := m.Init(nil); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("init: %v; want that there is no room", err)
		}
	}
	disks[1].none.Store(false)
	m.init(true)
	cluster{m}.leader().propose(request(1, 1), "x")
}
