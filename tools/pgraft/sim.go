package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/sim"
	"github.com/pgraft/pgraft/tools/internal/campaign"
	"github.com/pgraft/pgraft/tools/internal/shrink"
)

// simFlags are the command line of `pgraft sim`.
type simFlags struct {
	campaign campaign.Options
	seed     uint64
	faults   []string
	shard    string
	twice    string
	asJSON   bool
	trace    bool
	record   string
	marks    bool
	file     string
	save     string
	shrink   time.Duration
}

func newSim() *cobra.Command {
	f := &simFlags{}
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run clusters in virtual time, with every fault there is, and check each of their steps",
		Long: `sim runs whole clusters of the same core that production runs, in virtual time
and from a seed: real consensus, modelled disks, network, clocks, clients and
operators. Each seed draws its faults. After every event the checkers look for
two leaders, lost or different entries, a lease too many, and more; at the end
the clients' history must be linearizable, and the cluster must have come right.

A seed gives the same run to the byte, every time. When one fails, it is
made small and saved (see pgraft shrink), the command prints how to see it again
and exits with status 1.`,
		Example: `  pgraft sim --seeds 1000
  pgraft sim --for 10m --nodes 5
  pgraft sim --seeds 500 --faults crash,partition
  pgraft sim --seeds 500 --faults -upgrade
  pgraft sim --seed 42 --trace
  pgraft sim --seeds 100000 --shard 2/8 --twice 5% --json > result.json
  pgraft sim faults`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	o := &f.campaign
	flags.Uint64Var(&o.Seeds, "seeds", 0, "how many seeds to run")
	flags.DurationVar(&o.For, "for", 0, "run seeds for so long, such as 10m")
	flags.Uint64Var(&f.seed, "seed", 1, "the first seed; without --seeds and --for the only one")
	flags.IntVar(&o.Sim.Nodes, "nodes", sim.DefaultNodes, "nodes that form the cluster, 1 to 9")
	flags.DurationVar(&o.Sim.Duration, "duration", sim.DefaultDuration, "virtual time of a run")
	flags.IntVar(&o.Sim.Rate, "rate", sim.DefaultRate, "operations of the clients in a second")
	flags.StringVar(&o.Sim.Databases, "databases", sim.DatabasesDrawn, "whether the servers have databases that apply the log: drawn, on or off")
	flags.StringVar(&o.Sim.Failover, "failover", sim.FailoverOff, "whether the nodes have PostgreSQL servers that fail over, in place of databases: drawn, on or off")
	flags.StringSliceVar(&f.faults, "faults", nil, "only these faults, or with a minus in front all but these; none for none")
	flags.StringSliceVar(&o.Sim.Without, "without", nil, "checkers that are off")
	flags.IntVar(&o.Workers, "workers", 0, "runs side by side (default: one per core)")
	flags.StringVar(&f.shard, "shard", "", "`i/n`: of every n seeds the i-th, from 0, to split a campaign over machines")
	flags.StringVar(&f.twice, "twice", "0%", "share of the seeds that are run twice and compared")
	flags.BoolVar(&f.asJSON, "json", false, "print the result as JSON on standard output, progress on standard error")
	flags.BoolVar(&f.trace, "trace", false, "with one seed: print everything that happens")
	flags.StringVar(&f.record, "record", "", "with one seed: make `directory` and write each node's trace into it, for replay, diff and view")
	flags.StringVar(&f.file, "decisions", "", "run what `pgraft shrink` wrote to this `file`, in place of a seed's own decisions")
	flags.StringVar(&f.save, "save", "sim-failures", "where shrunk failures go")
	flags.DurationVar(&f.shrink, "shrink", shrink.Limit, "how long to shrink a seed that fails, the first of each checker; 0 = not at all")
	flags.BoolVar(&f.marks, "marks", false, "fail if something that a long campaign has to reach was not reached")
	cmd.AddCommand(newSimFaults())
	return cmd
}

func newSimFaults() *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "List the faults and the checkers by name",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, k := range sim.Kinds() {
				fmt.Fprintf(w, "%s\t%s\t%s\n", k.Group, k.Name, k.Doc)
			}
			for _, c := range sim.Checks() {
				fmt.Fprintf(w, "checker\t%s\t\n", c)
			}
			return w.Flush()
		},
	}
}

// parse reads what the flag types do not.
func (f *simFlags) parse() (err error) {
	o := &f.campaign
	o.Sim.Seed = f.seed
	if o.Sim.Faults, err = campaign.Faults(f.faults); err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	if f.shard != "" {
		i, n, _ := strings.Cut(f.shard, "/")
		var bad, worse error
		o.Shard, bad = strconv.ParseUint(i, 10, 32)
		o.Shards, worse = strconv.ParseUint(n, 10, 32)
		if bad != nil || worse != nil || o.Shards == 0 {
			return fmt.Errorf("--shard %q: want i/n, such as 0/8", f.shard)
		}
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(f.twice, "%"), 64)
	if err != nil {
		return fmt.Errorf("--twice %q: want a share such as 5%%", f.twice)
	}
	o.Twice = percent / 100
	single := f.trace || f.record != "" || f.file != ""
	switch {
	case single && (o.Seeds > 0 || o.For > 0 || f.asJSON):
		return fmt.Errorf("--trace, --record and --decisions are for one seed: leave out --seeds, --for and --json")
	case o.Sim.Nodes == 0 || o.Sim.Rate == 0 || o.Sim.Duration == 0:
		return fmt.Errorf("--nodes %d, --rate %d, --duration %v: none of them can be 0", o.Sim.Nodes, o.Sim.Rate, o.Sim.Duration)
	case o.Seeds == 0 && o.For == 0:
		o.Seeds = 1
	}
	return o.Validate()
}

