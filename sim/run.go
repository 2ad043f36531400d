package sim

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
)

// Options are what a run is about, beside its decisions. The zero value of
// anything but Seed means its default: the standard workload.
type Options struct {
	Seed     uint64
	Nodes    int           // that form the cluster, 3 by default, 1 to 9
	Duration time.Duration // of virtual time, 60 s by default, at least 20 s
	Rate     int           // operations of all clients in a second, 30 by default
	// Faults are the kinds that Plan may draw; nil means all.
	Faults []string
	// Databases says whether the servers have databases that apply the log: "on",
	// "off", or "drawn" by the seed, which "" stands for. It changes nothing else
	// that a seed draws.
	Databases string
	// Failover says whether the nodes have PostgreSQL servers that fail over, in place of
	// databases: "on", "off" (which "" stands for), or "drawn" by the seed.
	Failover string
	// Without names checkers that are off.
	Without []string
	// Trace, when not nil, gets a line for everything that happens.
	Trace func(line string)
	// Record, when not nil, gets the recorded inputs of every node's cores, whole
	// frames of package trace, which it must not keep; Build is what their headers
	// say.
	Record func(node uint32, frames []byte)
	Build  string
	// stop ends a run that shrinking has no use for any more.
	stop func(events uint64) bool
	fork fork
}

// The standard workload.
const (
	DefaultNodes    = 3
	DefaultDuration = time.Minute
	DefaultRate     = 30
)

// The values of Options.Databases.
const (
	DatabasesDrawn = "drawn"
	DatabasesOn    = "on"
	DatabasesOff   = "off"

	// and of Options.Failover.
	FailoverDrawn = "drawn"
	FailoverOn    = "on"
	FailoverOff   = "off"
)

const (
	// formTime is how long the cluster has to form before the first fault.
	formTime = 2 * time.Second
	// settleTime is what is left of a run after the last fault.
	settleTime = 16 * time.Second
	// quietTime is what is left of it after the last operation of a client.
	quietTime = 5 * time.Second
)

// HasDatabases says whether a run has databases.
func (o Options) HasDatabases() bool {
	if o.HasFailover() {
		return false
	}
	switch o.Databases { // "drawn" and "" are left
	case DatabasesOn:
		return true
	case DatabasesOff:
		return false
	}
	s := For(o.Seed, "databases")
	return s.Below(2) == 0
}

// withDatabases is o with what its seed says of the databases written out: a run that
// goes on with another seed keeps them.
func (o Options) withDatabases() Options {
	if o.HasDatabases() {
		o.Databases = DatabasesOn
	} else {
		o.Databases = DatabasesOff
	}
	if o.HasFailover() {
		o.Failover = FailoverOn
	} else {
		o.Failover = FailoverOff
	}
	return o
}

func (o Options) settleAt() time.Duration { return max(formTime, o.Duration-settleTime) }

func (o Options) wants(fault string) bool { return o.Faults == nil || slices.Contains(o.Faults, fault) }

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = DefaultNodes
	}
	if o.Duration == 0 {
		o.Duration = DefaultDuration
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	return o
}

// Describe names the workload.
func (o Options) Describe() string {
	o = o.withDefaults()
	faults := "all faults"
	if o.Faults != nil {
		faults = fmt.Sprintf("%d of %d faults", len(o.Faults), len(Kinds()))
	}
	databases := map[string]string{DatabasesOn: "databases", DatabasesOff: "no databases"}[o.Databases]
	if databases == "" {
		databases = "databases in half of the seeds"
	}
	if o.Failover == FailoverOn || o.Failover == FailoverDrawn {
		databases = map[string]string{FailoverOn: "failover", FailoverDrawn: databases + ", failover in a quarter of the seeds"}[o.Failover]
	}
	checks := "every check on"
	if len(o.Without) > 0 {
		checks = "without " + strings.Join(o.Without, ", ")
	}
	return fmt.Sprintf("%d nodes, %v simulated, %d operations a second, %s, %s drawn, %s", o.Nodes, o.Duration, o.Rate, databases, faults, checks)
}

// Validate says what is wrong with o, nil if nothing is.
func (o Options) Validate() error {
	o = o.withDefaults()
	switch {
	case o.Nodes < 1 || o.Nodes > 9:
		return fmt.Errorf("sim: %d nodes: 1 to 9 can form the cluster", o.Nodes)
	case o.Duration < formTime+settleTime+2*time.Second || o.Duration > time.Hour:
		return fmt.Errorf("sim: a run of %v: 20s to 1h are possible", o.Duration)
	case o.Rate < 1 || o.Rate > 10_000:
		return fmt.Errorf("sim: %d operations a second: 1 to 10000 are possible", o.Rate)
	}
	if !slices.Contains([]string{"", DatabasesDrawn, DatabasesOn, DatabasesOff}, o.Databases) {
		return fmt.Errorf("sim: databases %q: want drawn, on or off", o.Databases)
	}
	if !slices.Contains([]string{"", FailoverDrawn, FailoverOn, FailoverOff}, o.Failover) {
		return fmt.Errorf("sim: failover %q: want drawn, on or off", o.Failover)
	}
	for _, f := range o.Faults {
		if KindOf(f) == nil {
			return fmt.Errorf("sim: no fault is called %q", f)
		}
	}
	for _, c := range o.Without {
		if !slices.Contains(Checks(), c) {
			return fmt.Errorf("sim: no checker is called %q", c)
		}
	}
	return nil
}

