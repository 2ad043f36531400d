package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/bench/internal/report"
	"github.com/pgraft/pgraft/tools/bench/internal/systems"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// growth is run, for what grows.
func growth(ctx context.Context, o options, g growing, progress io.Writer) (_ *record.Run, err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	groups := matching(g.plan(), only)
	if len(groups) == 0 {
		return nil, fmt.Errorf("--only %s matches nothing: see `--list`", o.only)
	}
	if err := o.validateTimes(); err != nil {
		return nil, err
	}
	install, err := pgcluster.Find(o.pgConfig)
	if err != nil {
		return nil, err
	}
	b, err := o.begin(progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	env, err := environment(b.work)
	if err != nil {
		return nil, err
	}
	env.Label, env.Postgres, env.Warmup, env.Window, env.Growth = b.label, install.Version, b.warmup.Seconds(), b.window.Seconds(), true
	b.written, b.rest = true, g.rest
	b.make = func(c record.Cell) systems.System {
		if c.Operation == record.CatchUp {
			return systems.NewAbsentee(install, b.work)
		}
		return systems.NewSized(install, b.work, c.Nodes, nil)
	}
	b.holder = systems.NewHolder(install, b.work, b.self, heldCommand)
	if b.results, err = record.Open(o.out, env); err != nil {
		return nil, err
	}
	return b.results, b.rounds(ctx, groups)
}

// system is the one that a cell is of. Of systems that are made for some cells one runs
// at a time.
func (b *benchmark) system(ctx context.Context, c record.Cell) (systems.System, error) {
	if b.make == nil {
		return b.systems[c.System], nil
	}
	name := fmt.Sprintf("%s of %d", c.System, c.Nodes)
	if c.Operation == record.CatchUp {
		name += " with all kept"
	}
	if s := b.systems[name]; s != nil {
		return s, nil
	}
	for other, s := range b.systems {
		if err := s.Stop(); err != nil {
			return nil, err
		}
		delete(b.systems, other)
	}
	if err := b.startSystem(ctx, name, b.make(c)); err != nil {
		return nil, err
	}
	return b.systems[name], nil
}

// hold has a log hold the entries of a cell, and starts what reads them. No other
// system runs beside it.
func (b *benchmark) hold(ctx context.Context, c record.Cell) (s record.Sample, err error) {
	for name, other := range b.systems {
		if err := other.Stop(); err != nil {
			return s, err
		}
		delete(b.systems, name)
	}
	log := &record.Log{}
	load, err := loadAverage()
	if err != nil {
		return s, err
	}
	written, took, err := b.holder.Fill(ctx, c.Entries, c.Bytes)
	if err != nil {
		return s, err
	}
	if written > 0 {
		log.FilledPerSecond = float64(written) / took.Seconds()
	}
	if err := b.settle(); err != nil {
		return s, err
	}
	if log.DiskBytes, err = b.holder.Disk(); err != nil {
		return s, err
	}
	if log.Node, err = b.holder.Node(ctx, heldReads); err != nil {
		return s, err
	}
	if log.SQL, err = b.holder.SQL(ctx, heldReads, b.rest); err != nil {
		return s, err
	}
	return record.Sample{Cell: c, At: now(), Seconds: took.Seconds(), Operations: written, Load: load, Log: log}, nil
}

// writeGrowth writes the tables of growth beside its results.
func writeGrowth(run *record.Run) (text string, files []string, err error) {
	s := report.Growths(run)
	summary, err := s.JSON()
	if err != nil {
		return "", nil, err
	}
	text = s.Markdown()
	files, err = writeFiles(run.Dir, map[string][]byte{tableFile: []byte(text), summaryFile: summary})
	return text, files, err
}
