package failover

import (
	"reflect"
	"testing"
)

// choosing has epoch 2 begun and w as leader; a, b and c are there, reports have come.
func choosing(t *testing.T, reports ...Report) *desk {
	x := opened(t).do(Begin{2})
	for _, r := range reports {
		x.do(r)
	}
	return sit(x, w).there(standby(), a, b, c)
}

func at(id, lsn uint64) Report { return Report{2, id, 1, Position{1, lsn}, nil} }

func TestReportsAreWaitedFor(t *testing.T) {
	d := choosing(t, at(b, 500))
	d.nothing(30, ReportsMissing)
	if !reflect.DeepEqual(d.out.Nobody.Members, []uint64{a, c}) {
		t.Errorf("of %x", d.out.Nobody.Members)
	}
	d.do(at(c, 400)) // a may still come, and be greater
	d.nothing(20, BetterMayCome).expect(1, Grant{2, b, one(a, c)}, 0)

	// Who is not there, or cannot report, is not waited for.
	d = choosing(t, at(b, 500), at(c, 400)).there(with(standby(), func(t *Told) { t.Untrusted = true }), a)
	d.expect(1, Grant{2, b, one(c)}, 0)
}

// The grant is proposed again after an election timeout, or when the log did not take it.
func TestGrantAgain(t *testing.T) {
	d := choosing(t, at(a, 500), at(b, 500), at(c, 400)).expect(1, Grant{2, a, one(b, c)}, 0)
	d.nothing(9, EntryUnderWay).expect(1, Grant{2, a, one(b, c)}, 0)
	d.m.Refused()
	d.expect(1, Grant{2, a, one(b, c)}, 0)
}

// Among equals: whose promotion did not fail, the last primary, whose replay is done,
// priority, node id.
func TestTies(t *testing.T) {
	slow := with(standby(), func(t *Told) { t.ReplayDone = false })
	low := func(id uint64) Entry { return with(describe(id), func(d *Describe) { d.Priority = 50 }) }
	for _, x := range []struct {
		name string
		desk func() *desk
		want uint64
		in   int // ticks
	}{
		{"further", func() *desk { return choosing(t, at(a, 500), at(b, 500), at(c, 501)) }, c, 1},
		{"last primary", func() *desk { return choosing(t, at(a, 500), at(b, 500), at(c, 500)) }, a, 1},
		{"its replay ends in time", func() *desk {
			d := choosing(t, at(a, 500), at(b, 500), at(c, 500)).there(slow, a)
			return d.nothing(5, ReplayOfPrimary).there(standby(), a)
		}, a, 1},
		{"its replay does not", func() *desk { return choosing(t, at(a, 500), at(b, 500), at(c, 500)).there(slow, a) }, b, 21},
		{"further, though its replay is not done", func() *desk { return choosing(t, at(a, 400), at(b, 500), at(c, 400)).there(slow, b) }, b, 1},
		{"replay", func() *desk { return choosing(t, at(a, 400), at(b, 500), at(c, 500)).there(slow, b) }, c, 1},
		{"priority", func() *desk {
			d := choosing(t, at(a, 400), at(b, 500), at(c, 500))
			d.do(low(b))
			return d
		}, c, 1},
		{"node id", func() *desk { return choosing(t, at(a, 400), at(b, 500), at(c, 500)) }, b, 1},
		{"failed before", func() *desk {
			d := choosing(t, at(a, 500), at(b, 400), at(c, 500))
			d.s.Member(a).Failed = 1
			return d
		}, c, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := x.desk()
			n := d.ticks(30)
			if g, ok := d.out.Append.(Grant); !ok || g.Primary != x.want || n != x.in {
				t.Errorf("after %d ticks %+v (%v), want it after %d for %x", n, d.out.Append, d.out.Nobody, x.in, x.want)
			} else if got := d.apply(g); got.Void != NotVoid {
				t.Errorf("the grant is void: %v", got.Void)
			}
		})
	}
}

// The greatest died before the grant: another epoch begins if the others could pass
// without it, and else it is waited for.
func TestGreatestDies(t *testing.T) {
	d := choosing(t, at(a, 400), at(b, 500), at(c, 400)).gone(b)
	d.expect(1, Begin{3}, 0)

	d = choosing(t, at(b, 500), at(c, 400)).gone(a).gone(b)
	d.nothing(30, GreatestAway)

	d = choosing(t, at(a, 400), at(b, 500), at(c, 400)).there(with(standby(), func(t *Told) { t.Untrusted = true }), b)
	d.expect(1, Begin{3}, 0)

	// One that is there and has not told this leader anything gets its time.
	d = choosing(t, at(a, 400), at(b, 500), at(c, 400)).there(Told{Boot: 1}, b)
	d.nothing(30, GreatestAway)
}

// W is lowered only as the settings allow, and a set names only who is there.
func TestSetOfAGrant(t *testing.T) {
	d := choosing(t, at(b, 500), at(c, 400))
	two := with(DefaultSettings(), func(s *Settings) { s.SyncCount = 2 })
	d.do(Adjust{ModeOn, two})
	d.gone(a).nothing(20, NotEnoughForSet)
	two.Durability = Preferred
	d.do(Adjust{ModeOn, two})
	d.expect(1, Grant{2, b, one(c)}, 0)
	d = choosing(t, at(a, 500)).gone(b).gone(c)
	d.nothing(5, NotEnoughForSet)
	d.do(Adjust{ModeOn, two})
	d.expect(1, Grant{2, a, Set{}}, 0)
}

// In manual, and while founding, the last primary alone gets it.
func TestManual(t *testing.T) {
	d := choosing(t, at(b, 500), at(c, 400))
	d.do(Adjust{ModeManual, DefaultSettings()})
	d.gone(a).nothing(10, NotThePrimary)
	d.do(at(a, 400))
	d.there(standby(), a).nothing(10, NotThePrimary)
	d = choosing(t, at(a, 500), at(b, 500), at(c, 400))
	d.s.Member(a).Failed = 3
	d.do(Adjust{ModeManual, DefaultSettings()})
	d.expect(1, Grant{2, a, one(b, c)}, 0)
}

// Whom most voters do not hear cannot lead: among equals it comes last. As the greatest it
// is left out by a leader that does not hear it, if the others pass without it.
func TestGreatestCannotLead(t *testing.T) {
	hears := func(ids ...uint64) Told {
		return with(standby(), func(t *Told) {
			for _, id := range ids {
				t.Heard = append(t.Heard, Heard{id, 900})
			}
		})
	}
	all := hears(a, b, c, w)
	deaf := with(hears(b, c, w), func(t *Told) { t.Heard = append(t.Heard, Heard{a, 1000}) }) // an election timeout
	d := choosing(t, at(a, 500), at(b, 500), at(c, 500)).there(all, a).there(deaf, b, c)
	d.expect(1, Grant{2, b, one(a, c)}, 0)

	further := func() *desk { return choosing(t, at(a, 501), at(b, 500), at(c, 500)).there(all, a).there(deaf, b, c) }
	d = further().expect(1, nil, b)
	if want := (Why{Reason: GreatestAway, Members: []uint64{a}}); !reflect.DeepEqual(d.out.Nobody, want) {
		t.Errorf("%+v", d.out.Nobody)
	}
	d.nothing(19, GreatestAway).expect(1, nil, b) // that was lost

	further().there(all, c).expect(1, Grant{2, a, one(b, c)}, 0) // it can lead
	noServer := with(deaf, func(t *Told) { t.Server = false })
	further().there(noServer, c).expect(1, Grant{2, a, one(b)}, 0) // the others do not pass without it
}
