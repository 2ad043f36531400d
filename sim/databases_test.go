package sim

import (
	"testing"
	"time"
)

// Without databases a run is what it was before there were any; with databases it is
// another one, and its decisions are the same but for those that strike databases.
func TestDatabasesAreOfTheirOwn(t *testing.T) {
	drawn := 0
	for seed := range uint64(40) {
		o := Options{Seed: seed}
		on, off := o, o
		on.Databases, off.Databases = DatabasesOn, DatabasesOff
		if o.HasDatabases() {
			drawn++
		}
		var rest []Decision
		for _, d := range Plan(on) {
			if !KindOf(d.Kind).databases {
				rest = append(rest, d)
			}
		}
		without := Plan(off)
		if len(rest) != len(without) {
			t.Fatalf("seed %d: %d decisions with databases, %d without", seed, len(rest), len(without))
		}
		for i := range rest {
			if rest[i] != without[i] {
				t.Errorf("seed %d: %v with databases, %v without", seed, rest[i], without[i])
			}
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
			for _, d := range r.Decisions {
				if KindOf(d.Kind).databases && databases == DatabasesOff {
					t.Errorf("%v, and there are no databases", d)
				}
			}
		}
	}
}
