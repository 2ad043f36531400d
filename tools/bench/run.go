package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/report"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// options are the command's flags.
type options struct {
	pgConfig string
	etcd     string // the program
	dir      string // where the servers' files go; on a disk
	out      string
	label    string
	only     string
	rounds   int
	limit    time.Duration // 0: none
	warmup   time.Duration
	window   time.Duration
}

func (o options) validate() (*regexp.Regexp, error) {
	only, err := regexp.Compile(o.only)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--only: %w", err)
	case len(chosen(only)) == 0:
		return nil, fmt.Errorf("--only %s matches nothing: see `--list`", o.only)
	}
	return only, o.validateTimes()
}

func (o options) validateTimes() error {
	switch {
	case o.rounds < 1:
		return fmt.Errorf("--rounds %d: want 1 at least", o.rounds)
	case o.window <= 0 || o.warmup < 0 || o.limit < 0:
		return fmt.Errorf("--window %v --warmup %v --for %v: a time cannot be negative, and a window must be longer than 0", o.window, o.warmup, o.limit)
	}
	return nil
}

// benchmark is one run of the command.
type benchmark struct {
	options
	self     string // this program
	work     string // where the servers' files are
	systems  map[string]systems.System
	settle   func() error // before each measurement
	results  *record.Run
	progress io.Writer
	// of growth, otherwise nil and false
	make    func(record.Cell) systems.System // the system of a cell, which does not run yet
	holder  systems.Holder
	written bool          // samples say what servers write
	rest    time.Duration // of a server before its memory is looked at
}

func (b *benchmark) say(format string, args ...any) { fmt.Fprintf(b.progress, format, args...) }

// run starts the systems, measures what is still missing, and stops them. When ctx
// ends early, or the time is over, what was measured stays.
func run(ctx context.Context, o options, progress io.Writer) (_ *record.Run, err error) {
	only, err := o.validate()
	if err != nil {
		return nil, err
	}
	if err := o.findEtcd(); err != nil {
		return nil, err
	}
	b, err := o.begin(progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	groups := chosen(only)
	env, err := b.start(ctx, groups)
	if err != nil {
		return nil, err
	}
	if b.results, err = record.Open(o.out, env); err != nil {
		return nil, err
	}
	return b.results, b.rounds(ctx, groups)
}

// findEtcd says what is to be done where there is none.
func (o options) findEtcd() error {
	if _, err := exec.LookPath(o.etcd); err != nil {
		return fmt.Errorf("--etcd: %w; `make bench` builds etcd's server as build/bench/etcd", err)
	}
	return nil
}

// begin makes what all commands need; end takes it away.
func (o options) begin(progress io.Writer) (b *benchmark, err error) {
	b = &benchmark{options: o, progress: progress, systems: map[string]systems.System{}}
	if b.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("this program: %w", err)
	}
	if b.work, err = os.MkdirTemp(o.dir, "pgraft-bench-"); err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	b.settle = func() error { return syncFileSystem(b.work) }
	if err := os.Chmod(b.work, 0o755); err != nil { // the servers may run as another user
		return nil, errors.Join(fmt.Errorf("--dir: %w", err), b.end())
	}
	return b, nil
}

func (b *benchmark) end() error {
	var err error
	for _, s := range b.systems {
		err = errors.Join(err, s.Stop())
	}
	if b.holder != nil {
		err = errors.Join(err, b.holder.Stop())
	}
	return errors.Join(err, os.RemoveAll(b.work))
}

// start starts the systems that cells need.
func (b *benchmark) start(ctx context.Context, groups [][]record.Cell) (record.Environment, error) {
	install, err := pgcluster.Find(b.pgConfig)
	if err != nil {
		return record.Environment{}, err
	}
	env, err := environment(b.work)
	if err != nil {
		return env, err
	}
	env.Label, env.Postgres, env.Warmup, env.Window = b.label, install.Version, b.warmup.Seconds(), b.window.Seconds()
	for _, s := range []systems.System{systems.NewPgraft(install, b.work), systems.NewPostgres(install, b.work), systems.NewEtcd(b.etcd, b.work)} {
		if err := b.startSystem(ctx, s.Name(), s); err != nil {
			return env, err
		}
	}
	env.Pgraft, env.Etcd = b.systems[record.Pgraft].Version(), b.systems[record.Etcd].Version()
	return env, nil
}

