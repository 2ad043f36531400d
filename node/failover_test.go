package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// settings of tests in which nobody is to take over, and of those in which somebody is.
func calm() failover.Settings {
	s := failover.DefaultSettings()
	s.DelayMillis, s.SyncTimeoutMillis = 60_000, 60_000
	return s
}

func quick() failover.Settings {
	s := failover.DefaultSettings()
	s.DelayMillis = 1000
	return s
}

// The server of the primary and its node are killed: another one is promoted, its epoch opens,
// and it has all that was acknowledged. The old one comes back as a standby, and follows.
func TestFailover(t *testing.T) {
	f := newFailing(t, 3).enabled(quick())
	p := f.all[0]
	f.commits(p, 20)
	p.kill()
	if err := p.m.Kill(); err != nil {
		t.Fatal(err)
	}
	p.m.stop()
	next := f.primary(2)
	if next == p {
		t.Fatal("who was killed serves")
	}
	f.wantAll(next)
	f.commits(next, 20)
	f.wantAll(next)
	p.boot()
	p.m.open()
	f.follows(p, next)
	f.wantAll(p)
	for _, m := range f.cluster {
		m.stop()
		if k := replayTrace(t, m.traceDir()).kinds; k["core.FailoverServer"] == 0 || m != p.m && k["core.FailoverPort"] == 0 {
			t.Errorf("the trace of node %d has no word of its server, or of the primary's port: %v", m.cfg.NodeID, k)
		}
	}
}

// A server that takes no part is read all the time, also as its engine starts and has not been
// told of it yet.
func TestServerBeforeItIsReported(t *testing.T) {
	f := newFailing(t, 2)
	p := f.all[0]
	p.m.stop()
	p.m.open()
	eventually(t, "the server to be reported", func() error {
		if v, err := p.m.Failover(soon(t)); err != nil || v.Server == nil {
			return fmt.Errorf("it is not: %v", err)
		}
		return nil
	})
	f.servers.mu.Lock()
	defer f.servers.mu.Unlock()
	for _, v := range f.all {
		if v.hid {
			t.Errorf("what node %d has was hidden", v.m.cfg.NodeID)
		}
	}
}

// An engine that restarts alone, on a server that runs on, has its epoch opened again: nobody is
// promoted, and commits go on.
func TestEngineRestartsAlone(t *testing.T) {
	f := newFailing(t, 3).enabled(calm())
	p := f.all[0]
	f.commits(p, 5)
	boot := p.m.failoverState().Epoch.Boot
	p.m.stop()
	f.servers.mu.Lock()
	s := p.shared
	f.servers.mu.Unlock()
	if !s.Failover || !s.Joined || s.Primary || s.Open || s.LeaseCounts || s.Set.W != 0 {
		t.Errorf("with no engine shared memory says %+v", s)
	}
	p.m.open()
	if got := f.primary(1); got != p || got.shared.Epoch != 1 {
		t.Errorf("node %d serves in epoch %d", got.m.cfg.NodeID, got.shared.Epoch)
	}
	f.commits(p, 5)
	f.wantAll(p)
	if e := p.m.failoverState().Epoch; e.Boot != boot+1 {
		t.Errorf("the log knows boot %d of the primary's engine, after %d", e.Boot, boot)
	}
}

// A primary whose engine was away while another one took over is demoted, and follows that one.
func TestDemoted(t *testing.T) {
	t.Parallel() // it mostly waits
	f := newFailing(t, 3).enabled(quick())
	p := f.all[0]
	f.commits(p, 5)
	p.m.stop() // its server runs on
	next := f.primary(2)
	f.commits(next, 5)
	if err := f.commit(p, "on the one that was"); err == nil {
		t.Error("two servers acknowledge commits")
	}
	p.m.open()
	f.restarted(p, host.ToDemote)
	f.follows(p, next)
	f.wantAll(p)
}

// Another core after a change of settings has another boot number, and failover goes on.
func TestFailoverGoesOnAfterReload(t *testing.T) {
	f := newFailing(t, 3).enabled(calm())
	p := f.all[0]
	f.commits(p, 5)
	before := p.m.failoverState()
	for _, m := range f.cluster {
		s := m.settings()
		s.ElectionTimeout += 50 * time.Millisecond
		if err := m.Reload(s); err != nil {
			t.Fatal(err)
		}
	}
	f.commits(p, 5)
	f.wantAll(p)
	for _, v := range f.all[1:] {
		f.follows(v, p)
	}
	s := p.m.failoverState()
	if s.Epoch.Number != 1 {
		t.Errorf("epoch %d", s.Epoch.Number)
	}
	for _, m := range s.Members {
		if was := before.Member(m.ID).Boot; m.Boot != was+1 {
			t.Errorf("the log knows boot %d of member %x's engine, after %d", m.Boot, m.ID, was)
		}
	}
}

// A reload changes seal_timeout: another core starts with it.
func TestSealTimeoutIsReloaded(t *testing.T) {
	m := newMember(t, 1)
	m.cfg.Witness, m.cfg.SealTimeout = true, 2*time.Second
	m.open().init(true)
	cluster{m}.leader()
	for _, d := range []time.Duration{2 * time.Second, 7 * time.Second, 7 * time.Second} { // the same is no change
		s := m.settings()
		s.SealTimeout, s.Trace = d, m.cfg.Trace
		if err := m.Reload(s); err != nil {
			t.Fatal(err)
		}
	}
	s := m.settings()
	if s.SealTimeout = -1; m.Reload(s) == nil {
		t.Error("a seal timeout below 0 is taken")
	}
	m.stop()
	got := replayTrace(t, m.traceDir()).parts
	if len(got) != 2 || got[0].SealMillis != 2000 || got[1].SealMillis != 7000 || got[1].Boot != got[0].Boot+1 {
		t.Errorf("cores were started with %+v, want 2 s, and 7 s at the next boot", got)
	}
}

// A node says that commits may begin and that its server shows data by what it has published for
// each commit: not before failover is known, nor once it is closed.
func TestMayCommit(t *testing.T) {
	f := newFailing(t, 3)
	says := func(v *server, commit, read bool) {
		t.Helper()
		eventually(t, fmt.Sprintf("node %d to say commit %v, read %v", v.m.cfg.NodeID, commit, read), func() error {
			if c, r := v.m.MayCommit(), v.m.MayRead(); c != commit || r != read {
				return fmt.Errorf("commit %v, read %v", c, r)
			}
			return nil
		})
	}
	p := f.all[0]
	says(p, true, true) // it leads, and takes writes; failover is off
	for _, v := range f.all[1:] {
		says(v, false, true)
	}
	f.enabled(quick())
	says(p, true, true)
	for _, v := range f.all[1:] {
		f.follows(v, p)
		says(v, false, true)
	}
	closed := p.m.Node
	p.m.stop() // its server runs on
	if closed.MayCommit() || closed.MayRead() {
		t.Errorf("a closed node says commit %v, read %v", closed.MayCommit(), closed.MayRead())
	}
	next := f.primary(2)
	says(next, true, true)
	p.m.open()
	says(p, false, false) // it has to be started as a standby
	f.restarted(p, host.ToDemote)
	f.follows(p, next)
	says(p, false, true)
	says(next, true, true)
}
