package node_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// stuckCluster is one of three, whose proposals cannot commit: the others stop.
func stuckCluster(t *testing.T) (c cluster, alone *member) {
	c = newCluster(t, 3, nil)
	alone = c.leader()
	for _, m := range c.followers() {
		m.stop()
	}
	return c, alone
}

// Close of a leader hands leadership over: another one leads in the next term, and
// nobody has called an election.
func TestCloseHandsOver(t *testing.T) {
	// A heartbeat interval that a busy machine keeps easily.
	c := newCluster(t, 3, func(m *member) { m.cfg.ElectionTimeout, m.cfg.HeartbeatInterval = 5*time.Second, 500*time.Millisecond })
	old := c.leader()
	term := old.view().Core.Term
	before := map[*member]uint64{}
	for _, m := range c.followers() {
		before[m] = m.view().Core.Campaigns
	}
	old.stop()
	l := c.leader()
	if s := l.view().Core; s.Term != term+1 {
		t.Errorf("node %d leads in term %d, after term %d", l.cfg.NodeID, s.Term, term)
	}
	for m, n := range before {
		if s := m.view().Core; s.Campaigns != n {
			t.Errorf("node %d has called %d elections", m.cfg.NodeID, s.Campaigns-n)
		}
	}
	log := old.log.String()
	said := fmt.Sprintf("handing leadership to node %d", l.cfg.NodeID)
	if over := "this node no longer leads: leadership is handed to"; !strings.Contains(log, said) || !strings.Contains(log, over) {
		t.Errorf("want %q and %q in the log of node %d", said, over, old.cfg.NodeID)
	}
}

// Close of a leader hands leadership to nobody who does not answer, and comes to its end.
func TestCloseDoesNotWaitForSuccessor(t *testing.T) {
	_, alone := stuckCluster(t)
	alone.stop()
	if log := alone.log.String(); strings.Contains(log, "handing leadership") {
		t.Errorf("node %d hands leadership to somebody who is down", alone.cfg.NodeID)
	}
}

// Close answers whoever waits: the outcome of what was asked is not known.
func TestCloseWhileRequestsWait(t *testing.T) {
	const waiters = 20
	_, alone := stuckCluster(t)
	n := alone.Node
	proposed, removed, awaited := make(chan error, waiters), make(chan error, 1), make(chan error, 1)
	for i := range waiters {
		go func() {
			_, _, err := n.Propose(context.Background(), request(1, i), []byte("x"))
			proposed <- err
		}()
	}
	eventually(t, "the proposals to be in its log, or leadership to be gone", func() error {
		if v := alone.view(); v.Core.Last < v.Core.Commit+waiters && v.Core.Role == core.RoleLeader {
			return fmt.Errorf("last %d, commit %d", v.Core.Last, v.Core.Commit)
		}
		return nil
	})
	go func() { removed <- n.RemoveNode(context.Background(), alone.cfg.NodeID) }()
	eventually(t, "leadership to end", func() error {
		if v := alone.view(); v.Core.Lead != 0 {
			return fmt.Errorf("%x leads", v.Core.Lead)
		}
		return nil
	})
	go func() { awaited <- n.AwaitLeader(context.Background()) }()
	alone.stop()
	answer := func(from chan error) error {
		select {
		case err := <-from:
			return err
		case <-time.After(patience):
			t.Fatal("a request is not answered after Close")
			return nil
		}
	}
	for range waiters {
		wantCode(t, "a proposal that waited", answer(proposed), core.Unknown)
	}
	var r *node.RequestError
	if err := answer(removed); !errors.As(err, &r) && !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("a removal that waited: %v", err)
	}
	if err := answer(awaited); !errors.Is(err, node.ErrNotRunning) {
		t.Errorf("waiting for a leader: %v; want ErrNotRunning", err)
	}
	_, _, late := n.Propose(context.Background(), request(2, 2), nil)
	_, looked := n.View(context.Background())
	_, initialised := n.Init(nil)
	for what, err := range map[string]error{"propose": late, "view": looked, "init": initialised} {
		if !errors.Is(err, node.ErrNotRunning) {
			t.Errorf("%s after Close: %v; want ErrNotRunning", what, err)
		}
	}
	if err := n.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// A context that ends makes the outcome unknown; the same request id then
