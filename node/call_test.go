package node_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// outcome is what a Call came to.
type outcome struct {
	rep core.Reply
	err error
}

// calls makes Calls and gathers what they come to.
type calls struct {
	t    testing.TB
	mu   sync.Mutex
	ends map[*node.Call][]outcome
	done chan struct{} // one for each Done
}

func newCalls(t testing.TB) *calls {
	return &calls{t: t, ends: map[*node.Call][]outcome{}, done: make(chan struct{}, 1<<16)}
}

func (cs *calls) make(timeout time.Duration, in func(id uint64) core.Input) *node.Call {
	c := &node.Call{Input: in, Timeout: timeout}
	c.Done = func(rep core.Reply, err error) {
		cs.mu.Lock()
		cs.ends[c] = append(cs.ends[c], outcome{rep, err})
		cs.mu.Unlock()
		cs.done <- struct{}{}
	}
	return c
}

func (cs *calls) propose(id [16]byte, data string) *node.Call {
	return cs.make(patience, func(n uint64) core.Input {
		return core.Propose{ID: n, RequestID: id, Data: []byte(data)}
	})
}

// wait waits for n outcomes.
func (cs *calls) wait(n int) {
	cs.t.Helper()
	limit := time.After(patience)
	for range n {
		select {
		case <-cs.done:
		case <-limit:
			cs.t.Fatalf("waited %v for %d calls", patience, n)
		}
	}
}

// end is what c came to, which is one thing.
func (cs *calls) end(c *node.Call) outcome {
	cs.t.Helper()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.ends[c]) != 1 {
		cs.t.Fatalf("a call is done %d times: %v", len(cs.ends[c]), cs.ends[c])
	}
	return cs.ends[c][0]
}

// Proposals of many Calls are each answered once, from leader and followers, and all
// nodes hold them; a barrier that is asked for afterwards is behind all of them.
func TestCalls(t *testing.T) {
	const perNode = 200
	c, cs, l := newCluster(t, 3, nil), newCalls(t), newLedger()
	c.leader()
	said := map[*node.Call]string{}
	for _, m := range c {
		var batch []*node.Call
		for i := range perNode {
			data := fmt.Sprintf("node %d entry %d", m.cfg.NodeID, i)
			call := cs.propose(request(int(m.cfg.NodeID), i), data)
			said[call] = data
			batch = append(batch, call)
		}
		m.Submit(batch)
	}
	cs.wait(len(c) * perNode)
	last := uint64(0)
	for call, data := range said {
		o := cs.end(call)
		l.put(o.rep.Index, data, o.err)
		last = max(last, o.rep.Index)
	}
	l.check(t, len(c)*perNode)
	barrier := cs.make(patience, func(id uint64) core.Input { return core.ReadBarrier{ID: id} })
	c[1].Submit([]*node.Call{barrier})
	cs.wait(1)
	if o := cs.end(barrier); o.err != nil || o.rep.Index < last {
		t.Errorf("a barrier: %d, %v; want %d or more", o.rep.Index, o.err, last)
	}
	c.wantLogs(l.entries)
	total := uint64(0)
	for _, m := range c {
		total += m.Stats().Proposals
	}
	if total != uint64(len(c)*perNode) {
		t.Errorf("%d proposals are counted, not %d", total, len(c)*perNode)
	}
}

// A Call that waits for what does not come ends with its timeout, or when it is
// cancelled; either way with an unknown outcome. One on a node without a core says why.
func TestCallGivenUp(t *testing.T) {
	c, cs := newCluster(t, 2, nil), newCalls(t)
	m := c.leader()
	never := func(id uint64) core.Input { return core.WaitApplied{ID: id, Index: 1 << 40} }
	short, long := cs.make(50*time.Millisecond, never), cs.make(0, never)
	m.Submit([]*node.Call{short, long})
	cs.wait(1)
	wantCode(t, "a call whose time is over", cs.end(short).err, core.Unknown)
	m.Cancel(long)
	cs.wait(1)
	wantCode(t, "a call that was cancelled", cs.end(long).err, core.Unknown)

	closed := m.Node
	m.stop()
	after := cs.make(0, never)
	closed.Submit([]*node.Call{after})
	cs.wait(1)
	if o := cs.end(after); !errors.Is(o.err, node.ErrNotRunning) {
		t.Errorf("a call on a closed node: %v", o.err)
	}
	closed.Cancel(after) // nothing to cancel
}

