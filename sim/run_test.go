package sim

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// The same seed is the same run to the byte, alone, side by side with others,
// and with tracing on.
func TestSameSeedSameRun(t *testing.T) {
	const seeds = 6
	var alone, beside [seeds]Result
	o := Options{Duration: 40 * time.Second}
	for i := range alone {
		o.Seed = uint64(100 + i)
		alone[i] = Run(o)
	}
	var wg sync.WaitGroup
	for i := range beside {
		o := o
		o.Seed, o.Trace = uint64(100+i), func(string) {}
		wg.Go(func() { beside[i] = Run(o) })
	}
	wg.Wait()
	for i := range alone {
		if a, b := alone[i], beside[i]; a.Hash != b.Hash || a.Events != b.Events || a.Events == 0 {
			t.Errorf("seed %d: hash %x after %d events, beside others %x after %d", a.Seed, a.Hash, a.Events, b.Hash, b.Events)
		}
		if i > 0 && alone[i].Hash == alone[i-1].Hash {
			t.Errorf("seeds %d and %d have the same hash", alone[i].Seed, alone[i-1].Seed)
		}
	}
	if r, err := Twice(o); err != nil {
		t.Errorf("seed %d: %v", r.Seed, err)
	}
}

// A few hundred seeds find nothing, every kind of fault strikes in some of
// them, and they go everywhere that a campaign has to go.
func TestSeedsAreClean(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 60
	}
	var mu sync.Mutex
	var all Marks
	var wg sync.WaitGroup
	next := make(chan uint64)
	for range 2 {
		wg.Go(func() {
			for seed := range next {
				r := Run(Options{Seed: seed})
				mu.Lock()
				all.Merge(&r.Marks)
				mu.Unlock()
				if r.Failure != nil {
					t.Errorf("%v; again: pgraft sim --seed %d", r.Failure, seed)
				}
			}
		})
	}
	for i := range seeds {
		next <- uint64(10_000 + i)
	}
	close(next)
	wg.Wait()
	if testing.Short() {
		return
	}
	for _, m := range all.List() {
		if m.Must && m.Count == 0 {
			t.Errorf("%d seeds never reached: %s", seeds, m.Name)
		}
	}
}

// Other sizes of the cluster come right too.
func TestSizes(t *testing.T) {
	for _, nodes := range []int{1, 2, 4, 5} {
		for seed := range uint64(8) {
			if r := Run(Options{Seed: seed, Nodes: nodes, Duration: 30 * time.Second}); r.Failure != nil {
				t.Errorf("%v; again: pgraft sim --seed %d --nodes %d --duration 30s", r.Failure, seed, nodes)
			}
		}
	}
}

// A decision can be left out: the others stand as they were, and the run is one
// that can be repeated.
func TestFewerDecisions(t *testing.T) {
	o := Options{Seed: 12, Duration: 30 * time.Second}
	plan := Plan(o)
	if len(plan) < 5 {
		t.Fatalf("seed 12 draws only %d decisions", len(plan))
	}
	whole := RunWith(o, plan)
	for i := range plan[:5] {
		less := slices.Delete(slices.Clone(plan), i, i+1)
		a, b := RunWith(o, less), RunWith(o, less)
		if a.Hash != b.Hash {
			t.Errorf("without decision %d: %x, then %x", i, a.Hash, b.Hash)
		}
		if a.Failure != nil {
			t.Errorf("without decision %d: %v", i, a.Failure)
		}
	}
	if again := RunWith(o, plan); again.Hash != whole.Hash {
		t.Errorf("the same decisions: %x, then %x", whole.Hash, again.Hash)
	}
}

// What a kind draws does not depend on which others are on.
func TestPlanStands(t *testing.T) {
	for seed := range uint64(50) {
		all := Plan(Options{Seed: seed})
		only := Plan(Options{Seed: seed, Faults: []string{"crash", "partition"}})
		want := slices.DeleteFunc(all, func(d Decision) bool { return d.Kind != "crash" && d.Kind != "partition" })
		if !slices.Equal(only, want) {
			t.Errorf("seed %d: alone %v, among all %v", seed, only, want)
		}
	}
}

// A decision's text says all of it.
func TestDecisionText(t *testing.T) {
	for seed := range uint64(50) {
		for _, d := range Plan(Options{Seed: seed}) {
			if got, err := ParseDecision(d.String()); err != nil || got != d {
				t.Errorf("%v was read as %v, %v", d, got, err)
			}
		}
	}
	for _, s := range []string{"", "5s", "soon crash node=1", "5s crush node=1", "5s crash node=x", "5s crash when=later"} {
		if d, err := ParseDecision(s); err == nil {
			t.Errorf("%q was read as %v", s, d)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Nodes: 10}, {Nodes: -1}, {Duration: time.Second}, {Rate: -5}, {Faults: []string{"gravity"}}, {Without: []string{"doubt"}}} {
		if o.Validate() == nil {
			t.Errorf("%+v is fine", o)
		}
	}
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
}

