package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// withServers is a cluster whose first server serves, and the second streams from it.
func withServers(t *testing.T) (w *World, leader, follower *node) {
	t.Helper()
	w, leader, _ = formedWith(t, newWorld(Options{Seed: 3, Failover: FailoverOn, Faults: []string{}}.withDefaults()))
	p, v := w.nodes[0].server, w.nodes[1].server
	if id, _ := v.pg.Receiving(); !p.serves() || id != 1 || leader != p.n || len(w.servers.reigns.acked) == 0 {
		t.Fatalf("after 5 s without a fault: %s", w.servers.reasons())
	}
	return w, leader, v.n
}

// breaksOfServers make a violation of each checker of servers; l's serves, f's streams.
var breaksOfServers = map[string]func(t *testing.T, w *World, l, f *node){
	checkServerAck: func(t *testing.T, w *World, l, f *node) {
		f.server.shared.Epoch = 2
		w.servers.txns++
		w.servers.reigns.acked[w.servers.txns] = acked{epoch: 1, server: l.server}
		w.checks.opened(f.server)
	},
	checkServerOne: func(t *testing.T, w *World, l, f *node) {
		f.server.shared.Epoch = 1
		w.checks.opened(f.server)
	},
	checkServerSeen: func(t *testing.T, w *World, l, f *node) {
		f.server.shared.Epoch = 2
		w.servers.txns++
		w.servers.reigns.seen[w.servers.txns] = 1
		w.checks.opened(f.server)
	},
	checkServerLineage: func(t *testing.T, w *World, l, f *node) {
		rows := slices.Clone(f.server.pg.Rows())
		if w.checks.followsLineage(f.server); len(rows) == 0 || w.failure != nil {
			t.Fatalf("%d rows, %v", len(rows), w.failure)
		}
		rows[len(rows)-1].Txn++
		w.checks.sameRows(f.server, l.server, rows, l.server.pg.Rows())
	},
	checkServerApart: func(t *testing.T, w *World, l, f *node) {
		w.checks.handsOn()
		if l.server.apart = true; w.failure != nil {
			t.Fatal(w.failure)
		}
		w.now += time.Minute
		w.checks.handsOn()
	},
	checkServerTimeline: func(t *testing.T, w *World, l, f *node) {
		w.checks.forks(l.server, postgres.Event{TLI: 2})
		w.checks.forks(f.server, postgres.Event{TLI: 2})
	},
	checkServerWord: func(t *testing.T, w *World, l, f *node) {
		f.server.shared.Epoch = 2
		w.servers.txns++
		w.servers.reigns.acked[w.servers.txns] = acked{epoch: 1, server: l.server}
		w.checks.forks(f.server, postgres.Event{TLI: 9})
	},
	checkServerSwitch: func(t *testing.T, w *World, l, f *node) {
		w.checks.switches(l.server)
	},
	checkServerNeedless: func(t *testing.T, w *World, l, f *node) { w.checks.begun(l, 2) },
	checkServerLive: func(t *testing.T, w *World, l, f *node) {
		f.server.pg.EndReceiver()
		w.checks.serversInTheEnd()
	},
	checkServerWhy: func(t *testing.T, w *World, l, f *node) {
		for _, v := range w.servers.all {
			v.shared.Open, v.why, v.nobody = false, failover.Why{}, failover.Why{}
		}
		w.servers.reigns.idleSince = w.now - reasonless - 1
		w.checks.knowsWhy()
	},
	checkServerSet: func(t *testing.T, w *World, l, f *node) {
		x := &w.servers.reigns.inForce
		for txn := range x.commits {
			w.checks.countsFor(txn, x.commits[txn])
		}
		if len(x.commits) == 0 || w.failure != nil {
			t.Fatalf("%d commits, %v", len(x.commits), w.failure)
		}
		x.epoch.Set = failover.Set{W: 1, Members: []uint64{f.identity.RaftID}}
		nowhere := postgres.Record{Kind: postgres.Commit, Start: l.server.pg.Inserted(), Len: 48}
		if w.checks.asRequired(l.server, 0, nowhere); w.failure == nil {
			t.Errorf("on nobody, with %+v", l.core.FailoverState().Settings)
		}
		w.failure = nil
		w.checks.tells(l.server, 0, nowhere)
	},
	checkServerBack: func(t *testing.T, w *World, l, f *node) {
		has := f.server.had
		if w.checks.reported(2, []failover.Reported{{Member: f.identity.RaftID, Position: has}}); has.LSN == 0 || w.failure != nil {
			t.Fatalf("%+v, %v", has, w.failure)
		}
		w.checks.reported(2, []failover.Reported{{Member: f.identity.RaftID, Position: failover.Position{Epoch: has.Epoch, LSN: has.LSN - 1}}})
	},
	checkServerAnew: func(t *testing.T, w *World, l, f *node) {
		w.checks.mayBeAnew(f.server, l.server)
		if w.checks.anew(f.server, l.server); w.failure != nil {
			t.Fatal(w.failure)
		}
		l.server.shared.Epoch++
		if w.checks.anew(f.server, l.server); w.failure == nil {
			t.Error("its source knows of a newer epoch")
		}
		w.failure = nil
		l.server.reigns++
		w.checks.anew(f.server, l.server)
	},
	checkServerMember: func(t *testing.T, w *World, l, f *node) {
		s := l.core.FailoverState()
		if w.checks.namesMembers(l, &s); w.failure != nil {
			t.Fatal(w.failure)
		}
		f.server.blank = true
		w.checks.namesMembers(l, &s)
	},
	checkServerHand: func(t *testing.T, w *World, l, f *node) {
		v, r := f.server, l.server
		if w.checks.quarantinesNobody(); w.failure != nil {
			t.Fatal(w.failure)
		}
		v.pg.SetConninfo(postgres.Conninfo{})
		v.pg.Promote()
		if w.until(w.now + 5*time.Second); w.failure == nil {
			t.Errorf("%v was promoted by hand, and %v says %+v", f, r.n, w.servers.newest().Members)
		}
	},
	checkServer: func(t *testing.T, w *World, l, f *node) {
		p := f.server.pg
		other := postgres.New(9, serverEnv{f.server}, postgres.Config{})
		other.CreateStandbySignal()
		other.Start()
		w.until(w.now + 100*time.Millisecond)
		other.PromoteTo(5)
		w.until(w.now + time.Second)
		p.Kill(false)
		p.RemoveStandbySignal()
		p.RecoverAlone()
		if _, why := p.Rewind(other, true); !p.Damaged() {
			t.Fatal("the rewind was not cut short:", why)
		}
		p.CreateStandbySignal()
		p.Start()
		w.until(w.now + time.Second)
	},
}

