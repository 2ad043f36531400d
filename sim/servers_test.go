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
		w.servers.reigns.acked[w.servers.txns] = acked{1, l.server}
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
	checkServerTimeline: func(t *testing.T, w *World, l, f *node) {
		w.checks.forks(l.server, postgres.Event{TLI: 2})
		w.checks.forks(f.server, postgres.Event{TLI: 2})
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
		markServerRewound, markServerCloned, markServerCommits, markServerUnknown, markEpochBegun, markFailedOver} {
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
