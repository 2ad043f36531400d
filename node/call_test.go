package node_test

import (
	"errors"
	"fmt"
	"sync"
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