// grantedTo is a state in which a node has got epoch 2 after one of another member's.
func grantedTo(n *node, mode failover.Mode, lost failover.Loss) *failover.State {
	e := failover.Epoch{Number: 2, Stage: failover.StageGranted, Primary: n.identity.RaftID, From: failover.Position{Epoch: 1}}
	return &failover.State{Mode: mode, Epoch: e, Last: failover.Reign{Number: 1, Primary: 7}, Past: []failover.Past{{Epoch: 2, Granted: 1, Loss: lost}}}
}

// What a checker of servers looks at in other ways.
func TestCheckersOfServersToo(t *testing.T) {
	for name, c := range map[string]struct {
		check  string
		break_ func(w *World, l, f *node)
	}{
		"acknowledged twice": {checkServerAck, func(w *World, l, f *node) {
			for txn := range w.servers.txns {
				if _, ok := w.servers.reigns.acked[txn]; ok {
					w.checks.acks(l.server, postgres.Event{Txn: txn})
				}
			}
		}},
		"acknowledged after another epoch opened without it": {checkServerAck, func(w *World, l, f *node) {
			w.servers.reigns.openings = append(w.servers.reigns.openings, opening{epoch: 2, server: f.server})
			w.checks.acks(l.server, postgres.Event{Txn: w.servers.txns + 1})
		}},
		"another may acknowledge now": {checkServerOne, func(w *World, l, f *node) {
			l.server.pg, f.server.pg = f.server.pg, l.server.pg // f's is in production
			f.server.shared, f.lease = l.server.shared, l.lease
			f.lease.until = f.clock.at(w.now) + time.Second
			w.checks.acks(l.server, postgres.Event{Txn: w.servers.txns + 1})
		}},
		"two write as failover is off": {checkServerOne, func(w *World, l, f *node) {
			l.server.shared = failover.Shared{}
			w.checks.acksPlainly(f.server, postgres.Event{Txn: w.servers.txns + 1})
		}},
		"one writes as failover is off, and another serves": {checkServerOne, func(w *World, l, f *node) {
			w.checks.acksPlainly(f.server, postgres.Event{Txn: w.servers.txns + 1})
		}},
		"a standby that replays nothing": {checkServerLive, func(w *World, l, f *node) {
			w.checks.walEnds = []walEnd{{w.now - spreadTime, l.server.shared.Epoch, f.server.pg.Replayed() + 1}}
			w.checks.serversInTheEnd()
		}},
		"a report of data that lacks WAL": {checkServerBack, func(w *World, l, f *node) {
			v := f.server
			v.pg.Kill(false)
			v.wentBack = true
			v.pg.CutWAL(v.pg.Control().MinRecovery - 1)
			for end := w.now + 5*time.Second; w.now < end && (v.pg.Phase() == postgres.Down || !v.pg.Short()); {
				w.until(w.now + time.Millisecond)
			}
			w.checks.reported(2, []failover.Reported{{Member: f.identity.RaftID, Boot: v.boot, Position: v.had}})
		}},
		"one with a note left that is not told that failover is off": {checkServerWhy, func(w *World, l, f *node) {
			v := f.server
			v.data.Joined, v.doing, v.notedSince = false, nil, w.now-reasonless-1
			w.checks.isTold(v, true)
		}},
		"a stop while a commit is under way": {checkServerSwitch, func(w *World, l, f *node) {
			s := l.server.pg.Connect()
			s.Write(1<<40, 10)
			s.Commit(nil)
			l.lease.until = 0
			w.checks.switches(l.server)
		}},
		"a switchover that comes to nothing": {checkServerSwitch, func(w *World, l, f *node) {
			w.checks.switchedOver(w.checks.switchesOver(l.server, f.server))
		}},
		"a switchover after which the server of before has new data": {checkServerSwitch, func(w *World, l, f *node) {
			u := w.checks.switchesOver(l.server, f.server)
			u.from, u.to, u.epoch, u.remade = f.server, l.server, 0, 9
			w.checks.switchedOver(u)
		}},
		"a switchover that does not end": {checkServerSwitch, func(w *World, l, f *node) {
			w.servers.propose(l, failover.Request{Epoch: 1, Target: f.identity.RaftID, Way: failover.WaySwitchover, Millis: 3_600_000})
			l.server.pg.HoldCheckpointer(true)
			w.until(w.now + 500*time.Millisecond)
			w.checks.serversInTheEnd()
		}},
		"a switchover that goes on and on": {checkServerSwitch, func(w *World, l, f *node) {
			l.server.pg.HoldCheckpointer(true)
			w.servers.propose(l, failover.Request{Epoch: 1, Target: f.identity.RaftID, Way: failover.WaySwitchover, Millis: 3_600_000})
			w.until(w.now + 300*time.Millisecond)
			w.checks.endsInTime()
			w.servers.reigns.askedAt = w.now - 5*time.Hour
			w.checks.endsInTime()
		}},
		"acknowledged by a member that was": {checkServerMember, func(w *World, l, f *node) {
			l.identity.RaftID++
			w.checks.acks(l.server, postgres.Event{Txn: w.servers.txns + 1})
		}},
		"a report of another Raft id": {checkServerMember, func(w *World, l, f *node) {
			s := l.core.FailoverState()
			s.Reports = []failover.Reported{{Member: f.identity.RaftID + 1<<32}}
			w.checks.namesMembers(l, &s)
		}},
		"given up, and nobody has named that": {checkServerWord, func(w *World, l, f *node) {
			w.checks.hasTheWord(f.server, grantedTo(f, failover.ModeOn, failover.Loss{Missing: []uint64{7}}))
		}},
		"given up further than somebody has named": {checkServerWord, func(w *World, l, f *node) {
			at := failover.Reported{Member: 7, Position: failover.Position{Epoch: 1, LSN: 9}}
			less := at
			less.Position.LSN--
			w.servers.reigns.named[2] = failover.Loss{Greater: []failover.Reported{less}}
			w.checks.hasTheWord(f.server, grantedTo(f, failover.ModeOn, failover.Loss{Greater: []failover.Reported{at}}))
		}},
		"promoted in manual without a word": {checkServerWord, func(w *World, l, f *node) {
			w.checks.hasTheWord(f.server, grantedTo(f, failover.ModeManual, failover.Loss{}))
		}},
		"a transaction twice": {checkServerAck, func(w *World, l, f *node) {
			s := l.server.pg.Connect()
			rows := l.server.pg.Rows()
			s.Level = postgres.Off
			l.server.shared = failover.Shared{Reads: true}
			s.Write(rows[0].Txn, 10)
			s.Commit(nil)
			l.server.shared.Epoch = 2
			w.checks.opened(l.server)
		}},
		"an epoch begins that nobody can pass": {checkServerNeedless, func(w *World, l, f *node) {
			w.until(w.now + longSilent)
			l.server.shared.Open = false // it is no primary that keeps its lease
			w.servers.reigns.openings[0].reign = failover.Reign{Number: 1, Primary: 99, Set: failover.Set{W: 1, Members: []uint64{98}}}
			w.checks.begun(l, 2)
		}},
		"read once another epoch opened without it": {checkServerSeen, func(w *World, l, f *node) {
			w.servers.reigns.openings = append(w.servers.reigns.openings, opening{epoch: 2, server: f.server})
			w.checks.sees(l.server, w.servers.txns+1, true)
		}},
		"nobody serves in the end": {checkServerLive, func(w *World, l, f *node) {
			l.server.shared.Open = false
			w.checks.serversInTheEnd()
		}},
		"a primary that does not serve answers": {checkServerSeen, func(w *World, l, f *node) {
			l.server.shared.Open = false
			w.checks.sees(l.server, 1, false)
		}},
		"no commit for long": {checkServerLive, func(w *World, l, f *node) {
			w.servers.reigns.lastAck = w.now - 5*time.Second
			w.checks.serversInTheEnd()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := withServers(t)
			if c.break_(w, l, f); w.failure == nil || w.failure.Check != c.check {
				t.Fatalf("got %v, want a violation of %s", w.failure, c.check)
			}
		})
	}
}

