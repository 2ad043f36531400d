package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgraft/pgraft/sim"
	"github.com/pgraft/pgraft/tools/internal/campaign"
	"github.com/pgraft/pgraft/tools/internal/shrink"
)

func newShrink() *cobra.Command {
	f := &runFlags{}
	var dir string
	limit := shrink.Limit
	cmd := &cobra.Command{
		Use:   "shrink [FILE]",
		Short: "Make a failing seed of the simulator small",
		Long: `shrink runs a failing seed again and again, each time with fewer or simpler
decisions, as long as the same check fails in the same way. What is left it
writes: a script that 'go test ./sim' runs once it lies in testdata/sim/found;
the decisions, which 'pgraft sim --decisions FILE --trace' shows step by step;
and a directory with what each node recorded, for 'pgraft replay' and 'pgraft
view'.

It takes the seed with the flags that 'pgraft sim' failed with, or a FILE that it
wrote earlier.`,
		Example: `  pgraft shrink --seed 42
  pgraft shrink --seed 42 --nodes 5 --dir testdata/sim/found`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, plan, err := f.load(args)
			if err != nil {
				return err
			}
			return shrinkTo(cmd.Context(), cmd.OutOrStdout(), dir, o, plan, limit)
		},
	}
	flags := cmd.Flags()
	f.add(flags)
	flags.StringVar(&dir, "dir", ".", "where the files go")
	flags.DurationVar(&limit, "limit", limit, "for how long to try")
	return cmd
}

// runFlags name a run of the simulator: a seed with its flags, or a file that
// shrink wrote.
type runFlags struct {
	o      sim.Options
	faults []string
}

func (f *runFlags) add(flags *pflag.FlagSet) {
	flags.Uint64Var(&f.o.Seed, "seed", 1, "the seed")
	flags.IntVar(&f.o.Nodes, "nodes", sim.DefaultNodes, "nodes that form the cluster, 1 to 9")
	flags.DurationVar(&f.o.Duration, "duration", sim.DefaultDuration, "virtual time of a run")
	flags.IntVar(&f.o.Rate, "rate", sim.DefaultRate, "operations of the clients in a second")
	flags.StringVar(&f.o.Databases, "databases", sim.DatabasesDrawn, "as of pgraft sim")
	flags.StringVar(&f.o.Failover, "failover", sim.FailoverOff, "as of pgraft sim")
	flags.StringSliceVar(&f.faults, "faults", nil, "as of pgraft sim")
	flags.StringSliceVar(&f.o.Without, "without", nil, "checkers that are off")
}

// load returns the run; args may name the file.
func (f *runFlags) load(args []string) (o sim.Options, plan []sim.Decision, err error) {
	if len(args) == 1 {
		return shrink.Load(args[0])
	}
	o = f.o
	if o.Faults, err = campaign.Faults(f.faults); err != nil {
		return o, nil, fmt.Errorf("--faults: %w", err)
	}
	if err := o.Validate(); err != nil {
		return o, nil, err
	}
	return o, sim.Plan(o), nil
}

// shrinkTo shrinks a run, prints what is left, and saves it.
func shrinkTo(ctx context.Context, w io.Writer, dir string, o sim.Options, plan []sim.Decision, limit time.Duration) error {
	began := time.Now()
	s := shrink.Plan(ctx, o, plan, limit)
	if s.Failure == nil {
		return fmt.Errorf("seed %d does not fail with these %d decisions: there is nothing to shrink", o.Seed, len(plan))
	}
	files, err := shrink.Save(dir, s)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "seed %d: %d of %d decisions are left, after %d runs in %v: %v\n", o.Seed, len(s.Decisions), s.Before, s.Runs,
		time.Since(began).Round(time.Millisecond), s.Failure)
	for _, d := range s.Decisions {
		fmt.Fprintf(w, "  %v\n", d)
	}
	fmt.Fprintf(w, "decisions: %s (again: pgraft sim --decisions %[1]s --trace)\nscript: %s\n", files.Decisions, files.Script)
	if files.Traces != "" {
		fmt.Fprintf(w, "traces: %s (see it: pgraft view %[1]s -o x.html)\n", files.Traces)
	}
	return nil
}
