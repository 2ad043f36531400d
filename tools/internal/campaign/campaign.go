// Package campaign runs many seeds of the simulator side by side and adds up
// what came of them.
package campaign

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/sim"
)

// Options say which seeds to run and how.
type Options struct {
	Sim     sim.Options   // of every run; its Seed is the first one
	Seeds   uint64        // how many; 0 = as many as For allows
	For     time.Duration // of real time; 0 = no limit
	Workers int           // 0 = one per core
	Shard   uint64        // of Shards, from 0: this campaign runs the seeds that are its
	Shards  uint64        // 0 means 1
	Twice   float64       // share of the seeds that are run twice and compared, 0 to 1
	// Failed, when not nil, is called at once with the first seed that each
	// checker stops, maxFailedCalls at most, one call at a time. The other
	// workers go on meanwhile.
	Failed func(Failure)
}

// maxFailedCalls bounds the calls of Options.Failed.
const maxFailedCalls = 5

// maxFailures bounds the failures that are kept; all are counted.
const maxFailures = 100

// Failure is a seed that a checker stopped.
type Failure struct {
	Seed      uint64   `json:"seed"`
	Check     string   `json:"check"`
	Detail    string   `json:"detail"`
	At        string   `json:"at"`
	Decisions []string `json:"decisions"`
	Command   string   `json:"command"` // that shows it again
}

// Stats are a campaign so far.
type Stats struct {
	Seeds     uint64        `json:"seeds"`
	Events    uint64        `json:"events"`
	Simulated time.Duration `json:"simulated_ns"`
	Elapsed   time.Duration `json:"elapsed_ns"`
	Failed    uint64        `json:"failed"`
	Twice     uint64        `json:"run_twice"`
}

// SeedsPerHour, EventsPerSecond: of real time.
func (s Stats) SeedsPerHour() float64 { return float64(s.Seeds) / max(s.Elapsed.Hours(), 1e-9) }

// EventsPerSecond is how many events all workers together took in a second.
func (s Stats) EventsPerSecond() float64 { return float64(s.Events) / max(s.Elapsed.Seconds(), 1e-9) }

// Result is a campaign.
type Result struct {
	Stats
	Failures []Failure // ordered by seed, at most maxFailures
	Marks    sim.Marks
	Allocs   uint64 // allocations, as the runtime counted them
}

// Validate says what is wrong with o.
func (o Options) Validate() error {
	switch {
	case o.Seeds == 0 && o.For == 0:
		return fmt.Errorf("say how many seeds to run, or for how long")
	case o.Shards > 0 && o.Shard >= o.Shards:
		return fmt.Errorf("shard %d of %d: want 0 to %d", o.Shard, o.Shards, o.Shards-1)
	case o.Twice < 0 || o.Twice > 1:
		return fmt.Errorf("%v%% of the seeds twice: want 0 to 100%%", o.Twice*100)
	case o.Workers < 0:
		return fmt.Errorf("%d workers", o.Workers)
	}
	return o.Sim.Validate()
}

// Run runs the campaign until it is through or ctx ends; progress is called
// every now and then.
func Run(ctx context.Context, o Options, progress func(Stats)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Shards = max(1, o.Shards)
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	// Little that a run allocates lives long: at 1600 collecting costs a tenth less
	// CPU than at 400, and two workers stay below 300 MB.
	defer debug.SetGCPercent(debug.SetGCPercent(1600))
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	c := &collector{began: time.Now(), o: o}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var next atomic.Uint64
	var wg sync.WaitGroup
	c.running = make([]runningSeed, o.Workers)
	for i := range o.Workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				k := next.Add(1) - 1
				if o.Seeds > 0 && k >= o.Seeds {
					return
				}
				// The k-th seed of this shard.
				seed := o.Sim.Seed + o.Shard + k*o.Shards
				c.begin(i, seed)
				c.add(c.runSeed(seed))
				c.begin(i, 0)
				c.tellFailed()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	watch(c, done, progress)
	runtime.ReadMemStats(&after)
	r := c.result()
	r.Allocs = after.Mallocs - before.Mallocs
	return r, nil
}

