package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
)

// Decisions that strike databases are drawn where there are some; all others are as
// without.
func TestDatabasesAreOfTheirOwn(t *testing.T) {
	drawn := 0
	for seed := range uint64(40) {
		o := Options{Seed: seed}
		on, off := o, o
		on.Databases, off.Databases = DatabasesOn, DatabasesOff
		if o.HasDatabases() {
			drawn++
		}
		rest := slices.DeleteFunc(Plan(on), func(d Decision) bool { return KindOf(d.Kind).databases })
		if without := Plan(off); !slices.Equal(rest, without) {
			t.Errorf("seed %d: with databases the others are %v, without they are %v", seed, rest, without)
		}
	}
	if drawn < 10 || drawn > 30 {
		t.Errorf("%d of 40 seeds draw databases", drawn)
	}
}

// What a run's future draws does not decide whether there are databases.
func TestFutureKeepsItsDatabases(t *testing.T) {
	for _, databases := range []string{DatabasesOn, DatabasesOff} {
		for salt := range uint64(4) {
			o := Options{Seed: 3, Duration: 20 * time.Second, Databases: databases}
			r := Future(o, Plan(o), 10*time.Second, salt+1)
			if applied := r.Marks.plain[markDatabaseApplied] > 0; applied != (databases == DatabasesOn) {
				t.Errorf("databases are %s, and entries were applied to one: %v", databases, applied)
			}
		}
	}
}

// The same seed is the same run with databases too, recorded or not.
func TestSameSeedSameDatabases(t *testing.T) {
	for seed := range uint64(4) {
		o := Options{Seed: seed, Databases: DatabasesOn}
		a := Run(o)
		o.Record = func(uint32, []byte) {}
		if b := Run(o); a.Hash != b.Hash || a.Failure != nil {
			t.Errorf("seed %d: hash %x, then %x; %v", seed, a.Hash, b.Hash, a.Failure)
		}
	}
}

// withDatabases is a cluster of three whose databases apply the log, cannot be filled
// from a state, and need all that is behind them at the moment.
func withDatabases(t *testing.T) (w *World, l, f *node) {
	t.Helper()
	w = newWorld(Options{Seed: 3, Databases: DatabasesOn, Faults: []string{}}.withDefaults())
	for _, n := range w.nodes {
		d := n.database
		d.applies, d.imports, d.exports, d.tellEvery, d.flushEvery = true, false, false, 200*time.Millisecond, 50*time.Millisecond
		d.limits, n.timing.SnapshotEntries = retention{entries: 30}, 10
	}
	w, l, f = formedWith(t, w)
	for _, n := range []*node{l, f} {
		if n.database.now.index < 10 || n.heardNeed(l.identity.RaftID) == nil && n != l {
			t.Fatalf("%v has applied %d entries to its database, and heard %+v", n, n.database.now.index, n.needs)
		}
	}
	return w, l, f
}

