package failover

import (
	"fmt"
	"reflect"
	"testing"
)

// desk is one member's machine with what is around it, in ticks of 100 ms: an election
// timeout is 10 ticks, failover_delay and seal_timeout 20.
type desk struct {
	*script
	m     *Machine
	a     Around
	out   Output
	heard map[uint64]bool // whom this node hears now
	tells map[uint64]Told // what they tell with each tick
}

func sit(x *script, self uint64) *desk {
	d := &desk{script: x, m: New(Config{Self: self, TickMillis: 100, ElectionTicks: 10, SealMillis: 2000}, 1, 0),
		heard: map[uint64]bool{}, tells: map[uint64]Told{}}
	d.a = Around{Term: 5, Leader: self, Leads: true, Lease: true, Quorum: true, Current: true, Voters: []uint64{a, b, c, w}, State: &x.s}
	for _, id := range []uint64{a, b, c, w} {
		if id != self {
			d.a.Peers = append(d.a.Peers, Peer{ID: id, Silent: Never})
		}
	}
	return d
}

// standby is what a standby tells; primary, what a primary does.
func standby() Told {
	return Told{Boot: 1, Applied: 1000, Server: true, Recovery: true, Timeline: 1, ReplayDone: true}
}

func primary() Told { return with(standby(), func(t *Told) { t.Recovery, t.Timeline = false, 1 }) }

// there lets members be heard, and tell something, from now on.
func (d *desk) there(told Told, ids ...uint64) *desk {
	for _, id := range ids {
		d.heard[id], d.tells[id] = true, told
	}
	return d
}

// gone lets nobody hear a member from now on.
func (d *desk) gone(id uint64) *desk {
	d.heard[id] = false
	return d
}

// server is this node's, as a standby that has sealed what it should.
func (d *desk) server(f func(*Server)) *desk {
	v := Server{Recovery: true, Joined: true, Address: fmt.Sprintf("host=%d", uint32(d.m.cfg.Self)), Priority: 100,
		History: []Branch{{1, 0}}, End: 500, Noted: 1, ReplayDone: true}
	if f != nil {
		f(&v)
	}
	d.m.Report(v, d.a.Now)
	return d
}

// ticks lets time pass until something is appended, or leadership given; it returns
// how many ticks it took.
func (d *desk) ticks(n int) int {
	for i := range n {
		d.a.Now++
		for j := range d.a.Peers {
			p := &d.a.Peers[j]
			switch {
			case d.heard[p.ID]:
				p.Silent = 0
				d.m.Hear(p.ID, d.tells[p.ID], d.a.Now)
			case p.Silent != Never:
				p.Silent++
			}
		}
		if d.out = d.m.Decide(d.a); d.out.Append != nil || d.out.Transfer != 0 {
			return i + 1
		}
	}
	return n
}

// expect lets time pass: after exactly n ticks there is this entry and transfer.
func (d *desk) expect(n int, e Entry, transfer uint64) *desk {
	d.t.Helper()
	if got := d.ticks(n); got != n || !reflect.DeepEqual(d.out.Append, e) || d.out.Transfer != transfer {
		d.t.Fatalf("after %d ticks, not %d: %T%+v, not %T%+v; leadership to %x, not %x; because %v", got, n,
			d.out.Append, d.out.Append, e, e, d.out.Transfer, transfer, d.out.Nobody)
	}
	return d
}

// nothing lets time pass, and nothing comes of it, for a reason.
func (d *desk) nothing(n int, y WhyNot) *desk {
	d.t.Helper()
	d.expect(n, nil, 0)
	if d.out.Nobody.Reason != y {
		d.t.Fatalf("because %v, not %v", d.out.Nobody.Reason, y)
	}
	return d
}

// witness leads over a primary a and its standbys, all well.
func witness(t *testing.T) *desk {
	d := sit(opened(t), w).there(standby(), b, c).there(primary(), a)
	return d.expect(1, nil, a)
}

func TestPrimaryThatLeads(t *testing.T) {
	d := sit(opened(t), a).there(standby(), b, c).there(Told{Boot: 1, Applied: 1000}, w)
	d.server(func(v *Server) { v.Recovery, v.Flushed = false, 500 })
	d.nothing(200, Nothing)
}

