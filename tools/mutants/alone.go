package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/pgraft/pgraft/sim"
)

// witness is a mutant that one part of the simulator finds with all others of
// its sort taken away.
type witness struct {
	mutant string
	seeds  uint64
	check  string
}

// alone looks for a witness for every kind of fault and for every checker: the
// opposite of the ablation. Most mutants are found in several ways, so that
// taking one away shows little; a part that finds nothing by itself is of no use
// that anyone has seen.
//
// For a kind of fault, the mutant must be one that is not found in three times as
// many seeds without any fault. Some kinds are nothing by themselves: a snapshot
// cannot be cut where none is sent. For them o.with names faults that are on in
// both cases. For a checker, all the others are off. The parts of PostgreSQL servers are
// for mutants whose runs have some, and no others are.
type alone struct {
	o       options
	src     source
	dir     string
	mu      sync.Mutex
	faults  map[string]witness
	checks  map[string]witness
	trouble []string
}

// run tries the mutants of list until every part has its witness.
func (a *alone) run(ctx context.Context, list []mutant) error {
	a.faults, a.checks = map[string]witness{}, map[string]witness{}
	next := make(chan mutant)
	var wg sync.WaitGroup
	for range a.o.workers {
		wg.Go(func() {
			for m := range next {
				if err := a.try(ctx, m); err != nil {
					a.mu.Lock()
					a.trouble = append(a.trouble, fmt.Sprintf("mutant %s: %v", m.name, err))
					a.mu.Unlock()
				}
			}
		})
	}
	for _, m := range list {
		if !m.control && m.story == "" && ctx.Err() == nil {
			next <- m
		}
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.report()
}

// try looks for what finds m alone, among the parts that have no witness yet.
func (a *alone) try(ctx context.Context, m mutant) error {
	kinds, checks := a.open(m)
	if len(kinds)+len(checks) == 0 {
		return nil
	}
	bin := filepath.Join(a.dir, m.name+".trial")
	if err := a.src.build(ctx, m, a.dir, "./tools/mutants/trial", bin); err != nil {
		return err
	}
	defer os.Remove(bin)
	with := func(flag string, times uint64) (kill, error) {
		return m.trial(ctx, bin, "-seed", fmt.Sprint(a.o.seed), "-seeds", fmt.Sprint(times*a.o.seeds),
			"-within", fmt.Sprint(time.Duration(times)*a.o.within), flag)
	}
	for _, c := range checks {
		others := slices.DeleteFunc(sim.Checks(), func(x string) bool { return x == c })
		k, err := with("-without="+strings.Join(others, ","), 1)
		if err != nil {
			return err
		}
		if k.Check == c { // and not a seed that hangs as nothing stops it
			a.found(a.checks, c, m, k)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	if k, err := with("-faults="+a.o.with, 3); err != nil || k.Killed {
		return err
	}
	for _, f := range kinds {
		flag := "-faults=" + f
		if a.o.with != "none" {
			flag += "," + a.o.with
		}
		k, err := with(flag, 1)
		if err != nil {
			return err
		}
		a.found(a.faults, f, m, k)
	}
	return nil
}

// open are the parts that have no witness yet, that -parts asks for, and that are there in
// the runs of m: those of PostgreSQL servers are where these fail over.
func (a *alone) open(m mutant) (kinds, checks []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range sim.Kinds() {
		if _, ok := a.faults[k.Name]; !ok && a.o.asked(k.Name) && m.failover == (k.Group == "server") {
			kinds = append(kinds, k.Name)
		}
	}
	for _, c := range sim.Checks() {
		if _, ok := a.checks[c]; !ok && a.o.asked(c) && m.failover == strings.HasPrefix(c, "server") {
			checks = append(checks, c)
		}
	}
	return kinds, checks
}

func (a *alone) found(in map[string]witness, part string, m mutant, k kill) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := in[part]; ok || !k.Killed {
		return
	}
	in[part] = witness{m.name, k.Seeds, k.Check}
	fmt.Fprintf(os.Stderr, "%s\t%s\t%d\t%s\n", part, m.name, k.Seeds, k.Check)
}

// report prints a row for every part; the error names those without a witness.
func (a *alone) report() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var none []string
	row := func(sort, part string, in map[string]witness) {
		if !a.o.asked(part) {
			return
		}
		x, ok := in[part]
		if !ok {
			none = append(none, sort+" "+part)
			return
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t\n", sort, part, x.mutant, x.seeds, x.check)
	}
	fmt.Fprintln(w, "\tALONE\tFINDS\tSEEDS\tCHECKER\t")
	for _, k := range sim.Kinds() {
		row("fault", k.Name, a.faults)
	}
	for _, c := range sim.Checks() {
		row("checker", c, a.checks)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(none) > 0 {
		a.trouble = append(a.trouble, "found nothing alone: "+strings.Join(none, ", "))
	}
	if len(a.trouble) > 0 {
		return fmt.Errorf("%s", strings.Join(a.trouble, "\n  "))
	}
	return nil
}
