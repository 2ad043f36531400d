package sim

import (
	"slices"
	"time"
)

// Shrunk is a failing run with as little in it as could be found.
type Shrunk struct {
	Options   Options // with what it fails; Faults lists the kinds of its decisions
	Decisions []Decision
	Failure   *Failure
	Before    int // decisions that it began with
	Runs      int // that it took
}

// shrinker looks for a smaller run that fails in the same way.
type shrinker struct {
	Shrunk
	signature string
	more      func() bool
}

// Shrink removes and simplifies the decisions of a failing run while the same
// check fails in the same way (Failure.Signature), until nothing more can go or
// more says no. ok is false if the run does not fail.
func Shrink(o Options, plan []Decision, more func() bool) (s Shrunk, ok bool) {
	o = o.withDatabases()
	o.Trace = nil
	first := RunWith(o, plan)
	if first.Failure == nil {
		return Shrunk{Options: o, Decisions: plan, Runs: 1}, false
	}
	// A smaller run that fails in the same way does not take much longer. One
	// that turns in a circle would eat up all the time.
	o.stop = func(events uint64) bool { return events > 2*first.Events+20_000 || !more() }
	defer func() { s.Options.stop = nil }()
	x := &shrinker{Shrunk{o, slices.Clone(plan), first.Failure, len(plan), 1}, first.Failure.Signature(), more}
	x.withoutLater()
	x.options()
	for before := -1; before != len(x.Decisions) && x.more(); {
		before = len(x.Decisions)
		x.remove()
		x.simplify()
	}
	return x.Shrunk, true
}

// try keeps o and plan if they fail as the first run did.
func (x *shrinker) try(o Options, plan []Decision) bool {
	if !x.more() {
		return false
	}
	x.Runs++
	r := RunWith(o, plan)
	if r.Failure == nil || r.Failure.Signature() != x.signature {
		return false
	}
	x.Options, x.Decisions, x.Failure = o, plan, r.Failure
	return true
}

// withoutLater leaves out what had not begun when the check failed.
func (x *shrinker) withoutLater() {
	at := x.Failure.At
	if l := slices.DeleteFunc(slices.Clone(x.Decisions), func(d Decision) bool { return d.At > at }); len(l) < len(x.Decisions) {
		x.try(x.Options, l)
	}
}

// options makes the world around the decisions simpler: clocks that run alike, no
// databases, fewer nodes, a shorter run.
func (x *shrinker) options() {
	if x.Options.wants("drift") {
		o := x.Options
		o.Faults = []string{}
		x.try(o, x.Decisions)
	}
	if x.Options.HasDatabases() {
		o := x.Options
		o.Databases = DatabasesOff
		x.try(o, x.Decisions)
	}
	// The run is cut where the check failed: the faults end settleTime earlier.
	if end := x.Failure.At.Truncate(time.Second) + settleTime + time.Second; end < x.Options.withDefaults().Duration {
		o := x.Options
		o.Duration = max(end, formTime+settleTime+2*time.Second)
		x.try(o, x.Decisions)
	}
	for n := 3; n < x.Options.withDefaults().Nodes; n++ {
		o := x.Options
		o.Nodes = n
		if x.try(o, x.Decisions) {
			break
		}
	}
}

// remove leaves out decisions: halves, then quarters, down to single ones (Zeller
// and Hildebrandt 2002).
func (x *shrinker) remove() {
	for size := (len(x.Decisions) + 1) / 2; size > 0 && x.more(); {
		removed := false
		for from := 0; from < len(x.Decisions); {
			to := min(from+size, len(x.Decisions))
			if x.try(x.Options, slices.Delete(slices.Clone(x.Decisions), from, to)) {
				removed = true
			} else {
				from = to
			}
		}
		if size > 1 {
			size /= 2
		} else if !removed {
			return
		}
	}
}

// simplify makes each decision shorter, weaker and rounder.
func (x *shrinker) simplify() {
	for i := range x.Decisions {
		for _, f := range []func(d *Decision) bool{
			func(d *Decision) bool { d.Param = 0; return true },
			func(d *Decision) bool { d.For = 0; return true },
			func(d *Decision) bool { return halve(&d.For) },
			func(d *Decision) bool { return halve(&d.For) },
			func(d *Decision) bool { return round(&d.For) },
			func(d *Decision) bool { return round(&d.At) },
		} {
			l := slices.Clone(x.Decisions)
			if f(&l[i]) && l[i] != x.Decisions[i] {
				x.try(x.Options, l)
			}
		}
	}
}

func halve(d *time.Duration) bool {
	*d = (*d / 2).Truncate(time.Millisecond)
	return *d > 0
}

// round keeps the first digits of a time.
func round(d *time.Duration) bool {
	unit := time.Millisecond
	for *d >= 20*unit {
		unit *= 10
	}
	*d = d.Round(max(unit, 10*time.Millisecond))
	return true
}