// Leadership goes to the primary that is up, once in a delay. Who has given it away
// and has not followed the primary for a delay begins.
func TestLeadershipGoesToThePrimary(t *testing.T) {
	d := witness(t)
	d.nothing(18, Nothing).expect(2, Begin{2}, 0)

	d = witness(t)
	d.nothing(10, Nothing)
	d.a.Leads, d.a.Leader = false, a
	d.nothing(5, Nothing)
	d.a.Leads, d.a.Leader, d.a.Term = true, w, 7
	d.expect(5, nil, a).nothing(19, Nothing).expect(1, Begin{2}, 0)
}

// One who was cut off after it gave leadership away knows nothing of the primary either.
func TestCutOffAfterLeadershipWasGiven(t *testing.T) {
	d := witness(t)
	d.nothing(5, Nothing)
	d.a.Quorum = false
	d.ticks(1)
	d.a.Quorum = true
	d.nothing(13, Nothing).expect(1, nil, a).nothing(19, Nothing).expect(1, Begin{2}, 0)
}

// One who gave leadership away long ago, and has not led since, knows nothing of how
// it went on.
func TestGaveLeadershipLongAgo(t *testing.T) {
	d := witness(t)
	d.a.Leads, d.a.Leader = false, b
	d.nothing(60, Nothing)
	d.a.Leads, d.a.Leader, d.a.Term = true, w, 7
	d.expect(1, nil, a).nothing(19, Nothing).expect(1, Begin{2}, 0)
}

// A primary that nobody hears: the delay counts from when anyone last heard it.
func TestPrimaryAway(t *testing.T) {
	d := witness(t).gone(a)
	d.nothing(19, PrimaryAway).expect(1, Begin{2}, 0)

	d = witness(t).gone(a)
	d.there(with(standby(), func(t *Told) { t.Heard = []Heard{{a, 1500}} }), c)
	d.ticks(1)
	d.there(standby(), c)
	d.ticks(1) // what c hears is 1.5 s old: before this node's own
	d.nothing(17, PrimaryAway).expect(1, Begin{2}, 0)

	// One who never heard it counts from its own start.
	d = sit(opened(t), w).there(standby(), b, c)
	d.ticks(1)
	d.nothing(18, PrimaryAway).expect(1, Begin{2}, 0)
}

// Who does not hear the primary gives leadership to one who does, once in a delay.
func TestOthersHearThePrimary(t *testing.T) {
	hears := func(ms uint64) Told { return with(standby(), func(t *Told) { t.Heard = []Heard{{a, ms}} }) }
	d := sit(opened(t), w).there(hears(300), b).there(hears(200), c)
	d.expect(1, nil, c).nothing(19, PrimaryAway).expect(1, nil, c)
	d.there(hears(1000), b, c).nothing(60, PrimaryAway) // heard an election timeout ago
}

// The delay is cut short when the primary's process has ended for sure.
func TestPrimaryHasEnded(t *testing.T) {
	port := func(f func(*Port)) Port { return with(Port{Member: a, Epoch: 1, Refuses: true, Reset: true}, f) }
	for _, x := range []struct {
		name  string
		told  Told
		ports []Port
		now   bool
	}{
		{"ended", primary(), []Port{{Member: a, Epoch: 1, Answers: true}, port(func(*Port) {})}, true},
		{"it never answered", primary(), []Port{port(func(*Port) {})}, false},
		{"it answered in another epoch", primary(), []Port{{Member: a, Epoch: 0, Answers: true}, port(func(*Port) {})}, false},
		{"it is another's port", primary(), []Port{{Member: b, Epoch: 1, Answers: true}, port(func(p *Port) { p.Member = b })}, false},
		{"no connection was reset", primary(), []Port{{Member: a, Epoch: 1, Answers: true}, port(func(p *Port) { p.Reset = false })}, false},
		{"the port says nothing", primary(), []Port{{Member: a, Epoch: 1, Answers: true}, port(func(p *Port) { p.Refuses = false })}, false},
		{"it said that it stops", with(primary(), func(t *Told) { t.Stopping = true }),
			[]Port{{Member: a, Epoch: 1, Answers: true}, port(func(*Port) {})}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := witness(t).there(x.told, a)
			d.ticks(1)
			for _, p := range x.ports {
				d.m.See(p, d.a.Now)
			}
			if d.gone(a); x.now {
				d.expect(1, Begin{2}, 0)
			} else {
				d.ticks(9)
				d.nothing(10, PrimaryAway).expect(1, Begin{2}, 0)
			}
		})
	}
}

