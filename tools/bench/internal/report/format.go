package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// table writes rows of which at least one has something to say.
func table(b *strings.Builder, head []string, rows [][]string) {
	rows = slices.DeleteFunc(rows, func(row []string) bool { return strings.Join(row[1:], "") == "" })
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	b.WriteString("\n")
}

// show is empty for a cell that was not measured.
func (s *Summary) show(c record.Cell, how func(*Row) string) string {
	if r := s.row(c); r != nil {
		return how(r)
	}
	return ""
}

// times is a ratio, empty if there is none.
func (s *Summary) times(of, to record.Cell, what string) string {
	if r := s.ratio(of, to, what); r != nil {
		return fmt.Sprintf("%.2f", r.Median)
	}
	return ""
}

func failures(r *Row) string {
	if r.Failed == 0 {
		return ""
	}
	return fmt.Sprintf(", %d failed", r.Failed)
}

func sessions(n int) string { return count(n, "session") }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func size(bytes int) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d kB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// rate is a spread of numbers per second.
func rate(s Spread) string {
	if s.Min == s.Max {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.Median), number(s.Min), number(s.Max))
}

// number has three significant digits at least, and commas.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func ms(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
