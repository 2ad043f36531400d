// Command trial is what tools/mutants builds of every mutant: it runs fresh
// seeds until a checker stops one, and prints a line of JSON for each base.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/sim"
	"github.com/pgraft/pgraft/tools/internal/campaign"
	"github.com/pgraft/pgraft/tools/internal/shrink"
)

// Kill is what came of the seeds from one base on.
type Kill struct {
	Base    uint64        `json:"base"`
	Killed  bool          `json:"killed"`
	Seed    uint64        `json:"seed"` // that killed, or the last one
	Seeds   uint64        `json:"seeds"`
	Elapsed time.Duration `json:"elapsed_ns"`
	Check   string        `json:"check,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	Kinds   []string      `json:"kinds,omitempty"` // of its decisions
	// After shrinking, if asked for.
	Shrunk []string      `json:"shrunk,omitempty"`
	Shrink time.Duration `json:"shrink_ns,omitempty"`
	Before int           `json:"decisions,omitempty"`
}

// tooLong and tooMuch end a seed that does not end by itself: a core that turns
// in a circle. The fastest of correct seeds takes a twentieth of a second.
const (
	tooLong = 30 * time.Second
	tooMuch = 2 << 30 // bytes of heap
)

func main() {
	first := flag.Uint64("seed", 1, "first seed")
	most := flag.Uint64("seeds", 100, "at most so many from a base")
	within := flag.Duration("within", time.Minute, "and no longer than so")
	bases := flag.Uint64("bases", 1, "how often, each with seeds of its own")
	stride := flag.Uint64("stride", 1_000_000, "from base to base")
	nodes := flag.Int("nodes", 0, "that form the cluster; 0 = as many as in the standard workload")
	failover := flag.Bool("failover", false, "with PostgreSQL servers that fail over")
	faults := flag.String("faults", "", "as of pgraft sim")
	without := flag.String("without", "", "checkers that are off")
	small := flag.Duration("shrink", 0, "shrink what killed, for so long at most")
	flag.Parse()
	o := sim.Options{Nodes: *nodes}
	if *failover {
		o.Failover = sim.FailoverOn
	}
	var err error
	if *faults != "" {
		if o.Faults, err = campaign.Faults(strings.Split(*faults, ",")); err != nil {
			fmt.Fprintln(os.Stderr, "trial:", err)
			os.Exit(2)
		}
	}
	if *without != "" {
		o.Without = strings.Split(*without, ",")
	}
	out := json.NewEncoder(os.Stdout)
	for b := range *bases {
		k := try(o, *first+b**stride, *most, *within)
		if k.Killed && *small > 0 && k.Check != "hang" {
			o.Seed = k.Seed
			began := time.Now()
			s := shrink.Seed(context.Background(), o, *small)
			k.Shrink, k.Before = time.Since(began), len(sim.Plan(o))
			for _, d := range s.Decisions {
				k.Shrunk = append(k.Shrunk, d.String())
			}
		}
		if err := out.Encode(k); err != nil {
			fmt.Fprintln(os.Stderr, "trial:", err)
			os.Exit(2)
		}
	}
}

// try runs seeds from base on until one fails.
func try(o sim.Options, base, most uint64, within time.Duration) (k Kill) {
	k.Base = base
	began := time.Now()
	var seed atomic.Uint64
	var since atomic.Int64
	done := make(chan struct{})
	defer close(done)
	go watch(base, began, &seed, &since, done)
	for k.Seeds < most && time.Since(began) < within {
		o.Seed = base + k.Seeds
		seed.Store(o.Seed)
		since.Store(int64(time.Since(began)))
		k.Seeds++
		r := sim.Run(o)
		k.Seed = o.Seed
		if r.Failure != nil {
			k.Killed, k.Check, k.Detail = true, r.Failure.Check, r.Failure.Detail
			for _, d := range r.Decisions {
				k.Kinds = append(k.Kinds, d.Kind)
			}
			break
		}
	}
	k.Elapsed = time.Since(began)
	return k
}

// watch ends the process when a seed hangs or eats up the memory: its goroutine
// cannot be stopped.
func watch(base uint64, began time.Time, seed *atomic.Uint64, since *atomic.Int64, done chan struct{}) {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		took := time.Since(began) - time.Duration(since.Load())
		if took < tooLong && m.HeapAlloc < tooMuch {
			continue
		}
		s := seed.Load()
		b, err := json.Marshal(Kill{Base: base, Killed: true, Seed: s, Seeds: s - base + 1, Elapsed: time.Since(began), Check: "hang",
			Detail: fmt.Sprintf("seed %d has not ended after %v, with a heap of %d MB", s, took.Round(time.Second), m.HeapAlloc>>20)})
		if err != nil {
			fmt.Fprintln(os.Stderr, "trial:", err)
			os.Exit(2)
		}
		fmt.Println(string(b))
		os.Exit(0)
	}
}
