package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// column is a system as a session sees it.
type column struct {
	title, name, system, through string // name is the one within a sentence
}

var columns = []column{
	{"pgraft, leader", "pgraft", record.Pgraft, record.Leader},
	{"pgraft, follower", "pgraft", record.Pgraft, record.Follower},
	{"PostgreSQL, quorum commit", "PostgreSQL's quorum commit", record.Postgres, record.Leader},
	{"etcd, leader", "etcd", record.Etcd, record.Leader},
	{"etcd, follower", "etcd", record.Etcd, record.Follower},
}

// Markdown is the whole report, as it stands in docs/performance.md.
func (s *Summary) Markdown() string {
	var b strings.Builder
	s.environment(&b)
	s.writes(&b)
	s.latencies(&b)
	s.cpu(&b)
	s.large(&b)
	s.reads(&b)
	s.slower(&b)
	s.everything(&b)
	return b.String()
}

func (s *Summary) environment(b *strings.Builder) {
	e := s.Environment
	fmt.Fprintf(b, "%s; in each, a line took %g s after %g s of warm-up. %d processors (%s), %.0f GB, Linux %s, %s; "+
		"pgraft %s (%s), %s, etcd %s.\n\n", count(s.Rounds, "round"), e.Window, e.Warmup, e.Processors, e.Processor, float64(e.MemoryBytes)/1e9,
		e.Kernel, e.FileSystem, e.Pgraft, e.Label, e.Postgres, e.Etcd)
	noisy, most := 0, 0.0
	for _, r := range s.Rows {
		if most = max(most, r.Disturbed.Max); r.Disturbed.Median > quiet {
			noisy++
		}
	}
	if noisy > 0 {
		fmt.Fprintf(b, "**The machine was not quiet.** In %d of %d lines something else took more than %.0f %% of the processors' time, "+
			"%.0f %% at most: do not rely on these numbers.\n\n", noisy, len(s.Rows), 100*quiet, 100*most)
	}
}

// quiet is which part of the processors' time others may take: the systems at rest
// need about one per cent each.
const quiet = 0.1

// sessionsOf lists the numbers of sessions that an operation was measured with.
func (s *Summary) sessionsOf(operation string, bytes int) []int {
	var all []int
	for _, r := range s.Rows {
		if r.Operation == operation && r.Bytes == bytes && !slices.Contains(all, r.Sessions) {
			all = append(all, r.Sessions)
		}
	}
	slices.Sort(all)
	return all
}

func write(c column, bytes, sessions int) record.Cell {
	return record.Cell{System: c.system, Operation: record.Write, Through: c.through, Bytes: bytes, Sessions: sessions}
}

// writes compares rates; what the machine can do at most heads the table.
func (s *Summary) writes(b *strings.Builder) {
	head := []string{"writes of 256 bytes a second, median (least to most)"}
	for _, c := range columns {
		head = append(head, c.title)
	}
	head = append(head, "pgraft / PostgreSQL", "pgraft / etcd", "follower / leader")
	var rows [][]string
	for _, r := range s.Rows {
		if r.System == record.Machine && r.Bytes == smallBytes || r.Operation == record.SelectOne && r.Sessions == 1 {
			title := map[string]string{record.Sync: "limit: append and fdatasync, one after the other", record.RoundTrip: "limit: TCP round trip to another process, one after the other",
				record.SelectOne: "limit: `SELECT 1` of one session"}[r.Operation]
			row := make([]string, len(head))
			row[0], row[1] = title, rate(r.PerSecond)
			rows = append(rows, row)
		}
	}
	for _, n := range s.sessionsOf(record.Write, smallBytes) {
		row := []string{sessions(n)}
		for _, c := range columns {
			row = append(row, s.show(write(c, smallBytes, n), func(r *Row) string { return rate(r.PerSecond) + failures(r) }))
		}
		leader, follower := write(columns[0], smallBytes, n), write(columns[1], smallBytes, n)
		row = append(row, s.times(leader, write(columns[2], smallBytes, n), PerSecond), s.times(leader, write(columns[3], smallBytes, n), PerSecond),
			s.times(follower, leader, PerSecond))
		rows = append(rows, row)
	}
	table(b, head, rows)
}

