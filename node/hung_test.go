package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// A leader whose disk hangs, without an error, hands leadership over. The cluster
// goes on without it, and has it back once its disk does.
func TestDiskHangs(t *testing.T) {
	disks := map[uint32]*disk{}
	c, l := newCluster(t, 3, withDisks(disks)), newLedger()
	c.proposeAll(1, 5, l)
	stuck := c.leader()
	d := disks[stuck.cfg.NodeID]
	goOn := make(chan struct{})
	d.stuck.Store(&goOn)
	go stuck.Propose(context.Background(), request(7, 7), []byte("while the disk hangs")) // what its disk hangs on
	eventually(t, "a sync to hang", func() error {
		if d.held.Load() == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	var rest cluster
	for _, m := range c {
		if m != stuck {
			rest = append(rest, m)
		}
	}
	rest.leader()
	rest.proposeAll(2, 5, l)
	eventually(t, "the stuck node to follow", func() error {
		if s := stuck.out.status(); s.LeaseExpiry != 0 || s.Core.Role == core.RoleLeader {
			return fmt.Errorf("it publishes %+v", s)
		}
		return nil
	})
	if log := stuck.log.String(); !strings.Contains(log, "has not finished a write for") || !strings.Contains(log, "handing leadership to node") {
		t.Error("its log does not say why")
	}
	d.stuck.Store(nil)
	close(goOn)
	c.leader()
	l.put(c.leader().propose(request(7, 7), "while the disk hangs"), "while the disk hangs", nil)
	c.wantLogs(l.entries)
	c.wantOneLeaderAtATime(t)
}

// Nobody can take over from a sole voter: it waits for its disk. Should that fail
// in the end, who waits hears so.
func TestDiskHangsThenFails(t *testing.T) {
	disks := map[uint32]*disk{}
	c := newCluster(t, 1, withDisks(disks))
	m := c.leader()
	goOn := make(chan struct{})
	disks[1].stuck.Store(&goOn)
	answered := make(chan error, 1)
	go func() {
		_, _, err := m.Propose(context.Background(), request(7, 7), []byte("x"))
		answered <- err
	}()
	eventually(t, "the warning", func() error {
		if !strings.Contains(m.log.String(), "has not finished a write for") {
			return errors.New("none so far")
		}
		return nil
	})
	if s := m.out.status(); s.State != node.Running || s.LeaseExpiry == 0 {
		t.Errorf("it publishes %+v", s)
	}
	disks[1].broken.Store(true)
	disks[1].stuck.Store(nil)
	close(goOn)
	var r *node.RequestError
	if err := <-answered; !errors.As(err, &r) || r.Code != core.Unknown || !strings.Contains(r.Text, errorfs.ErrInjected.Error()) {
		t.Errorf("the proposal: %v; want an unknown outcome and its cause", err)
	}
	m.wantFailed(t)
}
