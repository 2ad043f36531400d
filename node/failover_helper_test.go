package node_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// failing is a cluster whose nodes have servers that fail over.
type failing struct {
	cluster
	*servers
	acked []string
}

// newFailing makes one of n nodes, before failover is enabled.
func newFailing(t testing.TB, n int) *failing {
	f := &failing{servers: newServers(t, n)}
	f.cluster = newCluster(t, n, func(m *member) {
		v := f.all[m.cfg.NodeID-1]
		v.m, m.cfg.Server = m, v
	})
	eventually(t, "the version that failover needs", func() error {
		for _, m := range f.cluster {
			if got := m.view().Core.Version; got < core.FailoverVersion {
				return fmt.Errorf("node %d is at version %d", m.cfg.NodeID, got)
			}
		}
		return nil
	})
	return f
}

// enabled has failover enabled on the first server, and waits until its epoch is open.
func (f *failing) enabled(settings failover.Settings) *failing {
	f.servers.t.Helper()
	t := f.servers.t
	p := f.all[0]
	for _, j := range []failover.Joining{failover.JoinStandbys, failover.JoinAll} {
		p.m.Join(j)
		eventually(t, "the servers to join", func() error {
			s := p.m.failoverState()
			for i, v := range f.all {
				if i == 0 && j == failover.JoinStandbys {
					continue
				}
				if m := s.Member(v.m.view().Core.RaftID); m == nil || !m.Joined {
					return fmt.Errorf("the log has %+v of node %d", m, v.m.cfg.NodeID)
				}
			}
			return nil
		})
	}
	e := failover.Enable{Epoch: 1, System: system, Highest: 1, Settings: settings, Set: failover.Set{W: settings.SyncCount}, Primary: p.m.view().Core.RaftID}
	state := p.m.failoverState()
	e.Boot = state.Member(e.Primary).Boot
	for _, v := range f.all[1:] {
		e.Set.Members = append(e.Set.Members, v.m.view().Core.RaftID)
	}
	slices.Sort(e.Set.Members)
	f.servers.mu.Lock()
	e.LSN, e.History = p.last().end, slices.Clone(p.history)
	f.servers.mu.Unlock()
	if err := p.m.Operate(soon(t), e); err != nil {
		t.Fatalf("enabling failover: %v", err)
	}
	p.m.Join(failover.JoinNobody)
	if v := f.primary(1); v != p {
		t.Fatalf("node %d is the first primary", v.m.cfg.NodeID)
	}
	return f
}

func (m *member) failoverState() failover.State {
	m.t.Helper()
	return must[failover.State](m.t, fmt.Sprintf("the state of failover on node %d", m.cfg.NodeID))(m.FailoverState(soon(m.t)))
}

// primary waits until a server serves in an epoch, or in a later one.
func (f *failing) primary(epoch uint64) (p *server) {
	t := f.servers.t
	t.Helper()
	eventually(t, fmt.Sprintf("a primary of epoch %d", epoch), func() error {
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		for _, v := range f.all {
			if s := &v.shared; v.up && v.m.Node != nil && s.Open && s.Epoch >= epoch {
				p = v
				return nil
			}
		}
		return errors.New(f.describe())
	})
	return p
}

func (f *failing) describe() (text string) {
	for _, v := range f.all {
		s := &v.shared
		text += fmt.Sprintf("\nnode %d: up %v, recovery %v, ends at %d, epoch %d, primary %v, open %v, sealed %d, did %v",
			v.m.cfg.NodeID, v.up, v.recovery, v.last().end, s.Epoch, s.Primary, s.Open, v.data.Sealed, v.done[max(0, len(v.done)-8):])
	}
	return text
}