// Each checker of the databases sees a violation of what it checks, made by hand.
func TestCheckersOfDatabasesFire(t *testing.T) {
	for name, c := range map[string]struct {
		check  string
		break_ func(w *World, l, f *node)
	}{
		"an entry that is left out": {checkDatabase, func(w *World, l, f *node) {
			w.checks.databaseApplied(f, content{index: 5}, content{index: 7})
		}},
		"an entry that is applied twice": {checkDatabase, func(w *World, l, f *node) {
			c := f.database.now
			w.checks.databaseApplied(f, c, c)
		}},
		"an entry with other data": {checkDatabase, func(w *World, l, f *node) {
			f.database.now = empty()
			f.database.now.cluster = f.identity.ClusterUUID
			for i := range f.database.limits.entries {
				f.database.apply(retain.Entry{Index: i + 2, Term: 1, Data: []byte("another")})
			}
		}},
		"an import that goes back": {checkDatabase, func(w *World, l, f *node) {
			c := l.database.now
			w.checks.databaseImported(f, content{index: c.index + 1}, c)
		}},
		"a database that stays behind": {checkLiveness, func(w *World, l, f *node) {
			f.database.now.index = 2
			w.now = w.o.Duration
			w.checks.databasesInTheEnd()
		}},
		"entries that its own database needs": {checkRetain, func(w *World, l, f *node) {
			need := f.database.told.From
			w.checks.trims(f, need-1, need+1)
		}},
		"entries of whose need it knows nothing yet": {checkRetain, func(w *World, l, f *node) {
			f.database.toldAny = false
			w.checks.trims(f, 2, 3)
		}},
		"entries that another database needs": {checkRetain, func(w *World, l, f *node) {
			f.database.flushed.index += 100
			need := l.database.trueNeed()
			w.checks.trims(f, need-1, need+1)
		}},
		"entries that a silent member's database needs": {checkRetain, func(w *World, l, f *node) {
			f.needs, l.database.flushed.index = nil, 5
			w.checks.trims(f, 5, 7)
		}},
		"entries that nobody needs, for long": {checkRetain, func(w *World, l, f *node) {
			f.disk.dir.retention.entries, f.over = 1, w.now-keptTooLong-time.Second
			f.database.told.From = f.status.Last
			for i := range f.needs {
				f.needs[i].from = f.status.Last
			}
			w.checks.keeps(f)
		}},
		"entries said to be in no log": {checkRetain, func(w *World, l, f *node) {
			i := l.disk.dir.last() - 2
			w.checks.saysMissing(f, core.Gap{From: i, To: i})
		}},
		"an answer that nobody asked for": {checkRetain, func(w *World, l, f *node) {
			f.database.fetched(retain.Fetched{ID: 1 << 40})
		}},
		"a part of a state that nobody asked for": {checkRetain, func(w *World, l, f *node) {
			f.database.statePart(retain.StatePart{ID: 1 << 40})
		}},
		"parts of two states": {checkRetain, func(w *World, l, f *node) {
			a, b := l.database.now, l.database.now
			b.hash++
			f.database.part = append(encodeState(a, w.databases.state)[:stateHeader], encodeState(b, 1000)[stateHeader:]...)
			f.database.fill()
		}},
		"history lost to a snapshot": {checkHistory, func(w *World, l, f *node) {
			s := &core.Snapshot{Index: f.status.Applied + 10, Term: f.status.Term}
			b := core.Persist{Seq: 1 << 40, Snapshot: s}
			f.seen.applied = f.status.Applied
			w.checks.installs(f, &b)
			w.checks.stores(f, &b)
		}},
		"an entry kept that was never committed": {checkHistory, func(w *World, l, f *node) {
			d := f.disk.dir
			e := *d.entry(d.snapshot.Index)
			e.Data = []byte("another")
			d.log[d.snapshot.Index-d.first] = e
			w.checks.holdsCommitted(f)
		}},
		"a gap that another member can fill": {checkHistory, func(w *World, l, f *node) {
			d := f.disk.dir
			d.log[d.snapshot.Index-1-d.first] = core.Entry{}
			w.checks.gapsInTheEnd()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := withDatabases(t)
			c.break_(w, l, f)
			if w.failure == nil || w.failure.Check != c.check {
				t.Fatalf("got %v, want a violation of %s", w.failure, c.check)
			}
		})
	}
}

// What is so only as long as a node's core takes one input at a time is not demanded of a
// batch.
func TestDatabaseCheckersLeaveBatches(t *testing.T) {
	for name, happens := range map[string]func(w *World, f *node){
		"a snapshot before the first that is said of a database": func(w *World, f *node) {
			b := core.Persist{Seq: 1 << 40, Snapshot: &core.Snapshot{Index: f.status.Applied + 10, Term: f.status.Term}}
			f.seen.applied, f.database.given = f.status.Applied, false
			w.checks.installs(f, &b)
			w.checks.stores(f, &b)
		},
		"what a node drops once it is removed": func(w *World, f *node) {
			f.core.Step(core.RemovedByPeer{})
			need := f.database.told.From
			w.checks.trims(f, need-1, need+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, f := withDatabases(t)
			happens(w, f)
			if w.failure != nil {
				t.Fatal(w.failure)
			}
		})
	}
}
