package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/sim"
)

func newRewind() *cobra.Command {
	f := &runFlags{}
	var asJSON bool
	futures, within, limit := 16, time.Millisecond, 2*time.Minute
	cmd := &cobra.Command{
		Use:   "rewind [FILE]",
		Short: "Find out when a failure of the simulator became inevitable",
		Long: `rewind goes back from the failure of a run to an earlier instant, and lets the
run go on from there with other luck: other delays, other clients, other faults.
It does so several times from each instant, and halves the time until it knows
from when on all these futures fail. What happened there is where the cause is;
what came later only brought it to light.

It takes the seed with the flags that 'pgraft sim' failed with, or a FILE that
'pgraft shrink' wrote.`,
		Example: `  pgraft rewind --seed 42
  pgraft rewind sim-failures/seed-4-went-back.json --futures 100`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, plan, err := f.load(args)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			screen := cmd.ErrOrStderr()
			r, err := sim.Rewind(o, plan, futures, within, func() bool { return ctx.Err() == nil },
				func(p sim.Point) { fmt.Fprintf(screen, "from %v: %s\n", p.At, fate(p)) })
			switch {
			case err != nil:
				return err
			case cmd.Context().Err() != nil:
				return fmt.Errorf("interrupted between %v and %v", r.Before, r.From)
			case asJSON:
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			return writeRewound(cmd, o, r)
		},
	}
	flags := cmd.Flags()
	f.add(flags)
	flags.IntVar(&futures, "futures", futures, fmt.Sprintf("how often to go on from each instant, 1 to %d", sim.MaxFutures))
	flags.DurationVar(&within, "within", within, "how narrow the answer has to be, in virtual time")
	flags.DurationVar(&limit, "limit", limit, "for how long to try")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// fate is what became of the futures from a point.
func fate(p sim.Point) string {
	if p.Failed == p.Tried {
		return fmt.Sprintf("all %d fail", p.Tried)
	}
	return fmt.Sprintf("future %d does not fail", p.Tried)
}

func writeRewound(cmd *cobra.Command, o sim.Options, r *sim.Rewound) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "seed %d: %v\n\nFROM\tOTHER FUTURES\t\n", o.Seed, r.Failure)
	for _, p := range r.Points {
		fmt.Fprintf(w, "%v\t%s\t\n", p.At, fate(p))
	}
	if r.Before < 0 {
		fmt.Fprintln(w, "\nIt fails from the start on, whatever luck it has.")
		return w.Flush()
	}
	fmt.Fprintf(w, "\nIt became inevitable after %v, by %v. What happened there:\n", r.Before, r.From)
	if len(r.Between) == 0 {
		fmt.Fprintln(w, "  nothing that the trace has a line for: it lies in what was drawn there")
	}
	for _, line := range r.Between {
		fmt.Fprintf(w, "  %s\n", line)
	}
	return w.Flush()
}
