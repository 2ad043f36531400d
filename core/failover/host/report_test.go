package host

import (
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

func TestReportOfAStandby(t *testing.T) {
	x := standby()
	x.s.Shared.Decision, x.s.Address, x.s.Priority, x.s.Stopping = 33, "here", 100, true
	x.s.History = []failover.Branch{{Timeline: 1}, {Timeline: 2, Begin: 0x3000}}
	x.s.Commits, x.s.Flushed, x.m.Fork = false, 1, 3 // of a primary, and left out
	x.s.Checkpoint, x.s.Shared.Failover = 2, true    // left out while failover is on
	want := failover.Server{Decision: 33, Recovery: true, Stopping: true, Joined: true, Address: "here", Priority: 100, Sealed: 4, JoinedOn: 1,
		History: x.s.History, Noted: 4, End: 0x5000, Record: x.s.End.Record, Replayed: 0x5000, ReplayDone: true}
	follows := failover.Token{Epoch: 5, Boot: 3, Member: 11, Follow: 9}
	for _, c := range []struct {
		name string
		with func(*at)
		want func(*failover.Server)
	}{
		{"as it is", func(*at) {}, func(*failover.Server) {}},
		{"one note is lost", func(x *at) { x.n.Data.Joined = false }, func(r *failover.Server) { r.Joined, r.OneNote = false, true }},
		{"the other one is", func(x *at) { x.n.Store.Joined = false }, func(r *failover.Server) { r.Joined, r.OneNote = false, true }},
		{"both are", out, func(r *failover.Server) { r.Joined = false }},
		{"it replays", func(x *at) { x.s.Replayed = 0x4fff }, func(r *failover.Server) { r.Replayed, r.ReplayDone = 0x4fff, false }},
		{"its end is on another timeline than its replay", func(x *at) { x.s.Timeline = 1 }, func(*failover.Server) {}},
		{"its last timeline is nobody's", func(x *at) { x.s.End.Timeline = 3 }, func(r *failover.Server) { r.Noted = 0 }},
		{"it was a primary there", func(x *at) { x.n.Data.Wrote = []uint32{2} }, func(r *failover.Server) { r.Wrote = true }},
		{"it was a primary elsewhere", func(x *at) { x.n.Data.Wrote = []uint32{1} }, func(*failover.Server) {}},
		{"data in doubt", func(x *at) { x.n.Data.Doubt = failover.DoubtBelow }, func(r *failover.Server) { r.Untrusted = true }},
		{"damage", func(x *at) { x.m.Damage = failover.QuarantinedUnguarded }, func(r *failover.Server) { r.Damage = failover.QuarantinedUnguarded }},
		{"short, as its source's epoch is over", func(x *at) { x.n.Data.Anew, x.s.Short = 4, true }, func(r *failover.Server) { r.Untrusted, r.OnlyClone = true, true }},
		{"short, and its source goes on", func(x *at) { x.n.Data.Anew, x.s.Short = 5, true }, func(*failover.Server) {}},
		{"short, and not made anew", func(x *at) { x.s.Short = true }, func(*failover.Server) {}},
		{"made anew, and whole", func(x *at) { x.n.Data.Anew = 4 }, func(*failover.Server) {}},
		{"it receives from somebody", func(x *at) { x.s.Receives, x.m.Lacks, x.m.Ended = true, true, true }, func(r *failover.Server) { r.Streaming = true }},
		{"it has a source", func(x *at) { x.s.Source, x.m.Follows = true, follows }, func(r *failover.Server) { r.Streaming, r.Follows = true, follows }},
		{"its source lacks WAL", func(x *at) { x.s.Source, x.m.Follows, x.m.Lacks = true, follows, true }, func(r *failover.Server) { r.Streaming, r.Follows, r.Lacks = true, follows, true }},
		{"its source has ended", func(x *at) { x.s.Source, x.m.Follows, x.m.Ended = true, follows, true }, func(r *failover.Server) { r.Streaming, r.Follows, r.Ended = true, follows, true }},
		{"failover is off", func(x *at) { x.s.Shared.Failover = false }, func(r *failover.Server) { r.Checkpoint = 2 }},
		{"it has no source any more", func(x *at) { x.m.Follows, x.m.Lacks, x.m.Ended = follows, true, true }, func(*failover.Server) {}},
	} {
		x, want := x, want
		x.n.Data = x.n.Data.Clone()
		c.with(&x)
		c.want(&want)
		if got := Report(&x.n, &x.m, &x.s); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", c.name, got, want)
		}
	}
}

