package main

import (
	"fmt"
	"io"
	"strings"
)

// trials are builds that have to be found out. A seal is what keeps a commit where no clock does: the
// lease alone, or the seal alone, loses nothing.
var trials = []string{"F1", "F2", "F3", "lease,seal", "token"}

// tries runs each until there is an anomaly, for so long as a run may take, and says how many
// were not found out.
func tries(f flags, out io.Writer) (missed int, err error) {
	for _, f.without = range trials {
		r, err := run(f)
		if err != nil {
			return missed, fmt.Errorf("without %s: %w", f.without, err)
		}
		if len(r.Anomalies) == 0 {
			missed++
			fmt.Fprintf(out, "without %s: nothing in %.0f s and %d rounds, seed %d\n", f.without, r.Took.Seconds(), r.Rounds, r.Seed)
			continue
		}
		text, _, _ := strings.Cut(r.Anomalies[0].Text, "\n")
		fmt.Fprintf(out, "without %s: found after %.0f s and %d rounds, seed %d: %s: %s\n", f.without, r.Took.Seconds(), r.Rounds, r.Seed, r.Anomalies[0].Kind, text)
	}
	return missed, nil
}
