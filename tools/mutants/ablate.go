package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/sim"
)

// ablate leaves out one kind of fault, and then one checker, at a time, and
// notes which of them the mutant gets away without. What else a seed draws
// stays as it was, so the seeds that killed the mutant are tried first; only if
// none of them does any more, fresh ones.
func (r *result) ablate(ctx context.Context, bin string, o options) error {
	for _, k := range sim.Kinds() {
		if !o.asked(k.Name) {
			continue
		}
		gone, err := r.escapes(ctx, bin, o, func(x kill) bool {
			// Drift changes every seed's clocks.
			return k.Name == "drift" || slices.Contains(x.Kinds, k.Name)
		}, "-faults=-"+k.Name)
		if err != nil {
			return err
		}
		if gone {
			r.needsFault = append(r.needsFault, k.Name)
		}
	}
	for _, c := range sim.Checks() {
		if !o.asked(c) {
			continue
		}
		gone, err := r.escapes(ctx, bin, o, func(x kill) bool { return x.Check == c }, "-without="+c)
		if err != nil {
			return err
		}
		if gone {
			r.needsCheck = append(r.needsCheck, c)
		}
	}
	return nil
}

// escapes says whether the mutant is killed no more with a flag that leaves
// something out; touches says whether that changes a seed at all.
func (r *result) escapes(ctx context.Context, bin string, o options, touches func(kill) bool, flag string) (bool, error) {
	most := uint64(0)
	for _, k := range r.kills {
		if !k.Killed {
			continue
		}
		if !touches(k) {
			return false, nil
		}
		most = max(most, k.Seeds)
	}
	if most == 0 {
		return false, nil
	}
	for _, k := range r.kills {
		if x, err := r.mutant.trial(ctx, bin, "-seed", fmt.Sprint(k.Seed), "-seeds", "1", flag); err != nil || x.Killed {
			return false, err
		}
	}
	// Three times what it took with everything on.
	x, err := r.mutant.trial(ctx, bin, "-seed", fmt.Sprint(o.seed+900_000), "-seeds", fmt.Sprint(3*most+20), "-within", fmt.Sprint(o.within), flag)
	return !x.Killed, err
}