// A standby that may be read is promoted: from the instant on at which it takes writes,
// and until its epoch is open, it answers nobody. What shared memory says is from before.
func TestNobodyReadsBeforeOpen(t *testing.T) {
	w, l, _ := withServers(t)
	opened := 0
	for _, v := range w.servers.data() {
		saw := v.pg.Hooks.Saw
		v.pg.Hooks.Saw = func(e postgres.Event) {
			saw(e)
			if e.Kind != postgres.Opened {
				return
			}
			opened++
			if s := v.pg.Connect(); s == nil {
				t.Errorf("%v takes no session", v.n)
			} else if _, ok := s.Sees(1); ok {
				t.Errorf("%v answers, and its epoch is not open: %+v", v.n, v.shared)
			}
		}
	}
	l.dies(surviveAll)
	l.server.pg.Kill(false)
	for until := w.now + 20*time.Second; opened == 0 && w.now < until; {
		w.until(w.now + 100*time.Millisecond)
	}
	if opened == 0 {
		t.Fatalf("nobody was promoted: %s", w.servers.reasons())
	}
}

// Runs with failover are clean, are the same each time, and reach what they have to.
func TestFailover(t *testing.T) {
	var marks Marks
	for seed := range uint64(40) {
		o := Options{Seed: 7_000_000 + seed, Failover: FailoverOn}
		var r Result
		var err error
		if seed%5 == 0 {
			r, err = Twice(o)
		} else {
			r = Run(o)
		}
		if err != nil || r.Failure != nil {
			t.Fatalf("%v, %v: pgraft sim --failover on --seed %d", err, r.Failure, o.Seed)
		}
		marks.Merge(&r.Marks)
	}
	for _, k := range []mark{markFenceWaits, markEarlyEndHeld, markAckHeld, markAckOver, markServerDemoted, markServerPromoted, markServerFollows, markSealed,
		markServerRewound, markServerCloned, markServerCommits, markServerUnknown, markEpochBegun, markFailedOver, markSetChanged} {
		if marks.plain[k] == 0 {
			t.Errorf("40 seeds never reached: %s", markNames[k])
		}
	}
}

// Faults that change who is a member, or which build runs, are not drawn with failover;
// those of servers are drawn with it alone.
func TestFailoverFaults(t *testing.T) {
	drawn := map[string]map[string]bool{FailoverOn: {}, FailoverOff: {}}
	for how, all := range drawn {
		for seed := range uint64(60) {
			for _, d := range Plan(Options{Seed: seed, Failover: how, Databases: DatabasesOff}) {
				all[d.Kind] = true
			}
		}
	}
	for _, k := range Kinds() {
		if on := !k.alone && !k.databases; drawn[FailoverOn][k.Name] != on {
			t.Errorf("with failover %s is drawn: %v", k.Name, !on)
		}
		if off := !k.servers && !k.databases; drawn[FailoverOff][k.Name] != off {
			t.Errorf("without failover %s is drawn: %v", k.Name, !off)
		}
	}
	if slices.ContainsFunc(Plan(Options{Seed: 1, Nodes: 1, Failover: FailoverOn}), func(d Decision) bool { return KindOf(d.Kind).servers }) {
		t.Error("a single node has a server that fails over")
	}
}
