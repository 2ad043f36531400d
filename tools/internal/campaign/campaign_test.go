package campaign

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/sim"
)

// What --faults reads, a command prints so that it is read as the same again.
func TestFaultsAreReadAsPrinted(t *testing.T) {
	for _, c := range []struct{ args, printed string }{
		{"none", "none"},
		{"crash", "crash"},
		{"crash,loss", "loss,crash"},
		{"-hold", "-hold"},
		{"-hold,-crash", "-hold,-crash"},
		{"crash,loss,-crash", "loss"},
	} {
		l, err := Faults(strings.Split(c.args, ","))
		if err != nil {
			t.Fatal(err)
		}
		if got := FaultList(l); got != c.printed {
			t.Errorf("--faults %s is printed as %s", c.args, got)
		}
		if again, err := Faults(strings.Split(FaultList(l), ",")); err != nil || !slices.Equal(again, l) {
			t.Errorf("--faults %s became %v, %v", c.args, again, err)
		}
	}
	if l, err := Faults(nil); l != nil || err != nil {
		t.Errorf("no --faults: %v, %v", l, err)
	}
	if _, err := Faults([]string{"-gravity"}); err == nil || !strings.Contains(err.Error(), "gravity") {
		t.Errorf("an unknown fault: %v", err)
	}
}

func TestCommand(t *testing.T) {
	if got := Command(sim.Options{}, 7); got != "pgraft sim --seed 7" {
		t.Error(got)
	}
	o := sim.Options{Nodes: 5, Duration: 40 * time.Second, Rate: 7, Databases: sim.DatabasesOn, Faults: []string{"loss"}, Without: []string{"bounds"}}
	if got := Command(o, 7); got != "pgraft sim --seed 7 --nodes 5 --duration 40s --rate 7 --databases on --faults loss --without bounds" {
		t.Error(got)
	}
}

// Shards share out the seeds: each is run once, and the sums are those of one
// machine.
func TestShards(t *testing.T) {
	run := func(o Options) Stats {
		o.Sim = sim.Options{Seed: 50, Duration: 20 * time.Second, Faults: []string{"crash"}}
		r, err := Run(context.Background(), o, func(Stats) {})
		if err != nil {
			t.Fatal(err)
		}
		r.Elapsed = 0
		return r.Stats
	}
	whole := run(Options{Seeds: 6, Workers: 2, Twice: 1})
	var sum Stats
	for i := range uint64(3) {
		s := run(Options{Seeds: 2, Workers: 1, Shard: i, Shards: 3, Twice: 1})
		sum = Stats{Seeds: sum.Seeds + s.Seeds, Events: sum.Events + s.Events, Simulated: sum.Simulated + s.Simulated, Twice: sum.Twice + s.Twice}
	}
	if !reflect.DeepEqual(whole, sum) || whole.Seeds != 6 || whole.Twice != 6 {
		t.Errorf("one machine: %+v; three shards: %+v", whole, sum)
	}
}
