package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/report"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// timings are those that both systems are measured with: their defaults, and shorter ones.
var timings = []systems.Timing{
	{Heartbeat: 100 * time.Millisecond, Election: time.Second},
	{Heartbeat: 50 * time.Millisecond, Election: 500 * time.Millisecond},
}

// survivorSessions is how many sessions write on each server that does not lead.
const survivorSessions = 2

// strikes is all cells of a round: what is compared comes one right after the other.
func strikes() (groups [][]record.Cell) {
	for _, t := range timings {
		for _, how := range []string{record.Kill, record.Silence, record.FastStop, record.Transfer} {
			var group []record.Cell
			for _, system := range []string{record.Pgraft, record.Etcd} {
				group = append(group, record.Cell{System: system, Operation: how, Through: t.String(), Bytes: smallBytes,
					Sessions: survivorSessions * 2})
			}
			groups = append(groups, group)
		}
	}
	return groups
}

func newFailover() *cobra.Command {
	var o options
	var onlyList bool
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "How long nothing is committed when the leader goes, beside etcd",
		Long: `pgraft-bench failover runs three servers of pgraft and of etcd on 127.0.0.1, with the
timings 100/1000 ms and 50/500 ms each, and does something to their leaders: kills the
server, stops it with SIGSTOP, stops it in order, hands leadership over. Sessions on the
two servers that do not lead write all the time; what is measured is the longest time
without an acknowledged write. Then the server is back, and every acknowledged write is
looked for on all three.

Each line is measured once in each round; rounds are kept, in --out, and the same command
goes on where it was stopped. At the end there is a table of medians and 95th percentiles,
also in table.md and summary.json there.`,
		Example: `  # 20 of each, some 30 minutes
  pgraft-bench failover --etcd build/bench/etcd --out results

  # kills alone, five of each
  pgraft-bench failover --etcd build/bench/etcd --out quick --only kill --rounds 5`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return measure(cmd, o, onlyList, strikes(), failover, printReport)
		},
	}
	flags := cmd.Flags()
	o.common(flags)
	flags.IntVar(&o.rounds, "rounds", 20, "measure until there are so many `rounds`")
	flags.DurationVar(&o.warmup, "calm", time.Second, "how long sessions write before something is done to the leader")
	flags.BoolVar(&onlyList, "list", false, "print the names of all lines")
	return cmd
}

// failover is run, for strikes.
func failover(ctx context.Context, o options, progress io.Writer) (_ *record.Run, err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	groups := matching(strikes(), only)
	if len(groups) == 0 || o.rounds < 1 || o.warmup <= 0 || o.limit < 0 {
		return nil, fmt.Errorf("--only %q --rounds %d --calm %v --for %v: a line of `--list`, and more than 0 of each", o.only, o.rounds, o.warmup, o.limit)
	}
	if err := o.findEtcd(); err != nil {
		return nil, err
	}
	b, err := o.begin(progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	install, err := pgcluster.Find(b.pgConfig)
	if err != nil {
		return nil, err
	}
	env, err := environment(b.work)
	if err != nil {
		return nil, err
	}
	env.Label, env.Postgres, env.Warmup = b.label, install.Version, b.warmup.Seconds()
	for _, t := range timings {
		pgraft, etcd := systems.NewFailingPgraft(install, b.work, t), systems.NewFailingEtcd(b.etcd, b.work, t)
		for _, s := range []systems.Failing{pgraft, etcd} {
			if !strings.Contains(list(groups), s.Name()+"/"+t.String()) {
				continue
			}
			if err := b.startSystem(ctx, s.Name()+" "+t.String(), s); err != nil {
				return nil, err
			}
			env.Pgraft, env.Etcd = either(env.Pgraft, s, record.Pgraft), either(env.Etcd, s, record.Etcd)
		}
	}
	if b.results, err = record.Open(o.out, env); err != nil {
		return nil, err
	}
	return b.results, b.rounds(ctx, groups)
}

// either is a system's version, if it is the one that is meant.
func either(known string, s systems.System, name string) string {
	if s.Name() == name {
		return s.Version()
	}
	return known
}

// writeFailover writes the tables of strikes beside their results.
func writeFailover(run *record.Run) (text string, files []string, err error) {
	s := report.Failovers(run)
	summary, err := s.JSON()
	if err != nil {
		return "", nil, err
	}
	text = s.Markdown()
	files, err = writeFiles(run.Dir, map[string][]byte{summaryFile: summary, tableFile: []byte(text)})
	return text, files, err
}
