package node_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// ledger is what proposals were answered: data by index.
type ledger struct {
	mu      sync.Mutex
	entries map[uint64]string
	errs    []error
}

func newLedger() *ledger { return &ledger{entries: map[uint64]string{}} }

// put takes down where an entry is; another at the same index is an error.
func (l *ledger) put(index uint64, data string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch old, ok := l.entries[index]; {
	case err != nil:
		l.errs = append(l.errs, fmt.Errorf("%s: %w", data, err))
	case ok && old != data:
		l.errs = append(l.errs, fmt.Errorf("%s and %s are both said to be at %d", old, data, index))
	default:
		l.entries[index] = data
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *ledger) check(t *testing.T, want int) {
	t.Helper()
	for _, err := range l.errs {
		t.Error(err)
	}
	if len(l.entries) != want {
		t.Errorf("%d entries were answered, not %d", len(l.entries), want)
	}
}

// proposeAll proposes n entries to each open member at the same time.
func (c cluster) proposeAll(round, n int, l *ledger) {
	var wg sync.WaitGroup
	for _, m := range c.up() {
		wg.Go(func() {
			for i := range n {
				data := fmt.Sprintf("round %d node %d entry %d", round, m.cfg.NodeID, i)
				index, _, err := m.Propose(soon(m.t), request(round<<8|int(m.cfg.NodeID), i), []byte(data))
				l.put(index, data, err)
			}
		})
	}
	wg.Wait()
}

// A cluster of three takes proposals on every node, and all nodes hold the same
// log, also after one and after all were stopped.
func TestClusterOfThree(t *testing.T) {
	const perNode = 40
	c, l := newCluster(t, 3, nil), newLedger()
	c.proposeAll(1, perNode, l)
	c.wantLogs(l.entries)

	away := c.followers()[0]
	away.stop()
	c.proposeAll(2, perNode, l)
	away.open()
	c.leader()
	c.wantLogs(l.entries)

	for _, m := range c {
		m.stop()
	}
	for _, m := range c {
		m.open()
	}
	c.leader()
	c.proposeAll(3, perNode, l)
	c.wantLogs(l.entries)
	l.check(t, (3+2+3)*perNode)
}

// What founds the cluster is at the founding index, as no entry of a user's;
// membership changes follow it; beyond the end is an error with the end in it.
func TestEntriesOfRaftsOwn(t *testing.T) {
	c := newCluster(t, 2, nil)
	last := c[1].propose(request(1, 1), "")
	for _, m := range c {
		own := 0
		for i := range m.entries(last) {
			if i != last {
				t.Errorf("node %d: entry %d is a user's", m.cfg.NodeID, i)
			}
			own++
		}
		if own != 1 {
			t.Errorf("node %d: the empty proposal at %d does not count as a user's", m.cfg.NodeID, last)
		}
		_, _, err := m.Entry(soon(t), last+1000)
		var beyond *store.BeyondError
		if !errors.As(err, &beyond) || beyond.Last < last {
			t.Errorf("node %d: entry %d: %v; want a BeyondError with %d or more", m.cfg.NodeID, last+1000, err, last)
		}
		var compacted *store.CompactedError
		if _, _, err := m.Entry(soon(t), 0); !errors.As(err, &compacted) {
			t.Errorf("node %d: entry 0: %v; want a CompactedError", m.cfg.NodeID, err)
		}
	}
}

// A proposal that is too large is refused, and nothing of it is kept.
func TestProposalTooLarge(t *testing.T) {
	c := newCluster(t, 1, nil)
	_, _, err := c.leader().Propose(soon(t), request(1, 1), make([]byte, c[0].cfg.MaxEntryBytes+1))
	wantCode(t, "a proposal over the bound", err, core.TooLarge)
	index := c[0].propose(request(1, 1), "small")
	c.wantLogs(map[uint64]string{index: "small"})
}

// While the leader stops, every request is proposed to all nodes at once: each
// commits once, and all that learn where are told the same place.
func TestSameRequestOverLeaderChange(t *testing.T) {
	const requests = 60
	c := newCluster(t, 3, nil)
	old := c.leader()
	leader := old.Node // which old forgets when it stops
	rest := c.followers()
	l, third := newLedger(), make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for i := range requests {
		data, id := fmt.Sprintf("request %d", i), request(1, i)
		for _, m := range rest {
			wg.Go(func() {
				index, _, err := m.Propose(soon(t), id, []byte(data))
				l.put(index, data, err)
				if l.count() >= requests/3 {
					once.Do(func() { close(third) })
				}
			})
		}
		wg.Go(func() {
			index, _, err := leader.Propose(soon(t), id, []byte(data))
			var r *node.RequestError
			if errors.Is(err, node.ErrNotRunning) || errors.As(err, &r) && r.Code == core.Unknown {
				return // it was stopped; the others will tell
			}
			l.put(index, data, err)
		})
	}
	<-third
	old.stop()
	wg.Wait()
	if c.leader().cfg.NodeID == old.cfg.NodeID {
		t.Fatal("the stopped leader leads")
	}
	l.check(t, requests)
	c.wantLogs(l.entries)
	old.open()
	c.leader()
	c.wantLogs(l.entries)
}

// A member that was away for longer than the leader's memory of the log gets a
// snapshot, then what comes after it, and what it missed from the others' log stores.
func TestFarBehind(t *testing.T) {
	const entries, size = 24, 1 << 20 // three times what a core keeps in memory
	c := newCluster(t, 3, func(m *member) { m.cfg.SnapshotEntries = 4 })
	m := c.followers()[0]
	missed := m.view().Core.Last + 1
	m.stop()
	last := uint64(0)
	for i := range entries {
		last = c.leader().propose(request(1, i), strings.Repeat(string(rune('a'+i)), size))
	}
	m.open()
	m.applied(last)
	data, ok, err := m.Entry(soon(t), last)
	if want := strings.Repeat(string(rune('a'+entries-1)), size); err != nil || !ok || string(data) != want {
		t.Errorf("entry %d: %d bytes, %v, %v", last, len(data), ok, err)
	}
	eventually(t, "what it missed", func() error {
		data, ok, err := m.Entry(soon(t), missed)
		if err == nil && (!ok || len(data) != size) {
			t.Fatalf("entry %d: %d bytes, %v", missed, len(data), ok)
		}
		return err
	})
	index := m.propose(request(2, 2), "after")
	m.stop()
	m.open()
	m.applied(index)
	if data, ok, err := m.Entry(soon(t), index); err != nil || !ok || string(data) != "after" {
		t.Errorf("entry %d after a restart: %q, %v, %v", index, data, ok, err)
	}
}

func wantCode(t *testing.T, what string, err error, code core.Code) {
	t.Helper()
	var r *node.RequestError
	if !errors.As(err, &r) || r.Code != code || r.Text == "" {
		t.Errorf("%s: %v; want a RequestError with code %d and a text", what, err, code)
	}
}