func (f *simFlags) run(cmd *cobra.Command) error {
	if err := f.parse(); err != nil {
		return err
	}
	if f.campaign.Seeds == 1 && !f.asJSON {
		return f.one(cmd)
	}
	screen := cmd.ErrOrStderr()
	show, pause, done := progressOn(screen, f.campaign.Seeds)
	f.campaign.Failed = func(x campaign.Failure) {
		pause()
		f.shrinkFailure(cmd.Context(), screen, x)
	}
	r, err := campaign.Run(cmd.Context(), f.campaign, show)
	done()
	if err != nil {
		return err
	}
	if f.asJSON {
		err = r.WriteJSON(cmd.OutOrStdout(), f.campaign.Sim)
	} else {
		r.Write(cmd.OutOrStdout(), f.campaign.Sim)
	}
	switch missing := r.Missing(); {
	case err != nil:
		return fmt.Errorf("write the result: %w", err)
	case r.Failed > 0:
		return fmt.Errorf("%d of %d seeds failed; again: %s", r.Failed, r.Seeds, r.Failures[0].Command)
	case cmd.Context().Err() != nil:
		return fmt.Errorf("interrupted after %d seeds", r.Seeds)
	case f.marks && len(missing) > 0:
		return fmt.Errorf("never reached: %s", strings.Join(missing, ", "))
	}
	return nil
}

// one runs a single seed and shows it.
func (f *simFlags) one(cmd *cobra.Command) error {
	w, o := cmd.OutOrStdout(), f.campaign.Sim
	plan := sim.Plan(o)
	if f.file != "" {
		var err error
		if o, plan, err = shrink.Load(f.file); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "seed %d, %s\n%d decisions:\n", o.Seed, o.Describe(), len(plan))
	for _, d := range plan {
		fmt.Fprintf(w, "  %v\n", d)
	}
	if f.trace {
		o.Trace = func(line string) { fmt.Fprintln(w, line) }
	}
	traces := shrink.Recordings{}
	if f.record != "" {
		o.Record, o.Build = traces.Add, recorder.Build()
	}
	r := sim.RunWith(o, plan)
	if err := traces.Write(f.record); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d events, %v simulated, hash %016x\n", r.Events, r.Time, r.Hash)
	if r.Failure == nil {
		fmt.Fprintln(w, "no violation")
		return nil
	}
	again := campaign.Command(f.campaign.Sim, o.Seed)
	if f.file != "" {
		again = "pgraft sim --decisions " + f.file
	} else if !f.trace && f.shrink > 0 {
		if err := shrinkTo(cmd.Context(), w, f.save, o, plan, f.shrink); err != nil {
			return err
		}
	}
	return fmt.Errorf("seed %d: %w; everything that happened: %s --trace", o.Seed, r.Failure, again)
}

// shrinkFailure makes a failing seed of a campaign small and saves it. A seed
// that hung, or that two runs of differed in, cannot be shrunk.
func (f *simFlags) shrinkFailure(ctx context.Context, w io.Writer, x campaign.Failure) {
	fmt.Fprintf(w, "seed %d: %s at %s: %s\n", x.Seed, x.Check, x.At, x.Detail)
	if !slices.Contains(sim.Checks(), x.Check) || f.shrink == 0 {
		return
	}
	o := f.campaign.Sim
	o.Seed = x.Seed
	if err := shrinkTo(ctx, w, f.save, o, sim.Plan(o), f.shrink); err != nil {
		fmt.Fprintf(w, "shrink seed %d: %v\n", x.Seed, err)
	}
}

// progressOn shows a campaign: a bar on a terminal, a line now and then
// elsewhere. pause makes room for other lines, until show is called again.
func progressOn(w io.Writer, seeds uint64) (show func(campaign.Stats), pause, done func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		last := time.Duration(0)
		return func(s campaign.Stats) {
			if s.Elapsed-last >= 10*time.Second {
				last = s.Elapsed
				fmt.Fprintln(w, s.Line())
			}
		}, func() {}, func() {}
	}
	most := int64(seeds)
	if most == 0 {
		most = -1
	}
	bar := progressbar.NewOptions64(most, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(20),
		progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14))
	return func(s campaign.Stats) {
		bar.Describe(s.Line())
		bar.Set64(int64(s.Seeds)) // an error here is one of the terminal, which the next line meets too
	}, func() { bar.Clear() }, func() { bar.Finish(); bar.Clear() }
}