// A look at a server whose promotion is about to end shows what a crash there leaves behind. The
// leader would begin another epoch, as it cannot be promoted to that timeline again.
func TestBetween(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(*at)
		want bool
	}{
		{"its timeline has begun", func(*at) {}, true},
		{"not yet", func(x *at) { x.s.End.Timeline = 1 }, false},
		{"it takes writes", func(x *at) { x.s.Recovery, x.s.Production = false, true }, false},
		{"it has started again since", func(x *at) { x.m.Starts() }, false},
		{"it is promoted in a later epoch", func(x *at) { x.m.Promoting = 5 }, false},
	} {
		x := standby() // on timeline 2 of epoch 4
		x.m.Promoting = 4
		c.with(&x)
		if got := x.m.Between(&x.n, &x.s); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestReportOfAPrimary(t *testing.T) {
	x := primary()
	x.n.Data.Doubt, x.m.Damage, x.n.Data.Wrote = failover.DoubtBelow, failover.QuarantinedUnguarded, []uint32{2} // of a standby, and left out
	x.s.Checkpoint, x.m.Fork, x.s.End.LSN, x.s.Replayed = 0x5400, 0x5010, 1, 2
	x.s.Shared.Switchover = 0
	names := failover.Names{Epoch: 5, Boot: 9, W: 1, Members: []uint64{11}}
	senders := []failover.Sender{{Token: failover.Token{Epoch: 5, Member: 11}, Flushed: 0x5700}}
	want := failover.Server{Joined: true, Sealed: 4, JoinedOn: 1, Noted: 4, Flushed: 0x5800, Fork: 0x5010, Checkpoint: 0x5400, End: 0x5800, Replayed: 0x5800, ReplayDone: true}
	for _, c := range []struct {
		name string
		with func(*at)
		want func(*failover.Server)
	}{
		{"as it is", func(*at) {}, func(*failover.Server) {}},
		{"a switchover, and no commit under way", func(x *at) { x.s.Shared.Switchover = 40 }, func(r *failover.Server) { r.Quiet = 40 }},
		{"a switchover, and commits under way", func(x *at) { x.s.Shared.Switchover, x.s.Commits = 40, true }, func(*failover.Server) {}},
		{"boots that it knows of", func(x *at) { x.s.Shared.Boots = 33 }, func(r *failover.Server) { r.Boots = 33 }},
		{"names in force", func(x *at) { x.m.Names, x.s.NamesInForce = names, true }, func(r *failover.Server) { r.Names = names }},
		{"names that are not yet", func(x *at) { x.m.Names = names }, func(*failover.Server) {}},
		{"nobody's names in force", func(x *at) { x.m.Names, x.s.NamesInForce = failover.Names{W: 1}, true }, func(*failover.Server) {}},
		{"a walsender", func(x *at) { x.s.Senders = senders }, func(r *failover.Server) { r.Senders = senders }},
		{"its timeline is nobody's", func(x *at) { x.s.Timeline = 3 }, func(r *failover.Server) { r.Noted = 0 }},
	} {
		x, want := x, want
		c.with(&x)
		c.want(&want)
		if got := Report(&x.n, &x.m, &x.s); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", c.name, got, want)
		}
	}
}

// Failover is founded once no commit of before is under way, and what was inserted by then is
// flushed. It is not founded for another epoch by that.
func TestFounded(t *testing.T) {
	x := primary()
	x.s.Shared = failover.Shared{Epoch: 5, Founding: true, Primary: true}
	x.s.Commits = true
	step := func(name string, flush bool, founded uint64) {
		t.Helper()
		if got := x.m.Founds(&x.s); got != flush {
			t.Errorf("%s: to be flushed %v, want %v", name, got, flush)
		}
		if got := Report(&x.n, &x.m, &x.s).Founded; got != founded {
			t.Errorf("%s: founded in epoch %d, want %d", name, got, founded)
		}
	}
	step("a commit is under way", false, 0)
	x.s.Commits = false
	step("none is", true, 0)
	x.s.Commits, x.s.Inserted, x.s.Flushed = true, 0x9000, 0x5fff
	step("another one has begun since", true, 0)
	x.s.Flushed = 0x6000
	step("what was there is flushed", false, 5)
	for _, c := range []struct {
		name  string
		spoil func()
	}{
		{"it stops", func() { x.s.Production = false }},
		{"it is not the primary", func() { x.s.Shared.Primary = false }},
		{"failover is on", func() { x.s.Shared.Founding = false }},
	} {
		was := x
		c.spoil()
		step(c.name, false, 0)
		x = was
	}
	x.s.Shared.Epoch = 7
	step("the next epoch", false, 0)
	x.s.Commits = false
	step("no commit of before that", true, 0)
	x.m.Starts()
	x.s.Shared.Epoch, x.s.Commits = 5, true
	step("another start", false, 0)
}

func TestUnknown(t *testing.T) {
	for _, c := range []struct {
		name           string
		data, store    bool
		read, recovery bool
		want           failover.Shared
	}{
		{"a standby that was read", true, true, true, true, failover.Shared{Failover: true, Joined: true, Reads: true}},
		{"a standby that was not", true, true, false, true, failover.Shared{Failover: true, Joined: true}},
		{"a primary", true, true, true, false, failover.Shared{Failover: true, Joined: true}},
		{"one note", true, false, true, false, failover.Shared{Failover: true, Joined: true}},
		{"the other note", false, true, true, false, failover.Shared{Failover: true, Joined: true}},
		{"no part", false, false, false, false, failover.Shared{Reads: true}},
	} {
		n := Notes{Data: Data{Joined: c.data}, Store: Store{Joined: c.store}}
		if got := Unknown(&n, c.read, c.recovery); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