func (s *Summary) latencies(b *strings.Builder) {
	head := []string{"latency of these writes, p50 / p99 in ms"}
	for _, c := range columns {
		head = append(head, c.title)
	}
	head = append(head, "p50, pgraft / PostgreSQL")
	var rows [][]string
	for _, n := range s.sessionsOf(record.Write, smallBytes) {
		row := []string{sessions(n)}
		for _, c := range columns {
			row = append(row, s.show(write(c, smallBytes, n), func(r *Row) string { return ms(r.P50.Median) + " / " + ms(r.P99.Median) }))
		}
		rows = append(rows, append(row, s.times(write(columns[0], smallBytes, n), write(columns[2], smallBytes, n), P50)))
	}
	table(b, head, rows)
}

func (s *Summary) cpu(b *strings.Builder) {
	head := []string{"CPU, µs an operation, of all three servers' processes"}
	parts := []struct {
		title string
		column
		part string
	}{
		{"pgraft", columns[0], record.Servers}, {"of that its engines", columns[0], record.Engines},
		{"pgraft, follower", columns[1], record.Servers}, {"PostgreSQL", columns[2], record.Servers}, {"etcd", columns[3], record.Servers},
		{"beside: client of pgraft", columns[0], record.Client}, {"of PostgreSQL", columns[2], record.Client}, {"of etcd", columns[3], record.Client},
	}
	for _, p := range parts {
		head = append(head, p.title)
	}
	var rows [][]string
	for _, n := range s.sessionsOf(record.Write, smallBytes) {
		row := []string{sessions(n)}
		for _, p := range parts {
			row = append(row, s.show(write(p.column, smallBytes, n), func(r *Row) string { return number(r.CPU[p.part].Median) }))
		}
		rows = append(rows, row)
	}
	row := []string{"at rest, % of one processor"}
	for _, p := range parts {
		idle := record.Cell{System: p.system, Operation: record.Idle}
		row = append(row, s.show(idle, func(r *Row) string {
			if p.through == record.Follower || p.part == record.Client {
				return ""
			}
			return fmt.Sprintf("%.1f", r.CPU[p.part].Median/10)
		}))
	}
	table(b, head, append(rows, row))
}

// large is of values that are no longer small, with the memory after them.
func (s *Summary) large(b *strings.Builder) {
	head := []string{"larger values"}
	for _, c := range columns {
		head = append(head, c.title)
	}
	var rows [][]string
	var sizes []int
	for _, r := range s.Rows {
		if r.Operation == record.Write && r.Bytes != smallBytes && !slices.Contains(sizes, r.Bytes) {
			sizes = append(sizes, r.Bytes)
		}
	}
	slices.Sort(sizes)
	for _, bytes := range sizes {
		for _, n := range s.sessionsOf(record.Write, bytes) {
			row := []string{fmt.Sprintf("%s, %s: a second", size(bytes), sessions(n))}
			memory := []string{fmt.Sprintf("%s, %s: MB of memory, three servers", size(bytes), sessions(n))}
			for _, c := range columns {
				row = append(row, s.show(write(c, bytes, n), func(r *Row) string { return rate(r.PerSecond) + failures(r) }))
				memory = append(memory, s.show(write(c, bytes, n), memoryOf))
			}
			rows = append(rows, row, memory)
		}
	}
	for _, n := range s.sessionsOf(record.Write, smallBytes) {
		row := []string{fmt.Sprintf("beside: 256 bytes, %s: MB of memory", sessions(n))}
		for _, c := range columns {
			row = append(row, s.show(write(c, smallBytes, n), memoryOf))
		}
		rows = append(rows, row)
	}
	row := []string{"limit: append 1 MB and fdatasync, a second"}
	row = append(row, s.show(record.Cell{System: record.Machine, Operation: record.Sync, Bytes: 1 << 20, Sessions: 1},
		func(r *Row) string { return rate(r.PerSecond) }))
	rows = append(rows, append(row, make([]string, len(head)-len(row))...))
	table(b, head, rows)
}

// memoryOf says for pgraft what its engines have of it.
func memoryOf(r *Row) string {
	mb := func(part string) string { return number(r.Memory[part].Median / 1e6) }
	if r.Memory[record.Servers].Median == 0 {
		return ""
	}
	if r.Memory[record.Engines].Median > 0 {
		return mb(record.Servers) + ", engines " + mb(record.Engines)
	}
	return mb(record.Servers)
}

