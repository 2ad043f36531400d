package failover

import "testing"

// Whose server goes on, and on which timeline, as failover is disabled at any stage.
func TestDisabledAtAnyStage(t *testing.T) {
	for _, x := range []struct {
		name     string
		on       func(*testing.T) *script
		primary  uint64
		timeline uint32
	}{{"founding", founding, a, 1}, {"open", opened, a, 1}, {"begun", begun, a, 1}, {"granted", granted, b, 2}, {"forked", forked, b, 2}, {"begun again", lonely, a, 1}} {
		s := x.on(t)
		n := s.s.Epoch.Number
		s.do(Disable{n})
		if e := s.s.Epoch; s.s.Mode != ModeOff || e.Stage != StageNone || e.Number != n || e.Primary != x.primary || e.Timeline != x.timeline || s.s.check() != nil {
			t.Errorf("%s: %+v", x.name, s.s)
		}
	}
}

// Failover is enabled again on a timeline that only its server can have written on.
func TestEnabledAgain(t *testing.T) {
	off := func(t *testing.T) *script { return granted(t).do(Disable{2}) }
	enable := func(primary uint64, h ...Branch) Entry {
		return with(first, func(e *Enable) {
			e.Epoch, e.Primary, e.LSN, e.History, e.Set = 3, primary, 900, h, Set{W: 1, Members: []uint64{c}}
		})
	}
	for _, x := range []struct {
		name  string
		entry Entry
		want  Void
	}{
		{"the grantee's", enable(b, Branch{1, 0}, Branch{2, 500}), NotVoid},
		{"the primary's of the epoch before", enable(a, Branch{1, 0}), NotVoid},
		{"a new one", enable(a, Branch{1, 0}, Branch{3, 600}), NotVoid},
		{"a new one of another's", enable(a, Branch{1, 0}, Branch{2, 500}, Branch{3, 600}), NotVoid},
		{"another's", enable(a, Branch{1, 0}, Branch{2, 500}), VoidTimeline},
		{"the grantee's on another one", enable(b, Branch{1, 0}), VoidTimeline},
		{"by hand, with a number that was given", enable(b, Branch{1, 0}, Branch{2, 600}), VoidTimeline},
		{"by hand, below a new one", enable(a, Branch{1, 0}, Branch{2, 600}, Branch{3, 700}), VoidTimeline},
	} {
		s := off(t)
		if got := s.apply(x.entry); got.Void != x.want {
			t.Errorf("%s: %v, want %v", x.name, got.Void, x.want)
		}
	}
	// What was noted before is nobody's handiwork, be it on a timeline before or on the same one:
	// there it counts for the epoch of before, but the owner's.
	s := off(t).do(enable(b, Branch{1, 0}, Branch{2, 500}))
	for _, x := range []struct {
		v    Server
		want uint64
	}{
		{Server{History: []Branch{{1, 0}}, Noted: 1, End: 400}, 1},
		{Server{History: fork2, Noted: 2, End: 600}, 2},
		{Server{History: fork2, Noted: 2, End: 600, Wrote: true}, 3},
	} {
		if p, _, ok := s.s.place(&x.v); !ok || p != (Position{x.want, x.v.End}) {
			t.Errorf("%+v: %+v, %v", x.v, p, ok)
		}
	}
	if _, _, ok := s.s.place(&Server{History: fork2, Noted: 1}); ok {
		t.Error("WAL that was noted for another timeline's epoch is taken")
	}
}

// A server is told that failover is off, once. Who goes on is told to take no part; a
// primary of before is fenced, and boots as a standby first.
func TestToldThatItIsOff(t *testing.T) {
	off := func(t *testing.T) *script { return forked(t).do(Disable{2}) }
	writes := func(v *Server) { v.Recovery, v.History, v.Noted, v.Flushed = false, fork2, 2, 510 }
	d := sit(off(t), b)
	if d.once(); !d.out.Shared.Failover {
		t.Errorf("no server is reported, and it is not fenced: %+v", d.out.Shared)
	}
	d.server(writes).once().orders(Release{2, 1, false})
	if d.out.Shared.Failover {
		t.Errorf("the server that goes on is fenced: %+v", d.out.Shared)
	}
	d.a.Current = false
	d.once().orders().why(LogUnread)
	d.a.Current = true
	d.server(func(v *Server) { writes(v); v.Sealed, v.Joined = 2, false }).once().orders()
	d.server(func(v *Server) { writes(v); v.Sealed = 2 }).once().orders() // it has joined again
	// One that was cut short: a note is left, and the seal is not there yet.
	d.server(func(v *Server) { writes(v); v.Joined, v.OneNote = false, true }).once().orders(Release{2, 1, false})
	d.server(func(v *Server) { writes(v); v.History = []Branch{{1, 0}} }).once().orders(Demote{2, 1})
	d.do(Quarantine{Member: b, Reason: QuarantinedByOperator})
	d.server(writes).once().orders(Demote{2, 1})

	d = sit(off(t), a)
	d.server(func(v *Server) { v.Recovery = false }).once().orders(Demote{2, 1})
	if x := d.out.Shared; !x.Failover || x.Reads || fence(x, true) != Hold || (F1{Failover: x.Failover, Joined: x.Joined, Primary: x.Primary, Open: x.Open, Waited: true}).Verdict() != Refuse {
		t.Errorf("a primary of before is not fenced: %+v", x)
	}
	d.server(nil).once().orders(Release{2, 1, true})
	if x := d.out.Shared; !x.Failover || x.Reads {
		t.Errorf("a standby that somebody may have promoted is not fenced, or its own WAL of before is read: %+v", x)
	}
	d = sit(off(t), c)
	d.server(nil).once().orders(Release{2, 1, true})
	if x := d.out.Shared; !x.Failover || !x.Reads {
		t.Errorf("a standby that has nothing of its own is not fenced, or not read: %+v", x)
	}
	// Failover that was never on has nobody told.
	sit(described(t), a).server(writes).once().orders()
}

// A join that was cut short between its two notes is ordered until both stand, once it is known
// that failover is off.
func TestJoinCutShort(t *testing.T) {
	for _, x := range []struct {
		s      *script
		epoch  uint64
		server func(*Server)
	}{
		{described(t), 0, func(v *Server) { v.Recovery, v.Joined, v.OneNote = false, false, true }},
		{forked(t).do(Disable{2}), 2, func(v *Server) { v.Recovery, v.Sealed, v.Joined, v.OneNote = false, 2, false, true }},
	} {
		d := sit(x.s, a)
		d.m.Joins(JoinAll)
		d.a.Current = false
		d.server(x.server).once().orders()
		d.a.Current = true
		d.once().orders(Join{x.epoch, 1})
		d.server(func(v *Server) { x.server(v); v.Joined, v.OneNote, v.JoinedOn = true, false, v.timeline() }).once().orders()
		d.m.Joins(JoinNobody)
		d.server(x.server).once().orders() // nobody asks
	}
}