// With PostgreSQL servers one seed in three has mostly faults of theirs: one kind in four of
// those, and one in eight of the others.
func TestSeedsOfServers(t *testing.T) {
	const seeds = 600
	few, kinds := 0, map[bool][2]int{} // by whether they strike servers: drawn, and all
	for seed := range uint64(seeds) {
		o := Options{Seed: seed, Failover: FailoverOn}
		if plain := (Options{Seed: seed}); plain.isOfServers() {
			t.Fatalf("seed %d without servers is of servers", seed)
		}
		if !o.isOfServers() || o.isCalm() {
			continue
		}
		few++
		drawn := map[string]bool{}
		for _, d := range Plan(o) {
			drawn[d.Kind] = true
		}
		for _, k := range Kinds() {
			if k.databases || k.alone {
				continue
			}
			n := kinds[k.servers]
			if n[1]++; drawn[k.Name] {
				n[0]++
			}
			kinds[k.servers] = n
		}
	}
	of := func(servers bool) float64 { return float64(kinds[servers][0]) / float64(kinds[servers][1]) }
	if few < seeds/5 || few > seeds/3 || of(true) < 0.22 || of(true) > 0.28 || of(false) < 0.1 || of(false) > 0.15 {
		t.Errorf("%d of %d seeds, with %.2f of the kinds that strike servers, and %.2f of the others", few, seeds, of(true), of(false))
	}
}

// One seed in five is calm: it draws one kind in eight, and all patient ones.
func TestCalmSeeds(t *testing.T) {
	const seeds = 1000
	calm, kinds, others, patient := 0, 0, 0, 0
	for seed := range uint64(seeds) {
		o := Options{Seed: seed, Databases: DatabasesOn}
		if !o.isCalm() {
			continue
		}
		calm++
		drawn := map[string]bool{}
		for _, d := range Plan(o) {
			drawn[d.Kind] = true
		}
		for _, k := range Kinds() {
			switch {
			case k.servers: // these runs have none
			case k.patient && !drawn[k.Name]:
				t.Errorf("seed %d is calm and goes without %s", seed, k.Name)
			case k.patient:
				patient++
			case drawn[k.Name]:
				kinds++
				others++
			default:
				others++
			}
		}
	}
	if calm < seeds/6 || calm > seeds/4 || patient == 0 {
		t.Fatalf("%d of %d seeds are calm, and draw %d patient kinds", calm, seeds, patient)
	}
	if share := float64(kinds) / float64(others); share < 0.1 || share > 0.15 {
		t.Errorf("calm seeds draw %.3f of the other kinds, want one in eight", share)
	}
}

// Clocks stay within what the lease allows for, and time is kept exactly.
func TestClocks(t *testing.T) {
	if fastest, slowest := 1_000_000+maxDrift, 1_000_000-maxDrift; fastest*100 > slowest*110 {
		t.Errorf("a clock at %d is more than 10 %% faster than one at %d", fastest, slowest)
	}
	c := clock{rate: 1_000_000 - maxDrift, local: time.Hour}
	for _, d := range []time.Duration{1, time.Microsecond, time.Second, 90 * time.Hour} {
		at := c.trueAt(time.Hour + d)
		if c.at(at) < time.Hour+d || c.at(at-3) >= time.Hour+d {
			t.Errorf("the clock shows %v only at %v, when it is %v", time.Hour+d, at, c.at(at))
		}
	}
	before := c.at(time.Minute)
	c.setRate(time.Minute, 1_000_000+maxDrift)
	if c.at(time.Minute) != before {
		t.Errorf("a change of rate moved the clock from %v to %v", before, c.at(time.Minute))
	}
}

func TestQueueOrder(t *testing.T) {
	var q queue
	s := For(1, "test")
	for i := range 1000 {
		q.push(event{at: time.Duration(s.Below(50)), seq: uint64(i)})
	}
	last := q.pop()
	for len(q.heap) > 0 {
		e := q.pop()
		if e.at < last.at || e.at == last.at && e.seq < last.seq {
			t.Fatalf("%v/%d came after %v/%d", e.at, e.seq, last.at, last.seq)
		}
		last = e
	}
}

// While one disk of three is full, the leader's or another's, with some room left or
// none, the cluster goes on taking what its clients propose on the other nodes.
func TestOneFullDisk(t *testing.T) {
	const begin, long = 10 * time.Second, 20 * time.Second
	for seed := range uint64(8) {
		for _, room := range []int64{0, 100_000} {
			d := Decision{Kind: "disk-full", At: begin, For: long, Node: uint32(seed % 4), Param: room}
			w := newWorld(Options{Seed: seed, Faults: []string{"disk-full"}}.withDefaults())
			w.shape.clients = 6 // one that waits for an index on the full node does nothing else
			w.run([]Decision{d})
			if w.failure != nil {
				t.Errorf("seed %d, %v: %v", seed, d, w.failure)
			}
			var ends []time.Duration
			for _, o := range w.ops {
				if o.kind == opWrite && o.outcome == done && o.ended > begin && o.ended < begin+long {
					ends = append(ends, o.ended)
				}
			}
			slices.Sort(ends)
			pause, last := time.Duration(0), begin
			for _, at := range append(ends, begin+long) {
				pause, last = max(pause, at-last), at
			}
			if len(ends) < 100 || pause > 5*time.Second {
				t.Errorf("seed %d, %v: %d writes were acknowledged meanwhile, and none for %v", seed, d, len(ends), pause)
			}
			t.Logf("%d writes, at most %v between two", len(ends), pause)
		}
	}
}