func (s *Summary) reads(b *strings.Builder) {
	counts := s.sessionsOf(record.SelectOne, 0)
	head := []string{"reads a second"}
	for _, n := range counts {
		head = append(head, sessions(n), "")
	}
	var rows [][]string
	for _, r := range []struct {
		title string
		cell  record.Cell
		to    record.Cell // without sessions
		told  string
	}{
		{"`SELECT 1`", read(record.Pgraft, record.SelectOne, record.Leader), record.Cell{}, ""},
		{"`pgraft_is_leader()`", read(record.Pgraft, record.IsLeader, record.Leader), read(record.Pgraft, record.SelectOne, record.Leader), "of `SELECT 1`"},
		{"`pgraft_get_leader()`", read(record.Pgraft, record.GetLeader, record.Leader), read(record.Pgraft, record.SelectOne, record.Leader), "of `SELECT 1`"},
		{"`pgraft_get_term()`", read(record.Pgraft, record.GetTerm, record.Leader), read(record.Pgraft, record.SelectOne, record.Leader), "of `SELECT 1`"},
		{"`pgraft_read_barrier()`, leader", read(record.Pgraft, record.Barrier, record.Leader), write(columns[0], smallBytes, 0), "of writes"},
		{"`pgraft_read_barrier()`, follower", read(record.Pgraft, record.Barrier, record.Follower), write(columns[1], smallBytes, 0), "of writes"},
		{"etcd, linearizable get, leader", read(record.Etcd, record.Get, record.Leader), record.Cell{}, ""},
	} {
		row := []string{r.title}
		for _, n := range counts {
			r.cell.Sessions, r.to.Sessions = n, n
			times := s.times(r.cell, r.to, PerSecond)
			if times != "" {
				times += " " + r.told
			}
			row = append(row, s.show(r.cell, func(r *Row) string { return rate(r.PerSecond) + failures(r) }), times)
		}
		rows = append(rows, row)
	}
	table(b, head, rows)
}

func read(system, operation, through string) record.Cell {
	return record.Cell{System: system, Operation: operation, Through: through}
}

// slower says where pgraft is: what a reader wants to know first.
func (s *Summary) slower(b *strings.Builder) {
	for _, other := range columns[2:4] {
		var slow, fast []string
		for _, n := range s.sessionsOf(record.Write, smallBytes) {
			r := s.ratio(write(columns[0], smallBytes, n), write(other, smallBytes, n), PerSecond)
			switch {
			case r == nil:
			case r.Median < 1:
				slow = append(slow, fmt.Sprintf("%s (%.2f times its rate)", sessions(n), r.Median))
			default:
				fast = append(fast, fmt.Sprintf("%s (%.2f times)", sessions(n), r.Median))
			}
		}
		if len(slow) > 0 {
			fmt.Fprintf(b, "pgraft is slower than %s with %s.\n", other.name, strings.Join(slow, ", "))
		}
		if len(fast) > 0 {
			fmt.Fprintf(b, "pgraft is as fast as %s, or faster, with %s.\n", other.name, strings.Join(fast, ", "))
		}
		if len(slow)+len(fast) > 0 {
			b.WriteString("\n")
		}
	}
}

// everything lists every line, with what makes it trustworthy or not.
func (s *Summary) everything(b *strings.Builder) {
	b.WriteString("<details><summary>Everything that was measured</summary>\n\n")
	var rows [][]string
	verified := 0
	for i := range s.Rows {
		r := &s.Rows[i]
		verified += r.Verified
		cells := []string{"", "", ""}
		if r.Sessions > 0 {
			cells = []string{rate(r.PerSecond) + failures(r), ms(r.P50.Median), ms(r.P99.Median)}
		}
		cpu := func(part string) string {
			if v, ok := r.CPU[part]; !ok || part == record.Servers && r.System == record.Machine {
				return ""
			} else if r.Sessions == 0 {
				return fmt.Sprintf("%.1f %%", v.Median/10)
			} else {
				return number(v.Median)
			}
		}
		row := append([]string{r.Cell.String(), fmt.Sprint(r.Rounds)}, cells...)
		rows = append(rows, append(row, cpu(record.Servers), cpu(record.Client), memoryOf(r),
			fmt.Sprintf("%.0f (%.0f)", 100*r.Disturbed.Median, 100*r.Disturbed.Max)))
	}
	table(b, []string{"operation/size/sessions/system", "rounds", "a second, median (least to most)", "p50 ms", "p99 ms", "servers' CPU, µs an operation",
		"client's", "memory MB", "others' share of the processors %, median (most)"}, rows)
	fmt.Fprintf(b, "</details>\n\nEvery write that was acknowledged was looked for, and found, on all three servers: %s.\n", number(float64(verified)))
}
