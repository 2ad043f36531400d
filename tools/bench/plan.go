package main

import (
	"regexp"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// What is measured with.
var (
	writeSessions = []int{1, 8, 32, 64, 256}
	readSessions  = []int{1, 8, 32}
	largeBytes    = []int{16 << 10, 256 << 10, 1 << 20}
)

const (
	smallBytes    = 256
	largeSessions = 8
)

// plan is all cells of a round, in groups of what is compared: a group is measured
// without anything in between.
func plan() [][]record.Cell {
	machine := func(operation string, bytes int) record.Cell {
		return record.Cell{System: record.Machine, Operation: operation, Bytes: bytes, Sessions: 1}
	}
	groups := [][]record.Cell{
		{machine(record.Sync, smallBytes), machine(record.RoundTrip, smallBytes), machine(record.Sync, 1<<20)},
		{{System: record.Pgraft, Operation: record.Idle}, {System: record.Postgres, Operation: record.Idle}, {System: record.Etcd, Operation: record.Idle}},
	}
	for _, n := range writeSessions {
		write := func(system, through string) record.Cell {
			return record.Cell{System: system, Operation: record.Write, Through: through, Bytes: smallBytes, Sessions: n}
		}
		groups = append(groups, []record.Cell{write(record.Pgraft, record.Leader), write(record.Pgraft, record.Follower),
			write(record.Postgres, record.Leader), write(record.Etcd, record.Leader), write(record.Etcd, record.Follower)})
	}
	for _, n := range readSessions {
		read := func(system, operation, through string) record.Cell {
			return record.Cell{System: system, Operation: operation, Through: through, Sessions: n}
		}
		groups = append(groups,
			[]record.Cell{read(record.Pgraft, record.SelectOne, record.Leader), read(record.Pgraft, record.IsLeader, record.Leader),
				read(record.Pgraft, record.GetLeader, record.Leader), read(record.Pgraft, record.GetTerm, record.Leader)},
			[]record.Cell{read(record.Pgraft, record.Barrier, record.Leader), read(record.Pgraft, record.Barrier, record.Follower),
				read(record.Etcd, record.Get, record.Leader)})
	}
	for _, bytes := range largeBytes {
		write := func(system string) record.Cell {
			return record.Cell{System: system, Operation: record.Write, Through: record.Leader, Bytes: bytes, Sessions: largeSessions}
		}
		groups = append(groups, []record.Cell{write(record.Pgraft), write(record.Postgres), write(record.Etcd)})
	}
	return groups
}

// chosen is the plan's cells whose names match.
func chosen(only *regexp.Regexp) [][]record.Cell { return matching(plan(), only) }

func matching(all [][]record.Cell, only *regexp.Regexp) [][]record.Cell {
	var groups [][]record.Cell
	for _, group := range all {
		var some []record.Cell
		for _, c := range group {
			if only.MatchString(c.String()) {
				some = append(some, c)
			}
		}
		if len(some) > 0 {
			groups = append(groups, some)
		}
	}
	return groups
}

// turn is the order of a group in a round: another one begins in each, so that none
// always comes after the same.
func turn(group []record.Cell, round int) []record.Cell {
	at := (round - 1) % len(group)
	return append(append([]record.Cell(nil), group[at:]...), group[:at]...)
}
