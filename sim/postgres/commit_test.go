package postgres

import (
	"testing"
	"time"
)

// alone is a primary that waits for a standby that is not there.
func alone(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, 1, 1, Config{})
	l.start(1)
	l.s[1].SetNames(Names{1, []string{"nobody"}})
	l.run(time.Second)
	return l
}

// waiting is a commit that waits for standbys.
func (l *lab) waiting() *result {
	l.t.Helper()
	r := l.commit(1, 100)
	l.run(time.Second)
	if r.out != 0 || l.s[1].Visible(r.txn) || r.o.stage != stageSync {
		l.t.Fatalf("the commit is answered %v, visible %v", r.out, l.s[1].Visible(r.txn))
	}
	return r
}

// What ends a wait for standbys early, and what of the commit is seen and told then
// (syncrep.c: SyncRepWaitForLSN, SyncRepUpdateSyncStandbysDefined).
func TestEarlyEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		end    func(*lab, *result)
		out    Outcome
		warned bool
	}{
		{"cancel", func(_ *lab, r *result) { r.o.Cancel() }, Committed, true},
		{"terminate", func(_ *lab, r *result) { r.o.Terminate() }, Unknown, true},
		{"names emptied", func(l *lab, _ *result) { l.s[1].SetNames(Names{}) }, Committed, false},
		{"restart in place", func(l *lab, _ *result) { l.s[1].CrashRestart() }, Unknown, false},
		{"fast stop", func(l *lab, _ *result) { l.s[1].FastStop(func() { l.s[1].Start() }) }, Unknown, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := alone(t)
			r := l.waiting()
			c.end(l, r)
			l.run(time.Second)
			if r.out != c.out || r.o.Warned() != c.warned || !l.s[1].Visible(r.txn) {
				t.Errorf("answered %v, warned %v, visible %v", r.out, r.o.Warned(), l.s[1].Visible(r.txn))
			}
			if l.s[1].ReplicatedTo() != 0 {
				t.Errorf("lsn[FLUSH] is %v", l.s[1].ReplicatedTo())
			}
		})
	}
}

// A hook that holds an early end keeps the commit hidden until it is replicated, and
// then it is acknowledged.
func TestHeldEarlyEnd(t *testing.T) {
	for _, how := range []string{"cancel", "terminate"} {
		l := alone(t)
		asked := 0
		l.s[1].Hooks.HoldEarlyEnd = func(o *Session, end LSN) bool {
			asked++
			if o.Cancelled() != (how == "cancel") || o.Dying() == (how == "cancel") {
				t.Errorf("%s: cancelled %v, dying %v", how, o.Cancelled(), o.Dying())
			}
			return end > l.s[1].ReplicatedTo() && !l.s[1].IsStopping()
		}
		r := l.waiting()
		if how == "cancel" {
			r.o.Cancel()
		} else {
			r.o.Terminate()
		}
		l.run(time.Second)
		if r.out != 0 || l.s[1].Visible(r.txn) || asked < 10 {
			t.Fatalf("%s: answered %v, visible %v, asked %d times", how, r.out, l.s[1].Visible(r.txn), asked)
		}
		l.s[1].sync.lsn = r.o.end
		l.s[1].Poke()
		l.run(time.Second)
		if !l.s[1].Visible(r.txn) || (how == "cancel") != (r.out == Committed) {
			t.Errorf("%s: answered %v, visible %v", how, r.out, l.s[1].Visible(r.txn))
		}
	}
}

// Visible comes before acknowledged, and a hook may let the answer wait, or break the
// connection.
func TestAcknowledge(t *testing.T) {
	for _, last := range []Verdict{Go, Refuse} {
		l := newLab(t, 1, 1, Config{})
		l.start(1)
		v := Wait
		l.s[1].Hooks.Acknowledge = func(o *Session, end LSN) Verdict {
			if end == 0 || end > l.s[1].Flushed() {
				t.Errorf("asked at %v, flushed %v", end, l.s[1].Flushed())
			}
			return v
		}
		r := l.commit(1, 100)
		l.run(time.Second)
		if !l.s[1].Visible(r.txn) || r.out != 0 {
			t.Fatalf("visible %v, answered %v", l.s[1].Visible(r.txn), r.out)
		}
		v = last
		l.wait("an answer", func() bool { return r.out != 0 })
		want := map[Verdict]Outcome{Go: Committed, Refuse: Unknown}[last]
		if _, ok := l.sawOf(1, Acknowledged, r.txn); r.out != want || ok != (want == Committed) || r.o.Over() != (want == Unknown) {
			t.Errorf("answered %v, want %v", r.out, want)
		}
	}
}

// Before the commit record a hook may refuse, or let wait; nothing is written then.
func TestPreCommit(t *testing.T) {
	l := newLab(t, 1, 1, Config{})
	l.start(1)
	v := Wait
	l.s[1].Hooks.PreCommit = func(o *Session) Verdict {
		o.Level = On
		return v
	}
	r := l.commit(1, 100)
	l.run(time.Second)
	if r.out != 0 || len(l.s[1].Rows()) != 0 || r.o.Waits() < time.Second/2 {
		t.Fatalf("answered %v, rows %v", r.out, l.s[1].Rows())
	}
	v = Refuse
	l.run(time.Second)
	if r.out != Refused || len(l.s[1].Rows()) != 0 {
		t.Fatalf("answered %v, rows %v", r.out, l.s[1].Rows())
	}
	v = Wait
	again := l.commitIn(r.o, 100)
	l.run(time.Second)
	if r.o.Txn() != again.txn || r.o.Kind() != Commit || r.o.Dying() {
		t.Errorf("under way: %v of %d, dying %v", r.o.Kind(), r.o.Txn(), r.o.Dying())
	}
	r.o.Cancel()
	l.run(time.Second)
	v = Go
	third := l.commitIn(r.o, 100)
	l.run(time.Second)
	if again.out != Refused || third.out != Committed {
		t.Errorf("cancelled: %v; then let go: %v", again.out, third.out)
	}
	v = Wait
	ended := l.commitIn(l.s[1].Connect(), 100)
	ended.o.Terminate()
	l.run(time.Second)
	if ended.out != Unknown || !ended.o.Over() || l.s[1].Visible(ended.txn) {
		t.Errorf("terminated before the record: %v", ended.out)
	}
	o := l.s[1].Connect()
	v = Refuse
	read := &result{o: o}
	o.Commit(read.done(l))
	l.run(time.Second)
	if read.out != Committed {
		t.Errorf("a transaction without a change: %v", read.out)
	}
}

