// Command mutants asks whether the simulator finds bugs: it plants small ones,
// each in a build of its own, and runs fresh seeds until a checker sees it.
//
//	go run ./tools/mutants                    all of them, a table at the end
//	go run ./tools/mutants -only lease -v     those whose name or class matches
//	go run ./tools/mutants -ablate            which get away without a fault kind, or a checker
//	go run ./tools/mutants -alone -seeds 40   what each fault kind and each checker finds by itself
//	go run ./tools/mutants -build build/mutants -only read-before-applied
//
// A few mutants name a story of core/failover instead, which has to fail with them.
//
// A mutant is a replacement of text in core, in the simulator's model of a host
// and its disk, or in the raft library; it is built with an overlay, or with a
// patched copy of the library behind a replace. Nothing wrong is ever in the
// source of the product.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// options are the command line.
type options struct {
	only    string
	seed    uint64
	seeds   uint64
	within  time.Duration
	bases   uint64
	workers int
	asJSON  bool
	ablate  bool
	alone   bool
	parts   string
	with    string
	shrink  time.Duration
	verbose bool
	build   string
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "mutants whose name contains this, or of this class; several with commas")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "first seed; the default is another one each time")
	flag.Uint64Var(&o.seeds, "seeds", 5000, "seeds from each base at most")
	flag.DurationVar(&o.within, "within", 10*time.Minute, "time for each base at most")
	flag.Uint64Var(&o.bases, "bases", 3, "how often, each with other seeds")
	flag.IntVar(&o.workers, "workers", 2, "mutants side by side")
	flag.BoolVar(&o.asJSON, "json", false, "print the result as JSON")
	flag.BoolVar(&o.ablate, "ablate", false, "then leave out one kind of fault, or one checker, at a time")
	flag.BoolVar(&o.alone, "alone", false, "instead: for each kind of fault, and for each checker, a mutant that it finds alone")
	flag.StringVar(&o.parts, "parts", "", "with -ablate and -alone: only these kinds of faults and checkers, with commas")
	flag.StringVar(&o.with, "with", "none", "with -alone: kinds of faults that are on anyway, with commas")
	flag.DurationVar(&o.shrink, "shrink", 0, "shrink what the first base finds, for so long at most")
	flag.BoolVar(&o.verbose, "v", false, "print each kill with its seed and what the checker said")
	flag.StringVar(&o.build, "build", "", "only build the command pgraft with each mutant, into this `directory`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

// mutants are all of them, in the order of the table.
func mutants() []mutant {
	return slices.Concat(durableMutants, raftMutants, ownMutants, promiseMutants, boundMutants, rareMutants, closedMutants, versionMutants, retainMutants, batchMutants, witnessMutants, failoverMutants, failoverSetMutants, backMutants, switchMutants, attackMutants, memberMutants, cutMutants, apartMutants)
}

// asked says whether -parts asks for a kind of fault or a checker.
func (o options) asked(part string) bool {
	return o.parts == "" || slices.Contains(strings.Split(o.parts, ","), part)
}

// chosen are those that -only asks for.
func chosen(only string) (l []mutant) {
	for _, m := range mutants() {
		for _, w := range strings.Split(only, ",") {
			if w == m.class || strings.Contains(m.name, w) {
				l = append(l, m)
				break
			}
		}
	}
	return l
}

func run(ctx context.Context, o options) error {
	list := chosen(o.only)
	if len(list) == 0 {
		return fmt.Errorf("no mutant is called %q", o.only)
	}
	src, err := findSource(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pgraft-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.build != "" {
		return src.commands(ctx, list, dir, o.build)
	}
	debug.SetGCPercent(50) // the trials need the memory more
	if o.alone {
		return (&alone{o: o, src: src, dir: dir}).run(ctx, list)
	}
	results := make([]result, len(list))
	show, done := progress(len(list))
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	for range o.workers {
		wg.Go(func() {
			for i := range next {
				r := src.try(ctx, list[i], dir, o)
				mu.Lock()
				results[i] = r
				show(r)
				mu.Unlock()
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	done()
	if err := ctx.Err(); err != nil {
		return err
	}
	return report(results, o)
}

// progress shows what is through: a bar on a terminal, elsewhere a line for each
// mutant, so that a run that is stopped was not for nothing.
func progress(n int) (show func(result), done func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func(r result) {
			fmt.Fprintf(os.Stderr, "%s\t%s\t%s\t%s\t%s\t%s\n", r.mutant.name, r.mutant.class, r.verdict(), r.counts(), r.seconds(), r.checks())
		}, func() {}
	}
	bar := progressbar.NewOptions(n, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(20),
		progressbar.OptionShowCount(), progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish())
	return func(r result) {
		bar.Describe(r.mutant.name)
		bar.Add(1) // an error here is one of the terminal
	}, func() { bar.Finish() }
}
