package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// An exported state comes over whole, from whoever has one; a host that fails,
// or has none, is passed over.
func TestFetchState(t *testing.T) {
	state := make([]byte, 3<<20+17) // some parts, and a bit
	for i := range state {
		state[i] = byte(i >> 8 * i)
	}
	exports := map[uint32]func(context.Context) ([]byte, error){
		1: func(context.Context) ([]byte, error) { return []byte("its own, which nobody asks for"), nil },
		2: func(context.Context) ([]byte, error) { return nil, errors.New("the database is not there") },
		4: func(context.Context) ([]byte, error) { return state, nil },
	}
	c := newCluster(t, 4, func(m *member) { m.cfg.Export = exports[m.cfg.NodeID] })
	c.leader()
	eventually(t, "the members to be reachable", func() error {
		got, from, err := c[0].FetchState(soon(t))
		if err == nil && (from != 4 || !bytes.Equal(got, state)) {
			t.Fatalf("%d bytes of node %d, want %d of node 4", len(got), from, len(state))
		}
		return err
	})
	small, from, err := c[3].FetchState(soon(t))
	if err != nil || from != 1 || string(small) != "its own, which nobody asks for" {
		t.Errorf("node 4 gets %q of node %d, %v; want that of node 1", small, from, err)
	}

	none := newCluster(t, 2, nil)
	none.leader()
	if got, from, err := none[1].FetchState(soon(t)); !errors.Is(err, node.ErrNoState) {
		t.Errorf("%d bytes of node %d, %v; want ErrNoState", len(got), from, err)
	}
}

// What one member's database has still to apply is in every member's log,
// however little of it they keep; once it needs no more, or can get it from an
// exported state, the logs are cut.
func TestNeedsOfOthersAreKept(t *testing.T) {
	t.Parallel() // it mostly waits
	const kept = 20
	c := newCluster(t, 3, func(m *member) {
		m.cfg.SnapshotEntries, m.cfg.Retention = 10, store.Retention{RetainEntries: kept, RetainFrom: 1}
	})
	n := 0
	write := func() {
		t.Helper()
		for range 10 * kept {
			n++
			c[n%3].propose(request(1, n), fmt.Sprintf("entry %d", n))
		}
	}
	has := func(m *member, index uint64) bool {
		t.Helper()
		_, _, err := m.Entry(soon(t), index)
		var gone *store.CompactedError
		if err != nil && !errors.As(err, &gone) {
			t.Fatalf("node %d: entry %d: %v", m.cfg.NodeID, index, err)
		}
		return err == nil
	}
	write()
	need := c[0].propose(request(2, 0), "needed")
	for _, m := range c {
		m.applied(need)
		from := uint64(0)
		if m == c[1] {
			from = need
		}
		m.RetainFrom(from, false)
	}
	eventually(t, "all to have heard it", func() error {
		for _, m := range c {
			if got := m.RetainedFrom(); got != need {
				return fmt.Errorf("node %d keeps entries from %d on, want %d", m.cfg.NodeID, got, need)
			}
		}
		return nil
	})
	eventually(t, "all to cut their logs up to there", func() error {
		write()
		for _, m := range c {
			if !has(m, need) {
				t.Fatalf("node %d has dropped entry %d, which node 2 needs", m.cfg.NodeID, need)
			}
			if has(m, need-kept) { // a few more are not worth the while
				return fmt.Errorf("node %d still has entry %d, which nobody needs", m.cfg.NodeID, need-kept)
			}
		}
		return nil
	})
	c[1].RetainFrom(need, true)
	for i, m := range c {
		eventually(t, fmt.Sprintf("node %d to cut its log", m.cfg.NodeID), func() error {
			write()
			if keeps := i == 1; has(m, need) != keeps {
				return fmt.Errorf("entry %d there: %v, want %v", need, !keeps, keeps)
			}
			return nil
		})
	}
}