func watch(c *collector, done chan struct{}, progress func(Stats)) {
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			progress(c.stats())
			if c.stuck() {
				return // its goroutine cannot be stopped, only left behind
			}
		case <-done:
			return
		}
	}
}

// collector adds up results.
type collector struct {
	o     Options
	began time.Time

	mu      sync.Mutex
	r       Result
	running []runningSeed // by worker
	told    []string      // the checks that Options.Failed was called for
	telling bool          // it is being called
}

type runningSeed struct {
	seed  uint64
	since time.Time
}

// stuckAfter is how long a seed may take: far longer than one ever needs. A core
// that turns in a circle is a finding too.
const stuckAfter = 3 * time.Minute

func (c *collector) begin(worker int, seed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[worker] = runningSeed{seed, time.Now()}
}

// stuck notes a seed that does not end.
func (c *collector) stuck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.running {
		if x.seed == 0 || time.Since(x.since) < stuckAfter {
			continue
		}
		o := c.o.Sim
		o.Seed = x.seed
		c.fail(outcome{Result: sim.Result{Seed: x.seed, Decisions: sim.Plan(o)}},
			Failure{Check: "hang", Detail: fmt.Sprintf("it has not ended after %v", stuckAfter)})
		return true
	}
	return false
}

// tellFailed calls Options.Failed for a failure of a check that it was not called
// for, if there is one.
func (c *collector) tellFailed() {
	c.mu.Lock()
	i := slices.IndexFunc(c.r.Failures, func(f Failure) bool { return !slices.Contains(c.told, f.Check) })
	if c.o.Failed == nil || i < 0 || c.telling || len(c.told) >= maxFailedCalls {
		c.mu.Unlock()
		return
	}
	f := c.r.Failures[i]
	c.told, c.telling = append(c.told, f.Check), true
	c.mu.Unlock()
	c.o.Failed(f)
	c.mu.Lock()
	c.telling = false
	c.mu.Unlock()
}

type outcome struct {
	sim.Result
	twice  bool
	differ error
}

func (c *collector) runSeed(seed uint64) outcome {
	o := c.o.Sim
	o.Seed = seed
	draw := sim.For(seed, "twice")
	if draw.Chance(int(c.o.Twice * 1e6)) {
		r, err := sim.Twice(o)
		return outcome{r, true, err}
	}
	return outcome{Result: sim.Run(o)}
}

func (c *collector) add(r outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Seeds++
	c.r.Events += r.Events
	c.r.Simulated += r.Time
	if r.twice {
		c.r.Twice++
	}
	c.r.Marks.Merge(&r.Marks)
	if r.differ != nil {
		c.fail(r, Failure{Check: "deterministic", Detail: r.differ.Error()})
	}
	if r.Failure != nil {
		c.fail(r, Failure{Check: r.Failure.Check, Detail: r.Failure.Detail, At: r.Failure.At.String()})
	}
}

func (c *collector) fail(r outcome, f Failure) {
	c.r.Failed++
	if len(c.r.Failures) >= maxFailures {
		return
	}
	f.Seed, f.Command = r.Seed, Command(c.o.Sim, r.Seed)
	for _, d := range r.Decisions {
		f.Decisions = append(f.Decisions, d.String())
	}
	c.r.Failures = append(c.r.Failures, f)
}

func (c *collector) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.r.Stats
	s.Elapsed = time.Since(c.began)
	return s
}

func (c *collector) result() *Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.r
	r.Failures = slices.Clone(c.r.Failures)
	r.Elapsed = time.Since(c.began)
	slices.SortFunc(r.Failures, func(a, b Failure) int {
		if a.Seed < b.Seed {
			return -1
		}
		return 1
	})
	return &r
}