// startSystem makes s the system of that name.
func (b *benchmark) startSystem(ctx context.Context, name string, s systems.System) error {
	began := time.Now()
	b.say("start %s ... ", name)
	b.systems[name] = s
	if err := s.Start(ctx); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	b.say("%s, %.1f s\n", s.Version(), time.Since(began).Seconds())
	return nil
}

// rounds measures, round by round, the cells that the results lack.
func (b *benchmark) rounds(ctx context.Context, groups [][]record.Cell) error {
	type task struct {
		round *record.Round
		cell  record.Cell
	}
	var tasks []task
	for n := range b.options.rounds {
		round := b.results.Round(n + 1)
		for _, group := range groups {
			for _, c := range turn(group, n+1) {
				if round.Find(c) == nil {
					tasks = append(tasks, task{round, c})
				}
			}
		}
	}
	began := time.Now()
	for i, t := range tasks {
		if b.limit > 0 && time.Since(began) > b.limit {
			b.say("--for %s is over: %d of %d lines are measured; the same command goes on\n", b.limit, i, len(tasks))
			return nil
		}
		b.say("round %d/%d, line %d/%d%s: %s ... ", t.round.Number, b.options.rounds, i+1, len(tasks), left(began, i, len(tasks)), t.cell)
		s, err := b.measure(ctx, t.cell)
		if err != nil {
			b.say("failed\n")
			return fmt.Errorf("%s: %w", t.cell, err)
		}
		b.say("%s\n", brief(s))
		if err := b.results.Add(t.round, s); err != nil {
			return err
		}
	}
	return nil
}

// left is how long the rest will take, once that can be told.
func left(began time.Time, done, all int) string {
	const enough = 5
	if done < enough {
		return ""
	}
	rest := time.Since(began) / time.Duration(done) * time.Duration(all-done)
	return fmt.Sprintf(", %s left", rest.Round(time.Minute/6))
}

// brief is a sample on a line.
func brief(s record.Sample) string {
	switch {
	case record.Strikes(s.Operation):
		return fmt.Sprintf("nothing committed for %.0f ms", s.Gap)
	case s.Log != nil:
		return fmt.Sprintf("readable after %.2f s, get p50 %.3f ms; in SQL %.2f s, %.3f ms", s.Log.Node.Answers, s.Log.Node.Get.P50, s.Log.SQL.Answers, s.Log.SQL.Get.P50)
	case s.CaughtUp != nil:
		x := s.CaughtUp
		return fmt.Sprintf("%d entries after %.1f s, p99 %.2f ms, before %.2f ms", x.Missed, x.Complete, x.During.P99, x.Before.P99)
	}
	disturbed := 100 * (s.CPU[record.Others] + s.CPU[record.Stolen]) / s.Seconds
	if s.Sessions == 0 {
		return fmt.Sprintf("%.1f %% of a processor", 100*s.CPU[record.Servers]/s.Seconds)
	}
	text := fmt.Sprintf("%.0f/s, p50 %.2f ms", s.PerSecond, s.Latency.P50)
	failed := 0
	for _, n := range s.Failed {
		failed += n
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d FAILED %v", failed, s.Failed)
	}
	if s.System != record.Machine {
		text += fmt.Sprintf(", others took %.0f %% of a processor", disturbed)
	}
	return text
}

// Files that writeReport makes.
const (
	tableFile   = "table.md"
	summaryFile = "summary.json"
	pictureFile = "throughput.svg"
)

// writeReport writes the reports beside the results, and names their files. There is no
// picture where no writes were measured.
func writeReport(run *record.Run) (s *report.Summary, files []string, err error) {
	s = report.Summarise(run)
	text, err := s.JSON()
	if err != nil {
		return nil, nil, err
	}
	contents := map[string][]byte{tableFile: []byte(s.Markdown()), summaryFile: text}
	if s.HasPicture() {
		if contents[pictureFile], err = s.SVG(); err != nil {
			return nil, nil, err
		}
	}
	files, err = writeFiles(run.Dir, contents)
	return s, files, err
}

// writeFiles writes files of a directory, and names them in order.
func writeFiles(dir string, contents map[string][]byte) (files []string, err error) {
	for name, text := range contents {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, fmt.Errorf("write the report: %w", err)
		}
		files = append(files, path)
	}
	slices.Sort(files)
	return files, nil
}

// list is what --only can choose from.
func list(groups [][]record.Cell) string {
	var b strings.Builder
	for _, group := range groups {
		for _, c := range group {
			fmt.Fprintln(&b, c)
		}
	}
	return b.String()
}