// restarted waits until a server is told to restart in place, and restarts it with its engine.
func (f *failing) restarted(v *server, want host.Cause) {
	t := f.servers.t
	t.Helper()
	select {
	case got := <-v.restarts:
		if got != want {
			t.Fatalf("node %d restarts %v, not %v", v.m.cfg.NodeID, got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the server of node %d is not restarted %v", v.m.cfg.NodeID, want)
	}
	if err := v.m.Kill(); err != nil {
		t.Fatal(err)
	}
	v.kill()
	v.boot()
	v.m.open()
}

var errRefused = errors.New("the commit is refused")

// commit is a transaction on a server, with the fence in it as package failover has it. An
// error says that it was refused, or that its outcome is not known.
func (f *failing) commit(v *server, text string) error {
	begun, began := uint64(0), false
	defer func() {
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		if began && v.committing > 0 {
			v.committing--
		}
	}()
	if err := poll(func() error {
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		s := &v.shared
		x := failover.F1{Failover: s.Failover, Joined: s.Joined, Quarantined: s.Quarantined, Primary: s.Primary, Open: s.Open, Lease: v.leased(),
			Founding: s.Founding, Switchover: s.Switchover != 0}
		if !v.up || v.recovery || x.Verdict() != failover.Go {
			return errRefused
		}
		begun, began = s.Epoch, true
		v.committing++
		return nil
	}); err != nil {
		return err
	}
	f.servers.mu.Lock()
	r := v.writes(v.history[len(v.history)-1].Timeline, text)
	f.servers.mu.Unlock()
	over := errors.New("its outcome is not known")
	var end error
	err := poll(func() error {
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		s := &v.shared
		if !v.up || v.recovery {
			end = over
			return nil
		}
		x := failover.F3{Failover: s.Failover, Over: s.Epoch != begun, Open: s.Open, Flushed: v.wal[v.flushed-1].end >= r.end, W: s.Set.W,
			Counted: v.counted(&s.Set, r.end), Pending: s.Next != nil, Lease: v.leased(), Same: true}
		if s.Next != nil {
			x.NextW, x.Next = s.Next.W, v.counted(s.Next, r.end)
		}
		switch x.Verdict() {
		case failover.Ack:
			f.acked = append(f.acked, text)
			return nil
		case failover.Over:
			end = over
			return nil
		}
		return fmt.Errorf("it is held: %+v", x)
	})
	return errors.Join(err, end)
}

func (v *server) leased() bool {
	return v.shared.LeaseCounts && v.m.out.status().LeaseExpiry > bootNanos()
}

// counted is how many of a set have flushed up to an LSN.
func (v *server) counted(c *failover.Set, end uint64) (n uint32) {
	for _, o := range v.x.all {
		if o.up && c.Has(o.token.Member) && o.last().end >= end && o.sender() == v && slices.Contains(v.shared.Tokens, o.token) {
			n++
		}
	}
	return n
}

// commits must all be acknowledged.
func (f *failing) commits(v *server, n int) {
	t := f.servers.t
	t.Helper()
	for i := range n {
		text := fmt.Sprintf("commit %d of node %d", len(f.acked)+i, v.m.cfg.NodeID)
		if err := f.commit(v, text); err != nil {
			f.servers.mu.Lock()
			defer f.servers.mu.Unlock()
			t.Fatalf("%s: %v%s", text, err, f.describe())
		}
	}
}

// wantAll checks that a server has all that was acknowledged, once each.
func (f *failing) wantAll(v *server) {
	t := f.servers.t
	t.Helper()
	f.servers.mu.Lock()
	defer f.servers.mu.Unlock()
	for _, text := range f.acked {
		n := 0
		for _, r := range v.wal {
			if r.text == text {
				n++
			}
		}
		if n != 1 {
			t.Errorf("node %d has %q %d times", v.m.cfg.NodeID, text, n)
		}
	}
}

// follows waits until a server streams from p, and has what that has.
func (f *failing) follows(v, p *server) {
	t := f.servers.t
	t.Helper()
	eventually(t, fmt.Sprintf("node %d to follow node %d", v.m.cfg.NodeID, p.m.cfg.NodeID), func() error {
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		if v.sender() != p || v.token == (failover.Token{}) || v.last() != p.last() {
			return errors.New(f.describe())
		}
		return nil
	})
}
