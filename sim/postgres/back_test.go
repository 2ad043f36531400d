package postgres

import "testing"

// What a boot looks at, of a standby that is what it was: no backup, no primary, no hole.
func TestEvidenceAtABoot(t *testing.T) {
	l := cluster(t, 2, Config{})
	for range 300 {
		l.commits(1, 1)
	}
	l.caughtUp(1, 2)
	p, s := l.s[1], l.s[2]
	s.Kill(false)
	if s.FromBackup() || s.WasPrimary() || s.Hole() || !p.WasPrimary() {
		t.Fatalf("backup %v, was a primary %v, hole %v; the primary %v", s.FromBackup(), s.WasPrimary(), s.Hole(), p.WasPrimary())
	}
	whole, end := s.Image(), s.ValidEnd(ByHistory).End
	if !s.DropSegment(1) || !s.Hole() || s.ValidEnd(ByHistory).End >= end {
		t.Errorf("a file is gone: hole %v, the WAL ends at %v", s.Hole(), s.ValidEnd(ByHistory).End)
	}
	s.Restore(whole)
	if s.Hole() || s.ValidEnd(ByHistory).End != end {
		t.Errorf("put back: hole %v, the WAL ends at %v", s.Hole(), s.ValidEnd(ByHistory).End)
	}
	s.disk.control.MinRecovery, s.disk.control.MinRecoveryTLI = end, 1
	if !s.DropSegment(0) || s.Hole() || !s.Short() {
		t.Errorf("the last file is gone: hole %v, short %v", s.Hole(), s.Short())
	}
	s.Restore(whole)
	s.disk.control.MinRecovery = 0
	if s.DropSegment(0) || s.DropSegment(1000) {
		t.Error("a file is taken that nothing tells of, or that is not there")
	}
}

// A standby that is run as a primary without any library stays on its timeline, and its WAL
// is other than the primary's from there on. pg_control says what it was.
func TestRunAlone(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 5)
	l.caughtUp(1, 2)
	s := l.s[2]
	end := s.ValidEnd(ByHistory).End
	if why := s.RunAlone(100); why != "the server runs" {
		t.Fatalf("it runs: %q", why)
	}
	s.Kill(false)
	if why := s.RunAlone(100); why != "" {
		t.Fatal(why)
	}
	at := s.ValidEnd(ByHistory)
	if !s.WasPrimary() || s.IsStandby() || at.TLI != 1 || at.End <= end+100 || s.Control().State != ShutDown {
		t.Errorf("was a primary %v, standby.signal %v, %+v after %v", s.WasPrimary(), s.IsStandby(), at, end)
	}
	if l.start(2); s.Phase() != Production {
		t.Errorf("it starts as a primary: %v", s.Phase())
	}
}

// A library that refuses a boot ends the server, with its line, before recovery reads anything.
func TestBootRefused(t *testing.T) {
	l := cluster(t, 2, Config{})
	s := l.s[2]
	s.Kill(false)
	before := s.Control()
	s.Hooks.Boot = func() { s.Refuse("not now") }
	s.Start()
	l.wait("the end", func() bool { return s.Phase() == Down })
	if s.Fatal() != "not now" || s.Control() != before {
		t.Errorf("%q, pg_control %+v, was %+v", s.Fatal(), s.Control(), before)
	}
	s.Hooks.Boot = nil
	l.start(2)
}

// Who uses a slot is not on the disk: a copy of a primary's gives its slots to anybody.
func TestCopyHasNoUsers(t *testing.T) {
	l := cluster(t, 2, Config{})
	p := l.s[1]
	i := p.Image()
	p.Kill(false)
	p.Restore(i)
	l.start(1)
	l.wait("it streams again", func() bool { return l.streams(1) == 1 })
}

// A clone needs the WAL up to where its source was, and is no primary's.
func TestCloneNeedsItsSourcesWAL(t *testing.T) {
	l := cluster(t, 2, Config{})
	l.commits(1, 5)
	l.s[2].Kill(false)
	l.s[2].Clone(l.s[1])
	if c := l.s[2].Control(); c.State != InArchiveRecovery || c.MinRecovery != l.s[1].Flushed() || l.s[2].WasPrimary() || l.s[2].Short() {
		t.Errorf("%+v, flushed %v, short %v", c, l.s[1].Flushed(), l.s[2].Short())
	}
}