// synchronous_commit below on waits for no standby; off, for no disk either: such a
// commit goes with the power.
func TestLevels(t *testing.T) {
	l := alone(t)
	for _, c := range []struct {
		level Level
		there bool
	}{{Local, true}, {Off, false}} {
		o := l.s[1].Connect()
		o.Level = c.level
		r := l.commitIn(o, 100)
		l.wait("an answer", func() bool { return r.out != 0 })
		if r.out != Committed {
			t.Fatalf("level %v: answered %v", c.level, r.out)
		}
		l.s[1].Kill(true)
		l.start(1)
		if l.s[1].Visible(r.txn) != c.there {
			t.Errorf("level %v: there after a power failure: %v", c.level, !c.there)
		}
	}
}

// A prepared transaction survives a crash, is finished by any session, and waits for
// standbys twice.
func TestPrepared(t *testing.T) {
	l := cluster(t, 2, Config{})
	names := Names{1, []string{name(2)}}
	l.s[1].SetNames(names)
	l.wait("the names", func() bool { return l.s[1].NamesInForce(names) })
	for i, finish := range []func(*Session, uint64, func(Outcome)){(*Session).CommitPrepared, (*Session).RollbackPrepared} {
		o := l.s[1].Connect()
		l.txn++
		r := &result{o: o, txn: l.txn}
		o.Write(r.txn, 100)
		o.Prepare(r.done(l))
		l.wait("an answer", func() bool { return r.out != 0 })
		if r.out != Committed || l.s[1].Visible(r.txn) {
			t.Fatalf("prepared: %v, visible %v", r.out, l.s[1].Visible(r.txn))
		}
		l.s[1].CrashRestart()
		l.wait("it is back", func() bool { return l.s[1].Phase() == Production && l.streams(1) == 1 })
		if p := l.s[1].Prepared(); len(p) != 1 || p[0] != r.txn {
			t.Fatalf("prepared after a crash: %v", p)
		}
		r.out = 0
		finish(l.s[1].Connect(), r.txn, r.done(l))
		l.wait("an answer", func() bool { return r.out != 0 })
		l.caughtUp(1, 2)
		for id := 1; id <= 2; id++ {
			if l.s[id].Visible(r.txn) != (i == 0) || len(l.s[id].Prepared()) != 0 {
				t.Errorf("finished on %d: visible %v, prepared %v", id, l.s[id].Visible(r.txn), l.s[id].Prepared())
			}
		}
	}
}

// A wait that nobody ended is over with the processes: after a restart the commit is
// seen, though no standby has it, and a failover then takes it away again.
func TestSeenAndLost(t *testing.T) {
	l := cluster(t, 2, Config{})
	names := Names{1, []string{name(2)}}
	l.s[1].SetNames(names)
	l.wait("the names", func() bool { return l.s[1].NamesInForce(names) })
	l.seal(2)
	r := l.commit(1, 100)
	l.run(time.Second)
	if r.out != 0 || l.s[1].Visible(r.txn) {
		t.Fatalf("answered %v, visible %v", r.out, l.s[1].Visible(r.txn))
	}
	l.s[1].CrashRestart()
	l.wait("it is back", func() bool { return l.s[1].Phase() == Production })
	if found, ok := l.s[1].Connect().Sees(r.txn); !found || !ok {
		t.Error("the commit is not seen after the restart")
	}
	l.s[1].Kill(false)
	l.promote(2)
	if found, _ := l.s[2].Connect().Sees(r.txn); found {
		t.Error("the standby has it")
	}
}

// Two standbys under one name are counted as two.
func TestSameNameCountsTwice(t *testing.T) {
	l := cluster(t, 3, Config{})
	l.s[3].SetConninfo(Conninfo{Primary: 1, Name: name(2), Slot: name(3)})
	names := Names{2, []string{name(2)}}
	l.s[1].SetNames(names)
	l.wait("the names", func() bool { return l.s[1].NamesInForce(names) && l.streams(1) == 2 })
	l.wait("the other name", func() bool { w := l.s[1].Walsenders(); return len(w) == 2 && w[1].Name == name(2) && w[1].Streams })
	l.commits(1, 1)
}

// Reads are refused where a hook says so, and on a server that is not consistent.
func TestReads(t *testing.T) {
	l := cluster(t, 2, Config{})
	r := l.commits(1, 1)
	l.caughtUp(1, 2)
	o := l.s[2].Connect()
	if found, ok := o.Sees(r.txn); !found || !ok {
		t.Error("the standby does not have it")
	}
	if o.Write(99, 100) {
		t.Error("a standby takes a write")
	}
	l.s[2].Hooks.Statement = func(*Session) bool { return false }
	if _, ok := o.Sees(r.txn); ok {
		t.Error("the hook's word does not count")
	}
	l.s[2].Kill(false)
	l.s[2].Start()
	if l.s[2].Connect() != nil {
		t.Error("a server that starts takes a session")
	}
}
