package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// report is what a run came to.
type report struct {
	Seed      uint64         `json:"seed"`
	Cluster   string         `json:"cluster"`
	Without   []string       `json:"without,omitempty"` // parts of failover
	LeftOut   []string       `json:"kinds_left_out,omitempty"`
	Took      time.Duration  `json:"took_ns"`
	Rounds    int            `json:"rounds"`
	Faults    map[string]int `json:"faults"`
	Ops       ops            `json:"operations"`
	Undecided int            `json:"registers_undecided"`
	Timelines int            `json:"timelines"`
	Errors    map[string]int `json:"errors"`
	Gaps      []gap          `json:"unavailable"`
	Anomalies []anomaly      `json:"anomalies"`
	Repeat    string         `json:"repeat"`
	Kept      string         `json:"kept,omitempty"`
}

// ops are operations by outcome.
type ops struct {
	Acknowledged int `json:"acknowledged"`
	Refused      int `json:"refused"`
	Unknown      int `json:"unknown"`
	There        int `json:"unknown_and_there"`
	Seen         int `json:"rows_seen"`
}

func (r *report) counts(all []op, rows []row, seen int) {
	have := map[row]bool{}
	for _, x := range rows {
		have[x] = true
	}
	lines := map[uint32]bool{}
	r.Ops.Seen = seen
	for _, o := range all {
		switch o.Outcome {
		case acked:
			r.Ops.Acknowledged++
			lines[o.Timeline] = true
		case refused:
			r.Ops.Refused++
		case unknown:
			r.Ops.Unknown++
			if o.Kind != read && have[o.Row] {
				r.Ops.There++
			}
		}
	}
	r.Timelines = len(lines)
}

// print is the report for people.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, seed %d, %.0f s, %d rounds\n", r.Cluster, r.Seed, r.Took.Seconds(), r.Rounds)
	if len(r.LeftOut) > 0 {
		fmt.Fprintf(w, "left out: %s\n", strings.Join(r.LeftOut, ", "))
	}
	fmt.Fprintf(w, "operations: %d acknowledged, on %d timelines; %d refused; %d with an outcome unknown, of which %d are there; %d rows seen on a primary\n",
		r.Ops.Acknowledged, r.Timelines, r.Ops.Refused, r.Ops.Unknown, r.Ops.There, r.Ops.Seen)
	if r.Undecided > 0 {
		fmt.Fprintf(w, "registers whose operations were too many to be checked: %d\n", r.Undecided)
	}
	fmt.Fprintln(w, "\nfaults:")
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(w, "  %5d  %s\n", r.Faults[name], name)
	}
	fmt.Fprintf(w, "\nerrors that clients met:\n")
	for _, name := range slices.SortedFunc(maps.Keys(r.Errors), func(a, b string) int { return cmp.Or(r.Errors[b]-r.Errors[a], cmp.Compare(a, b)) }) {
		fmt.Fprintf(w, "  %5d  %s\n", r.Errors[name], name)
	}
	fmt.Fprintf(w, "\nseconds without an acknowledged commit, in rounds of one fault:\n  %5s  %6s  %6s  %6s\n", "times", "median", "p95", "max")
	for _, g := range r.Gaps {
		fmt.Fprintf(w, "  %5d  %6.2f  %6.2f  %6.2f  %s\n", g.Times, g.Median.Seconds(), g.P95.Seconds(), g.Max.Seconds(), g.Kind)
	}
	fmt.Fprintf(w, "\n%d anomalies\n", len(r.Anomalies))
	shown := map[string]int{}
	for _, a := range r.Anomalies {
		if shown[a.Kind]++; shown[a.Kind] <= maxOfAKind {
			fmt.Fprintf(w, "  %s: %s\n", a.Kind, a.Text)
		}
	}
	for kind, n := range shown {
		if n > maxOfAKind {
			fmt.Fprintf(w, "  %s: %d more\n", kind, n-maxOfAKind)
		}
	}
	if len(r.Anomalies) > 0 {
		fmt.Fprintf(w, "logs and traces: %s\n%s\n", r.Kept, r.Repeat)
	}
}

// errorName is an error without what differs from one to the next.
func errorName(err error) string {
	var pgErr *pgconn.PgError
	var unreached net.Error
	switch {
	case errors.As(err, &pgErr):
		return pgErr.Code + " " + pgErr.Message
	case errors.As(err, &unreached) && unreached.Timeout() || pgconn.Timeout(err):
		return "no answer"
	}
	return "connection lost"
}
