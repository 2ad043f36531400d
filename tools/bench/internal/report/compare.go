package report

import (
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// Compare is a table of the lines that two summaries have in common, with what the
// second has of the first: rate, p50, CPU and memory of the servers.
func Compare(before, after *Summary) string {
	var rows [][]string
	times := func(a, b Spread) string {
		if a.Median == 0 {
			return ""
		}
		return fmt.Sprintf("%.2f", b.Median/a.Median)
	}
	for i := range before.Rows {
		a := &before.Rows[i]
		b := after.row(a.Cell)
		if b == nil {
			continue
		}
		row := []string{a.Cell.String(), "", "", "", ""}
		if a.Sessions > 0 {
			row = []string{a.Cell.String(), rate(a.PerSecond), rate(b.PerSecond), times(a.PerSecond, b.PerSecond), times(a.P50, b.P50)}
		}
		rows = append(rows, append(row, times(a.CPU[record.Servers], b.CPU[record.Servers]), times(a.Memory[record.Servers], b.Memory[record.Servers])))
	}
	var b strings.Builder
	table(&b, []string{"line", before.Environment.Label + ", a second", after.Environment.Label, "times", "p50, times", "servers' CPU an operation, times", "memory, times"}, rows)
	if b.Len() == 0 {
		return "The two have no line in common.\n"
	}
	return b.String()
}
