package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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

// hang has m's disk hang on a proposal, whose outcome goes to answered.
func (m *member) hang(t *testing.T, d *disk, id [16]byte) (goOn chan struct{}, answered chan error) {
	t.Helper()
	goOn, answered = make(chan struct{}), make(chan error, 1)
	d.stuck.Store(&goOn)
	held, n := d.held.Load(), m.Node
	go func() {
		_, _, err := n.Propose(context.Background(), id, []byte("while the disk hangs"))
		answered <- err
	}()
	eventually(t, "a sync to hang", func() error {
		if d.held.Load() == held {
			return errors.New("none yet")
		}
		return nil
	})
	return goOn, answered
}

// Close does not wait for a disk that hangs, and nothing is acknowledged that the
// disk has not. Once it goes on, the directory is there for the next start.
func TestCloseWhileDiskHangs(t *testing.T) {
	disks := map[uint32]*disk{}
	c := newCluster(t, 1, withDisks(disks))
	m, l := c.leader(), newLedger()
	c.proposeAll(1, 5, l)
	goOn, answered := m.hang(t, disks[1], request(7, 7))
	began := time.Now()
	if err := m.Close(); !errors.Is(err, node.ErrDiskHangs) {
		t.Errorf("Close: %v; want ErrDiskHangs", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	wantCode(t, "the proposal", <-answered, core.Unknown)
	if s := m.out.status(); s.State != node.Closed || s.LeaseExpiry != 0 {
		t.Errorf("it publishes %+v", s)
	}
	disks[1].stuck.Store(nil)
	close(goOn)
	m.Node = nil
	eventually(t, "the directory to be free", func() error {
		n, err := node.Open(m.cfg)
		if err == nil {
			m.Node = n
		}
		return err
	})
	l.put(c.leader().propose(request(7, 7), "while the disk hangs"), "while the disk hangs", nil)
	c.wantLogs(l.entries)
}

// What waits for the disk must not keep others from the node: neither the entries
// to be kept, nor a reload, which is refused while the disk hangs. Without that
// refusal a leader would stop leading, and nobody would until the disk goes on.
func TestNothingElseHangsWithTheDisk(t *testing.T) {
	disks := map[uint32]*disk{}
	c := newCluster(t, 1, withDisks(disks))
	m := c.leader()
	goOn, answered := m.hang(t, disks[1], request(7, 7))
	n := m.Node
	n.RetainFrom(3, false)
	eventually(t, "what is kept to wait for the disk", func() error {
		for _, stack := range ours() {
			if strings.Contains(stack, "(*Node).retain") && strings.Contains(stack, ".SetRetention") {
				return nil
			}
		}
		return errors.New("it does not wait")
	})
	looked := make(chan node.State, 1)
	go func() {
		state, _ := n.State()
		looked <- state
	}()
	select {
	case state := <-looked:
		if state != node.Running {
			t.Errorf("the state is %v", state)
		}
	case <-time.After(patience):
		t.Error("State hangs too")
	}
	s := m.settings()
	disks[1].stuck.Store(nil)
	close(goOn)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	eventually(t, "the entries to be kept", func() error {
		if got := m.RetainedFrom(); got != 3 {
			return fmt.Errorf("they are kept from %d on", got)
		}
		return nil
	})

	goOn, answered = m.hang(t, disks[1], request(7, 8))
	s.ElectionTimeout *= 2
	eventually(t, "the disk to hang for long", func() error {
		if !m.DiskHangs() {
			return errors.New("not yet")
		}
		return nil
	})
	if err := m.Reload(s); !errors.Is(err, node.ErrDiskHangs) {
		t.Errorf("Reload: %v; want ErrDiskHangs", err)
	}
	if s := m.out.status(); s.Core.Role != core.RoleLeader {
		t.Errorf("after that it publishes %+v", s)
	}
	disks[1].stuck.Store(nil)
	close(goOn)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := m.Reload(s); err != nil {
		t.Error(err)
	}
}