// What was seen of the port counts no more once the primary is heard.
func TestPrimaryIsBackBeforeItsPort(t *testing.T) {
	d := witness(t)
	d.ticks(1)
	d.m.See(Port{Member: a, Epoch: 1, Answers: true}, d.a.Now)
	d.m.See(Port{Member: a, Epoch: 1, Refuses: true, Reset: true}, d.a.Now)
	d.a.Leader = a
	d.nothing(10, Nothing)
}

// A primary's server in recovery, though its epoch has forked, ends the epoch at once.
func TestPrimaryRestarted(t *testing.T) {
	d := witness(t).there(standby(), a)
	d.expect(1, Begin{2}, 0)

	// What it said before it knew of its epoch says nothing.
	d = sit(forked(t), w).there(standby(), a, c).there(with(standby(), func(t *Told) { t.Applied = 9 }), b)
	d.nothing(20, PrimaryAway).expect(1, Begin{3}, 0)

	// Also where it is the leader itself.
	d = sit(opened(t), a).there(standby(), b, c).there(Told{Boot: 1}, w).server(nil)
	d.expect(1, Begin{2}, 0)
}

// A node that has not said what its server is gets a delay, from each new leader.
func TestPrimaryWithoutItsServer(t *testing.T) {
	d := sit(opened(t), w).there(standby(), b, c).there(Told{Boot: 2, Applied: 1000}, a)
	d.a.Leads, d.a.Leader = false, b
	d.ticks(100)
	d.a.Leads, d.a.Leader, d.a.Term = true, w, 6
	d.nothing(20, PrimaryAway).expect(1, Begin{2}, 0)

	d = witness(t).there(Told{Boot: 2, Applied: 1000}, a)
	d.nothing(18, PrimaryAway).nothing(1, PrimaryAway).expect(1, Begin{2}, 0)

	d = sit(opened(t), a).there(standby(), b, c).there(Told{Boot: 1}, w)
	d.nothing(20, PrimaryAway).expect(1, Begin{2}, 0)
}

func TestPrimaryQuarantined(t *testing.T) {
	d := witness(t)
	d.do(Quarantine{Member: a, Reason: QuarantinedByOperator})
	d.expect(1, Begin{2}, 0)
}

// A grantee has the delay from when its replay last moved, and one more for each time
// that it failed.
func TestGranteePromotes(t *testing.T) {
	d := sit(granted(t), w).there(primary(), a).there(standby(), b, c)
	d.expect(1, nil, b).nothing(10, PrimaryPromotes)
	d.there(with(standby(), func(t *Told) { t.Replayed = 7 }), b)
	d.expect(10, nil, b).nothing(10, PrimaryPromotes).expect(1, Begin{3}, 0)
	d.do(Begin{3}, Report{3, b, 1, Position{1, 500}, nil}, Report{3, c, 1, Position{1, 400}, nil}, Grant{3, b, one(c)})
	d.expect(1, nil, b).nothing(19, PrimaryPromotes).expect(1, nil, b).nothing(19, PrimaryPromotes).expect(1, Begin{4}, 0)

	// What is on its timeline already cannot be promoted again.
	d = sit(granted(t), w).there(primary(), a).there(standby(), c).there(with(standby(), func(t *Told) { t.Timeline = 2 }), b)
	d.expect(1, Begin{3}, 0)

	// The grantee that leads sees its own replay.
	d = sit(granted(t), b).there(primary(), a).there(standby(), c).there(Told{Boot: 1}, w).server(nil)
	d.nothing(10, PrimaryPromotes).server(func(v *Server) { v.Replayed = 7 }).nothing(19, PrimaryPromotes).expect(1, Begin{3}, 0)
}

// A forked epoch whose set is not there gets a delay, as another one has another set.
func TestForkedWithoutItsSet(t *testing.T) {
	d := sit(forked(t), b).there(standby(), a).there(Told{Boot: 1}, w)
	d.server(func(v *Server) { v.Recovery, v.History = false, []Branch{{1, 0}, {2, 500}} })
	d.there(standby(), c).nothing(30, Nothing)
	d.gone(c).ticks(9)
	d.nothing(19, Nothing).expect(1, Begin{3}, 0)

	// After grants that came to nothing it gets one more for each: c makes its data anew.
	d.s.Member(b).Failed = 2
	d.m.sent = nil
	d.there(standby(), c).nothing(30, Nothing).gone(c).ticks(9)
	d.nothing(59, Nothing).expect(1, Begin{3}, 0)
}