// shape is what a seed draws once: how this cluster is set.
type shape struct {
	timing      core.Config
	latency     time.Duration
	syncLatency time.Duration
	clients     int
	values      int // bytes of the largest value
	logs        bool
}

func drawShape(o Options) shape {
	s := For(o.Seed, "shape")
	sh := shape{
		timing: core.Config{
			TickMillis:      Pick(&s, uint64(100), 100, 100, 50),
			ElectionTicks:   s.Int(10, 12),
			HeartbeatTicks:  Pick(&s, 1, 1, 2),
			SnapshotEntries: Pick(&s, uint64(20), 100, 500, 10_000),
			MaxEntryBytes:   8 << 10,
			MaxTailBytes:    Pick(&s, uint64(0), 4<<10, 32<<10, 256<<10),
		},
		latency:     Pick(&s, 100*time.Microsecond, 500*time.Microsecond, 2*time.Millisecond, 10*time.Millisecond),
		syncLatency: Pick(&s, 50*time.Microsecond, time.Millisecond, 5*time.Millisecond, 20*time.Millisecond),
		clients:     s.Int(2, 6),
		values:      Pick(&s, 16, 16, 200, 2000),
		logs:        s.Below(3) == 0,
	}
	if sh.timing.TickMillis == 50 { // as the settings' defaults come to
		sh.timing.ElectionTicks *= 2
		sh.timing.HeartbeatTicks *= 2
	}
	if s.Below(4) == 0 { // many short ticks: there rounding hides no drift
		sh.timing.TickMillis, sh.timing.ElectionTicks, sh.timing.HeartbeatTicks = 25, 40, 4
	}
	return sh
}

// Failure is a violation.
type Failure struct {
	Check  string // which checker saw it
	At     time.Duration
	Event  uint64 // how many events had happened
	Detail string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s at %v (event %d): %s", f.Check, f.At, f.Event, f.Detail)
}

// Signature is what two failures have in common that have the same cause, as
// far as can be told: the check and its words, without those that have a digit.
func (f *Failure) Signature() string {
	words := strings.Fields(f.Detail)
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "#"
		}
	}
	return f.Check + ": " + strings.Join(words, " ")
}

// Result is what came of a run.
type Result struct {
	Seed      uint64
	Decisions []Decision
	Failure   *Failure // nil: no checker found anything
	Hash      uint64
	Events    uint64
	Time      time.Duration // simulated
	Marks     Marks
	steps     []uint64
}

// Run runs a seed with the decisions that Plan draws for it.
func Run(o Options) Result { return RunWith(o, Plan(o)) }

// RunWith runs a seed with other decisions than its own.
func RunWith(o Options, plan []Decision) Result { return simulate(o, plan, nil) }

func simulate(o Options, plan []Decision, steps []uint64) (r Result) {
	o = o.withDefaults()
	w := newWorld(o)
	w.steps = steps
	defer func() {
		if p := recover(); p != nil {
			// The core and the disk panic on a broken invariant.
			w.fail(checkPanic, "%v", p)
			if w.trace != nil {
				w.trace(string(debug.Stack()))
			}
		}
		w.endRecords(w.stepping)
		r = Result{Seed: o.Seed, Decisions: plan, Failure: w.failure, Hash: uint64(w.hash), Events: w.events,
			Time: w.now, Marks: w.marks, steps: w.steps}
	}()
	w.run(slices.Clone(plan))
	return r
}

// Twice runs a seed two times. If the two differ, the error names the first
// event that does.
func Twice(o Options) (Result, error) {
	plan := Plan(o)
	a, b := RunWith(o, plan), RunWith(o, plan)
	if a.Hash == b.Hash {
		return a, nil
	}
	a, b = simulate(o, plan, make([]uint64, 0, a.Events)), simulate(o, plan, make([]uint64, 0, b.Events))
	for i := range min(len(a.steps), len(b.steps)) {
		if a.steps[i] != b.steps[i] {
			return a, fmt.Errorf("sim: seed %d: two runs differ first at event %d", o.Seed, i+1)
		}
	}
	return a, fmt.Errorf("sim: seed %d: two runs differ (%d and %d events), but not in another try", o.Seed, a.Events, b.Events)
}
