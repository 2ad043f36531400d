package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// step is a fault in a round: it begins some time after the round, on whoever has the role then.
type step struct {
	fault *fault
	role  role
	which int // of the standbys
	after time.Duration
	lasts time.Duration
}

// round is one fault, or several that may overlap. What is left of them is ended behind the last, and
// commits have to be acknowledged then. Settles has it wait until all members are back, too.
type round struct {
	steps   []step
	settles bool
	rest    time.Duration // before the next one
}

// dice draws rounds: the same ones for a seed and a list of faults.
type dice struct {
	r      *rand.Rand
	faults []*fault
}

func newDice(seed uint64, kinds []*fault) *dice {
	return &dice{rand.New(rand.NewPCG(seed, 0)), kinds}
}

// between draws a time, short ones more often.
func (d *dice) between(least, most time.Duration) time.Duration {
	x := d.r.Float64()
	return (least + time.Duration(x*x*float64(most-least))).Round(10 * time.Millisecond)
}

func (d *dice) round() round {
	n := []int{1, 1, 1, 1, 1, 1, 2, 2, 2, 3}[d.r.IntN(10)]
	x := round{settles: d.r.IntN(3) == 0, rest: d.between(0, 3*time.Second)}
	for i := range n {
		s := step{fault: d.faults[d.r.IntN(len(d.faults))], which: d.r.IntN(2), lasts: d.between(300*time.Millisecond, 9*time.Second)}
		if i > 0 {
			s.after = d.between(0, 6*time.Second)
		}
		if s.role = s.fault.on; s.role == server {
			s.role = []role{primary, primary, standby}[d.r.IntN(3)]
		}
		x.steps = append(x.steps, s)
	}
	return x
}

// name is what the report calls the round.
func (x round) name() string {
	if len(x.steps) == 1 {
		return x.steps[0].fault.name + x.steps[0].where()
	}
	return "several at once"
}

func (s step) where() string {
	if s.fault.on != server {
		return ""
	}
	if s.role == primary {
		return ", primary"
	}
	return ", standby"
}

func (x round) String() string {
	var all []string
	for _, s := range x.steps {
		all = append(all, fmt.Sprintf("after %v %s%s for %v", s.after, s.fault.name, s.where(), s.lasts))
	}
	return strings.Join(all, "; ")
}

// chosen are the faults that can be done here, by name if some are named; and which cannot, with what
// they need.
func chosen(names []string, have need) (kinds []*fault, left []string, err error) {
	named := map[string]bool{}
	for _, n := range names {
		named[n] = true
	}
	for i := range faults {
		f := &faults[i]
		switch {
		case len(names) > 0 && !named[f.name]:
		case f.needs&^have != 0:
			left = append(left, fmt.Sprintf("%s (needs %v)", f.name, f.needs&^have))
		default:
			kinds = append(kinds, f)
		}
		delete(named, f.name)
	}
	for n := range named {
		return nil, nil, fmt.Errorf("there is no fault %q", n)
	}
	if len(kinds) == 0 {
		return nil, nil, fmt.Errorf("no kind of fault can be done here; left out: %q", left)
	}
	return kinds, left, nil
}
