package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/bench/internal/grown"
	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/report"
)

// Parts of growth, as --part names them.
const (
	partSizes   = "sizes"
	partNodes   = "nodes"
	partHeld    = "held"
	partCatchUp = "catch-up"
)

var parts = []string{partSizes, partNodes, partHeld, partCatchUp}

// What growth is measured with.
var (
	growthBytes    = []int{64, 256, 4 << 10, 64 << 10, 1 << 20}
	growthNodes    = []int{3, 5, 7}
	growthSessions = []int{1, 32} // of them
)

const (
	heldBytes       = 64
	heldSteps       = 4 // each ten times the one before
	heldReads       = 1000
	catchUpBytes    = 64
	catchUpSessions = 8
)

// growing is what the flags of growth say beside options.
type growing struct {
	parts   []string
	entries int // of the largest log
	missed  int // by the follower that was away
	rest    time.Duration
	json    bool
}

func (g growing) validate() error {
	for _, p := range g.parts {
		if !slices.Contains(parts, p) {
			return fmt.Errorf("--part %s: want %s", p, strings.Join(parts, ", "))
		}
	}
	if g.entries < minHeld || g.entries > maxEntries || g.missed < 1 || g.missed > maxEntries || g.rest < 0 {
		return fmt.Errorf("--entries %d --missed %d --rest %v: want %d at least, 1 at least, %d at most, and no negative time", g.entries, g.missed, g.rest, minHeld, maxEntries)
	}
	return nil
}

const (
	minHeld    = 1000 // whose first step is one entry
	maxEntries = 1_000_000_000
)

// plan is all cells of a round. Systems of one size come together, as starting them
// takes long; so do the steps of a log that grows.
func (g growing) plan() (groups [][]record.Cell) {
	add := func(part string, cells ...record.Cell) {
		if slices.Contains(g.parts, part) {
			groups = append(groups, cells)
		}
	}
	machine := func(operation string, bytes int) record.Cell {
		return record.Cell{System: record.Machine, Operation: operation, Bytes: bytes, Sessions: 1}
	}
	groups = append(groups, []record.Cell{machine(record.Sync, smallBytes), machine(record.Sync, 1<<20), machine(record.RoundTrip, smallBytes)})
	write := func(bytes, sessions, nodes int) record.Cell {
		return record.Cell{System: record.Pgraft, Operation: record.Write, Through: record.Leader, Bytes: bytes, Sessions: sessions, Nodes: nodes}
	}
	for _, bytes := range growthBytes {
		add(partSizes, write(bytes, largeSessions, growthNodes[0]))
	}
	for _, nodes := range growthNodes {
		var cells []record.Cell
		for _, n := range growthSessions {
			cells = append(cells, write(smallBytes, n, nodes))
		}
		add(partNodes, cells...)
	}
	entries := g.entries
	for range heldSteps - 1 {
		entries /= 10
	}
	for range heldSteps {
		add(partHeld, record.Cell{System: record.Pgraft, Operation: record.Held, Bytes: heldBytes, Entries: entries, Sessions: 1, Nodes: 1})
		entries *= 10
	}
	add(partCatchUp, record.Cell{System: record.Pgraft, Operation: record.CatchUp, Through: record.Leader, Bytes: catchUpBytes, Entries: g.missed,
		Sessions: catchUpSessions, Nodes: growthNodes[0]})
	return groups
}

func newGrowth() *cobra.Command {
	var o options
	var g growing
	var onlyList bool
	cmd := &cobra.Command{
		Use:   "growth",
		Short: "What grows with larger entries, more nodes, a longer log and a longer absence",
		Long: `pgraft-bench growth runs servers of pgraft on 127.0.0.1, and measures in four parts:

  sizes     three servers, 8 sessions, entries of 64 bytes to 1 MB: rate, latency, CPU,
            bytes that go to the disk
  nodes     3, 5 and 7 servers, entries of 256 bytes, 1 and 32 sessions: rate, latency
  held      a log of 10,000 to 10,000,000 entries, all of them kept: how long a restart
            takes, what memory it needs, how long pgraft_log_get_entry() takes. The log
            is written by package node, many entries at once
  catch-up  a follower is away while 1,000,000 entries are written: how long it takes
            until it has them all, and what sessions at the leader notice of it

All servers share this machine's processors: seven of them have not seven times what one
has. Every write waits for real fsyncs, and each one that was acknowledged is looked for
on all servers.

What was measured is kept at once, in --out: the same command goes on where it was
stopped, by Ctrl-C or by --for. At the end it prints tables, and writes table.md and
summary.json there. The servers' files take up to 10 GB in --dir, and are removed at the
end. Run by root, the PostgreSQL servers run as user postgres.`,
		Example: `  # everything, once: some 15 minutes
  pgraft-bench growth --out results

  # a log of a million entries, and nothing else
  pgraft-bench growth --part held --entries 1000000 --out quick

  # three rounds of the follower that was away, as JSON
  pgraft-bench growth --part catch-up --rounds 3 --json --out away`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := g.validate(); err != nil {
				return err
			}
			run := func(ctx context.Context, o options, progress io.Writer) (*record.Run, error) {
				return growth(ctx, o, g, progress)
			}
			return measure(cmd, o, onlyList, g.plan(), run, func(cmd *cobra.Command, results *record.Run) error {
				if !g.json {
					return printReport(cmd, results)
				}
				text, err := report.Growths(results).JSON()
				if err == nil {
					_, _, err = writeTables(results)
				}
				if err == nil {
					_, err = cmd.OutOrStdout().Write(text)
				}
				return err
			})
		},
	}
	flags := cmd.Flags()
	o.shared(flags)
	o.windows(flags, 1)
	flags.StringSliceVar(&g.parts, "part", parts, "measure these `parts`")
	flags.IntVar(&g.entries, "entries", 10_000_000, "let the log of held grow to so many `entries`; the steps before are a tenth, a hundredth and a thousandth of it")
	flags.IntVar(&g.missed, "missed", 1_000_000, "let the follower of catch-up miss so many `entries`")
	flags.DurationVar(&g.rest, "rest", 35*time.Second, "how long a server of held has nothing to do before its memory is looked at once more")
	flags.BoolVar(&g.json, "json", false, "print the summary as JSON in place of tables")
	flags.BoolVar(&onlyList, "list", false, "print the names of all lines")
	return cmd
}

// heldCommand is this program as a process that a log is read in.
const heldCommand = "held"

func newHeld() *cobra.Command {
	return &cobra.Command{
		Use:    heldCommand + " PLACE",
		Short:  "Open a log, and read random entries of it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return grown.Main(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
