// Command pgraft-bench compares pgraft with PostgreSQL's quorum commit and with etcd,
// on this machine: see `pgraft-bench --help`. `make bench` builds and runs it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgraft/pgraft/tools/bench/internal/limits"
	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/report"
)

// echoCommand is this program as the other end of a round trip.
const echoCommand = "echo"

func main() {
	// Until everything is stopped, a second Ctrl-C changes nothing.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	root := newRoot()
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "pgraft-bench: %v\n", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	var o options
	var onlyList bool
	cmd := &cobra.Command{
		Use:   "pgraft-bench",
		Short: "Compare pgraft with PostgreSQL's quorum commit and with etcd, on this machine",
		Long: `pgraft-bench runs three servers each of pgraft, of PostgreSQL with
synchronous_standby_names = 'ANY 1 (*)', and of etcd, on 127.0.0.1, and measures them
in turns: writes of 256 bytes by 1 to 256 sessions, on the leader and through a
follower, larger values, reads, and what the machine itself can do. Every write waits
for real fsyncs. Each one that was acknowledged is looked for on all servers.

A line is measured once in each round. What was measured is kept at once, in --out:
the same command goes on where it was stopped, by Ctrl-C or by --for. At the end, and
by the command report, it prints tables, and writes table.md, summary.json and
throughput.svg there.

The machine should do nothing else: what others took of its processors is in the
tables. The servers' files take up to 10 GB in --dir, and are removed at the end. Run
by root, the PostgreSQL servers run as user postgres.`,
		Example: `  # everything, five rounds, some 40 minutes; tables at the end
  pgraft-bench --etcd build/bench/etcd --out results

  # is it worth a longer look? writes by 8 and 32 sessions, two rounds of two seconds
  pgraft-bench --etcd build/bench/etcd --out quick --only 'write/256B/(8|32)/' --rounds 2 --window 2s

  # an hour tonight, the rest tomorrow night
  pgraft-bench --etcd build/bench/etcd --out results --rounds 20 --for 1h

  # what a change brought
  pgraft-bench compare before after`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return measure(cmd, o, onlyList, plan(), run, printReport)
		},
	}
	flags := cmd.Flags()
	o.common(flags)
	o.windows(flags, 5)
	flags.BoolVar(&onlyList, "list", false, "print the names of all lines")
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.AddCommand(newFailover(), newGrowth(), newHeld(), newReport(), newCompare(), newEcho())
	return cmd
}

// measure is what all commands that measure do.
func measure(cmd *cobra.Command, o options, onlyList bool, groups [][]record.Cell, run func(context.Context, options, io.Writer) (*record.Run, error),
	print func(*cobra.Command, *record.Run) error) error {
	if onlyList {
		_, err := io.WriteString(cmd.OutOrStdout(), list(groups))
		return err
	}
	results, err := run(cmd.Context(), o, cmd.ErrOrStderr())
	if cmd.Context().Err() != nil {
		err = fmt.Errorf("interrupted; what was measured is in %s, and the same command goes on", o.out)
	}
	if err != nil {
		return err
	}
	return print(cmd, results)
}

// common are the flags of the commands that measure beside etcd.
func (o *options) common(flags *pflag.FlagSet) {
	flags.StringVar(&o.etcd, "etcd", "etcd", "etcd's server `program`")
	o.shared(flags)
}

// windows are those of the commands that measure for some time.
func (o *options) windows(flags *pflag.FlagSet, rounds int) {
	flags.IntVar(&o.rounds, "rounds", rounds, "measure until there are so many `rounds`")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "before each measurement")
	flags.DurationVar(&o.window, "window", 5*time.Second, "of each measurement")
}

// shared are those of all commands that measure.
func (o *options) shared(flags *pflag.FlagSet) {
	flags.StringVar(&o.pgConfig, "pg-config", "", "`path` of the pg_config of the PostgreSQL to use (default: $PG_CONFIG, then the search path)")
	flags.StringVar(&o.dir, "dir", "/var/tmp", "`directory` on the disk to measure; the servers' files go into a new one in it")
	flags.StringVar(&o.out, "out", "bench-results", "`directory` of the results, made or gone on with")
	flags.StringVar(&o.label, "label", "unnamed build", "`name` of the pgraft that is measured, for the tables")
	flags.StringVar(&o.only, "only", "", "measure only lines that match this `regexp`, see --list")
	flags.DurationVar(&o.limit, "for", 0, "begin no line after this time")
}

func newReport() *cobra.Command {
	var docs string
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Print the tables of results, and write the reports again",
		Example: `  pgraft-bench report results
  pgraft-bench report results --docs docs`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := record.Read(args[0])
			if err != nil {
				return err
			}
			if docs != "" {
				return writeDocs(results, docs)
			}
			return printReport(cmd, results)
		},
	}
	cmd.Flags().StringVar(&docs, "docs", "", "put tables and picture into performance.md of this `directory` instead")
	return cmd
}

func printReport(cmd *cobra.Command, results *record.Run) error {
	text, files, err := writeTables(results)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%s\nWritten: %s\n", text, strings.Join(files, ", "))
	return err
}

// writeTables writes the reports that fit what was measured.
func writeTables(results *record.Run) (text string, files []string, err error) {
	switch {
	case results.Environment.Growth:
		return writeGrowth(results)
	case results.HasStrikes():
		return writeFailover(results)
	}
	s, files, err := writeReport(results)
	if err != nil {
		return "", nil, err
	}
	return s.Markdown(), files, nil
}

func newCompare() *cobra.Command {
	return &cobra.Command{
		Use:     "compare BEFORE AFTER",
		Short:   "Print how the lines of two results differ",
		Example: "  pgraft-bench compare build/bench/0123456789abcdef build/bench/fedcba9876543210",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			before, err := record.Read(args[0])
			if err != nil {
				return err
			}
			after, err := record.Read(args[1])
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), report.Compare(report.Summarise(before), report.Summarise(after)))
			return err
		},
	}
}

func newEcho() *cobra.Command {
	return &cobra.Command{
		Use:    echoCommand,
		Short:  "Send back what comes over one connection: the other end of a round trip",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return limits.Echo(cmd.InOrStdin(), cmd.OutOrStdout()) },
	}
}