// No epoch begins that could not be granted.
func TestNoNeedlessBegin(t *testing.T) {
	// b alone does not know what c has.
	d := witness(t).gone(a).gone(c)
	d.nothing(40, NobodyCouldPass)
	if !reflect.DeepEqual(d.out.Nobody.Members, []uint64{a, c}) {
		t.Errorf("of %x", d.out.Nobody.Members)
	}
	// With a's return it is granted, but not without standbys.
	d = witness(t).there(standby(), a).gone(b).gone(c)
	d.ticks(9)
	d = witness(t).gone(b).gone(c)
	d.ticks(11)
	d.there(standby(), a).nothing(5, NotEnoughForSet)
	d.do(Adjust{ModeOn, with(DefaultSettings(), func(s *Settings) { s.Durability = Preferred })})
	d.expect(1, Begin{2}, 0)

	// Whose data went back, or whose server is not there, does not count.
	d = witness(t).gone(a).there(with(standby(), func(t *Told) { t.Untrusted = true }), c)
	d.nothing(40, NobodyCouldPass)
	d = witness(t).gone(a).there(Told{Boot: 1}, c)
	d.nothing(40, NobodyCouldPass)

	// In manual only the last primary gets it.
	d = witness(t).gone(a)
	d.do(Adjust{ModeManual, DefaultSettings()})
	d.nothing(40, NotThePrimary).there(standby(), a).expect(1, Begin{2}, 0)
	d = sit(founding(t), w).there(standby(), b, c)
	d.nothing(40, NotThePrimary)
}

// A leader whose term has no committed entry yet decides nothing, and says so: a follower
// that needs a snapshot, which does not get through, keeps it there.
func TestLeaderWithoutAnEntrySaysWhy(t *testing.T) {
	d := witness(t).gone(a)
	d.a.Leads, d.a.Lease = false, false
	d.nothing(40, EntryUnderWay)
	d.a.Leader = b
	d.nothing(1, Nothing)
}

// Begin is appended once in a term, unless the log did not take it.
func TestBeginOnce(t *testing.T) {
	d := witness(t).gone(a)
	d.expect(20, Begin{2}, 0).nothing(50, EntryUnderWay)
	d.m.Refused()
	d.expect(1, Begin{2}, 0).nothing(50, EntryUnderWay)
	d.a.Term++
	d.expect(1, Begin{2}, 0)
}

// A machine that cannot count time, or does not know which boot it is, is a mistake.
func TestMachineNeedsItsConfig(t *testing.T) {
	good := Config{Self: a, TickMillis: 100, ElectionTicks: 10}
	for name, spoil := range map[string]func(*Config) uint64{
		"self":  func(c *Config) uint64 { c.Self = 0; return 1 },
		"tick":  func(c *Config) uint64 { c.TickMillis = 0; return 1 },
		"ticks": func(c *Config) uint64 { c.ElectionTicks = 0; return 1 },
		"boot":  func(*Config) uint64 { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			boot := spoil(&c)
			defer func() {
				if recover() == nil {
					t.Error("it is made")
				}
			}()
			New(c, boot, 0)
		})
	}
	m := New(good, 1, 0)
	if got := m.silent(b, Around{}); got != Never {
		t.Errorf("who is no member was heard %d ticks ago", got)
	}
}

// That somebody heard a member stays known when who said so starts again, and knows
// nothing of it any more: the delay counts from then on.
func TestHeardOutlivesARestart(t *testing.T) {
	d := sit(opened(t), b)
	d.ticks(5)
	d.m.Hear(c, with(standby(), func(t *Told) { t.Heard = []Heard{{a, 0}} }), d.a.Now)
	at := d.a.Now
	d.ticks(3)
	d.m.Hear(c, with(standby(), func(t *Told) { t.Boot, t.Heard = 2, nil }), d.a.Now)
	for i := range d.a.Peers {
		d.a.Peers[i].Silent = Never
	}
	if got := d.m.lastHeard(a, d.a); got != at {
		t.Errorf("heard at tick %d, not %d", got, at)
	}
}