// Calls go on with the core that other settings start, and end when the node stops.
func TestCallsOverReload(t *testing.T) {
	c, cs := newCluster(t, 1, nil), newCalls(t)
	m := c.leader()
	const calls = 100
	waits := make([]*node.Call, calls)
	next := m.view().Core.Last + 50
	for i := range waits {
		waits[i] = cs.make(patience, func(id uint64) core.Input { return core.WaitApplied{ID: id, Index: next} })
	}
	ever := cs.make(0, func(id uint64) core.Input { return core.WaitApplied{ID: id, Index: 1 << 40} })
	m.Submit(append(waits, ever))
	if err := m.Reload(node.Settings{ElectionTimeout: 2 * electionTimeout, HeartbeatInterval: heartbeatInterval,
		SnapshotEntries: m.cfg.SnapshotEntries, Retention: m.cfg.Retention, Trace: m.cfg.Trace}); err != nil {
		t.Fatal(err)
	}
	for i := 0; m.propose(request(1, i), "more") < next; i++ {
	}
	cs.wait(calls)
	for _, call := range waits {
		if o := cs.end(call); o.err != nil || o.rep.Index < next {
			t.Errorf("a call that was there before: %d, %v", o.rep.Index, o.err)
		}
	}
	m.stop()
	cs.wait(1)
	wantCode(t, "a call when the node stopped", cs.end(ever).err, core.Unknown)
}

// Who hands answers on is told after each answer.
func TestAnswered(t *testing.T) {
	cs, told := newCalls(t), make(chan int, 1<<10)
	c := newCluster(t, 1, func(m *member) {
		m.cfg.Answered = func() {
			cs.mu.Lock()
			defer cs.mu.Unlock()
			told <- len(cs.ends)
		}
	})
	m := c.leader()
	const calls = 50
	for i := range calls {
		m.Submit([]*node.Call{cs.propose(request(1, i), "x")})
	}
	eventually(t, "a word after the last answer", func() error {
		for {
			select {
			case n := <-told:
				if n == calls {
					return nil
				}
			default:
				return errors.New("not yet")
			}
		}
	})
}

// A panic of who owns the core comes to the host by Config.Go, also when it is the
// host's own thread that steps: Submit returns. All Calls are done, with an unknown
// outcome, and what led to it replays.
func TestOwnerPanics(t *testing.T) {
	m, cs := newMember(t, 1), newCalls(t)
	armed, died := atomic.Bool{}, make(chan any, 10)
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
	m.cfg.Publish = func(s node.Status) {
		if armed.Load() {
			panic("planted")
		}
		m.out.add(s)
	}
	m.open().init(true)
	if err := m.AwaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	ever := cs.make(0, func(id uint64) core.Input { return core.WaitApplied{ID: id, Index: 1 << 40} })
	m.Submit([]*node.Call{ever})
	batch := []*node.Call{ever}
	armed.Store(true)
	for i := range 10 {
		call := cs.propose(request(1, i), "x")
		m.Submit([]*node.Call{call})
		batch = append(batch, call)
	}
	cs.wait(len(batch))
	for i, call := range batch {
		wantCode(t, fmt.Sprintf("call %d", i), cs.end(call).err, core.Unknown)
	}
	select {
	case p := <-died:
		if p != "planted" {
			t.Errorf("panicked with %v", p)
		}
	case <-time.After(patience):
		t.Fatal("the host was not told")
	}
	armed.Store(false)
	m.stop()
	if p := replayTrace(t, m.traceDir()); p.inputs == 0 || !strings.Contains(p.notes, "planted") {
		t.Errorf("%d inputs, notes %q", p.inputs, p.notes)
	}
}

// More Calls than may wait are refused at once, and say so; those that wait go on.
func TestCallsOverBound(t *testing.T) {
	const over = 4096 + 1
	m, cs := newMember(t, 1), newCalls(t)
	armed, stuck, goOn := atomic.Bool{}, make(chan struct{}), make(chan struct{})
	m.cfg.Publish = func(s node.Status) {
		if armed.CompareAndSwap(true, false) {
			close(stuck)
			<-goOn
		}
		m.out.add(s)
	}
	m.open().init(true)
	if err := m.AwaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	first := cs.propose(request(1, 0), "first")
	go m.Submit([]*node.Call{first})
	<-stuck
	waits := cs.propose(request(1, 1), "waits")
	m.Submit([]*node.Call{waits})
	many := make([]*node.Call, over)
	for i := range many {
		many[i] = cs.propose(request(2, i), "over")
	}
	m.Submit(many)
	cs.wait(over)
	for _, call := range many {
		if err := cs.end(call).err; !isBusy(err) {
			t.Fatalf("a call over the bound: %v", err)
		}
	}
	close(goOn)
	cs.wait(2)
	for _, call := range []*node.Call{first, waits} {
		if err := cs.end(call).err; err != nil {
			t.Error(err)
		}
	}
}

func isBusy(err error) bool {
	var r *node.RequestError
	return errors.As(err, &r) && r.Code == core.Busy
}
