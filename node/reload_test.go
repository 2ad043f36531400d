package node_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

func (m *member) settings() node.Settings {
	return node.Settings{ElectionTimeout: m.cfg.ElectionTimeout, HeartbeatInterval: m.cfg.HeartbeatInterval,
		SnapshotEntries: m.cfg.SnapshotEntries, Retention: m.cfg.Retention, SealTimeout: m.cfg.SealTimeout}
}

// New timeouts replace the core under the proposals: each is answered, commits
// once, and is where the answer says. Whoever looks meanwhile is not told that
// the node does not run.
func TestReloadWhileProposing(t *testing.T) {
	const proposers, each, reloads = 4, 25, 3
	c, l := newCluster(t, 3, nil), newLedger()
	var proposing, looking sync.WaitGroup
	done := make(chan struct{})
	for _, m := range c {
		for p := range proposers {
			proposing.Go(func() {
				for i := range each {
					data := fmt.Sprintf("node %d proposer %d entry %d", m.cfg.NodeID, p, i)
					index, _, err := m.Propose(soon(t), request(int(m.cfg.NodeID)<<8|p, i), []byte(data))
					l.put(index, data, err)
				}
			})
		}
		looking.Go(func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-done:
					return
				}
				if _, err := m.View(soon(t)); err != nil {
					t.Errorf("node %d: view: %v", m.cfg.NodeID, err)
					return
				}
			}
		})
	}
	for round := range reloads {
		for _, m := range c {
			s := m.settings()
			s.ElectionTimeout += time.Duration(round+1) * 10 * time.Millisecond
			if err := m.Reload(s); err != nil {
				t.Errorf("node %d, reload %d: %v", m.cfg.NodeID, round, err)
			}
		}
	}
	proposing.Wait()
	close(done)
	looking.Wait()
	c.leader()
	l.check(t, len(c)*proposers*each)
	c.wantLogs(l.entries)
	c.wantOneLeaderAtATime(t)
}

// Settings that cannot work are refused, and those in force stay; equal ones
// cost a leader nothing.
func TestReloadWithoutEffect(t *testing.T) {
	c := newCluster(t, 1, nil)
	term := c.leader().view().Core.Term
	bad := c[0].settings()
	bad.ElectionTimeout = bad.HeartbeatInterval
	if err := c[0].Reload(bad); err == nil {
		t.Error("an election timeout as short as the heartbeat interval was taken")
	}
	if err := c[0].Reload(c[0].settings()); err != nil {
		t.Errorf("the same settings: %v", err)
	}
	if v := c[0].view(); v.Core.Term != term || v.LeaseExpiry == 0 {
		t.Errorf("term %d, lease until %d; want term %d and a lease", v.Core.Term, v.LeaseExpiry, term)
	}
	fresh := newMember(t, 2).open()
	longer := fresh.settings()
	longer.ElectionTimeout *= 2
	if err := fresh.Reload(longer); err != nil {
		t.Errorf("before init: %v", err)
	}
	fresh.init(false)
	c.add(fresh)
}

// A shorter retention drops the oldest entries at once, without a new core.
func TestReloadRetention(t *testing.T) {
	const entries, keep = 200, 20
	c := newCluster(t, 1, func(m *member) { m.cfg.SnapshotEntries = 10 })
	m, first, last := c.leader(), uint64(0), uint64(0)
	for i := range entries {
		last = m.propose(request(1, i), "x")
		if first == 0 {
			first = last
		}
	}
	eventually(t, "a snapshot, before which entries may go", func() error {
		s := m.settings()
		s.Retention = store.Retention{RetainEntries: keep}
		if err := m.Reload(s); err != nil {
			t.Fatal(err)
		}
		if b := m.view().LogBounds(); b.Last-b.First+1 > keep+keep/8+m.cfg.SnapshotEntries {
			last = m.propose(request(2, int(last)), "x")
			return fmt.Errorf("the log is from %d to %d", b.First, b.Last)
		}
		return nil
	})
	var gone *store.CompactedError
	if _, _, err := m.Entry(soon(t), first); !errors.As(err, &gone) || gone.First <= first {
		t.Errorf("entry %d: %v; want a CompactedError", first, err)
	}
	if data, ok, err := m.Entry(soon(t), last); err != nil || !ok || string(data) != "x" {
		t.Errorf("entry %d: %q, %v, %v; want x", last, data, ok, err)
	}
	if n := len(m.out.claimedTimes()); n == 0 || m.view().LeaseExpiry == 0 {
		t.Error("the leader lost its lease over the retention")
	}
}