// commits once, whatever became of the first attempt.
func TestCancelledProposal(t *testing.T) {
	c, alone := stuckCluster(t)
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 2)
	go func() {
		_, _, err := alone.Propose(ctx, request(1, 1), []byte("once"))
		errs <- err
	}()
	short, done := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer done()
	_, _, err := alone.Propose(short, request(1, 2), []byte("twice asked"))
	wantCode(t, "a deadline", err, core.Unknown)
	cancel()
	wantCode(t, "a cancellation", <-errs, core.Unknown)
	_, _, err = alone.Propose(ctx, request(1, 3), []byte("never"))
	wantCode(t, "a context that had ended", err, core.Unknown)

	for _, m := range c {
		if m.Node == nil {
			m.open()
		}
	}
	c.leader()
	first, second := alone.propose(request(1, 1), "once"), alone.propose(request(1, 2), "twice asked")
	want := map[uint64]string{first: "once", second: "twice asked"}
	for i, data := range alone.entries(alone.view().Core.Commit) {
		if data == "never" { // it may have been committed
			want[i] = data
		}
	}
	if len(want) > 3 {
		t.Errorf("a request was committed twice: %v", want)
	}
	c.wantLogs(want)
}

// Close comes while Reload waits for the old core's disk. A proposal that this
// core had taken may still commit: it must not be told that nothing happened.
func TestCloseDuringReload(t *testing.T) {
	disks := map[uint32]*disk{}
	c := newCluster(t, 1, withDisks(disks))
	m, release := c.leader(), make(chan struct{})
	n := m.Node
	disks[1].stuck.Store(&release)
	held := disks[1].held.Load()
	proposed, reloaded, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := n.Propose(context.Background(), request(1, 1), []byte("x"))
		proposed <- err
	}()
	eventually(t, "the proposal to be on its way to the disk", func() error {
		if disks[1].held.Load() == held {
			return errors.New("the disk does nothing")
		}
		return nil
	})
	go func() {
		s := m.settings()
		s.ElectionTimeout *= 2
		reloaded <- n.Reload(s)
	}()
	eventually(t, "Reload to wait for the disk", func() error {
		for _, stack := range ours() {
			if strings.Contains(stack, "replaceCore") && strings.Contains(stack, "(*runner).wait") {
				return nil
			}
		}
		return errors.New("it does not wait")
	})
	go func() { closed <- n.Close() }()
	eventually(t, "Close to begin", func() error { return m.inState(node.Closed) })
	second := make(chan struct{})
	go func() {
		defer close(second)
		if err := n.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
		if disks[1].stuck.Load() != nil {
			t.Error("a second Close did not wait for the first")
		}
	}()
	disks[1].stuck.Store(nil)
	close(release)
	wantCode(t, "the proposal", <-proposed, core.Unknown)
	if err := errors.Join(<-reloaded, <-closed); err != nil {
		t.Error(err)
	}
	<-second
	m.Node = nil
	m.open()
	index := c.leader().propose(request(1, 1), "x")
	c.wantLogs(map[uint64]string{index: "x"})
}

// ours are the goroutines, by number, that run code of the node, its store or
// its transport.
func ours() map[string]string {
	buf := make([]byte, 8<<20)
	buf = buf[:runtime.Stack(buf, true)]
	found := map[string]string{}
	for _, stack := range strings.Split(string(buf), "\n\n") {
		number := regexp.MustCompile(`^goroutine (\d+) `).FindStringSubmatch(stack)
		if number == nil || strings.Contains(stack, "testing.tRunner") {
			continue
		}
		if strings.Contains(stack, "pgraft/node") || strings.Contains(stack, "pebble") {
			found[number[1]] = stack
		}
	}
	return found
}

// Nodes that were closed leave no goroutine behind, in whatever state they were.
func TestNoGoroutineLeft(t *testing.T) {
	before := ours()
	c := newCluster(t, 3, nil)
	waiting, uninitialised := newMember(t, 4).open().init(false), newMember(t, 5).open()
	c.proposeAll(1, 5, newLedger())
	removed := c.followers()[0]
	c.asLeader("removal", func(leader *member) error { return leader.RemoveNode(soon(t), removed.cfg.NodeID) })
	removed.wantRemoved(t)
	for _, m := range append(c, waiting, uninitialised) {
		if m != removed {
			s := m.settings()
			s.ElectionTimeout *= 2
			if err := m.Reload(s); err != nil {
				t.Error(err)
			}
		}
		m.stop()
	}
	eventually(t, "the goroutines to end", func() error {
		for number, stack := range ours() {
			if before[number] == "" {
				return fmt.Errorf("left over:\n%s", stack)
			}
		}
		return nil
	})
}
