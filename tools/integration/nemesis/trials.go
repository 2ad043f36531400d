package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// trials are builds that have to be found out, with the kinds of faults that can do so: a tenth of all,
// so that it does not take ten times as long. What has to be found is named, too. A seal is
// what keeps a commit where no clock does: a lease that never ends, or the seal alone, loses nothing.
var trials = []struct{ without, faults, finds string }{
	{"F1", "cut: all;cut: Raft;stop engine;kill server", notRefused},
	{"F2", "cut: streams, then kill;cut: streams;kill server", vanished},
	{"F3", "impostor, cut: streams, then kill;cut: streams;kill server", lost},
	{"lease,seal", "cut: Raft;stop engine;switchover", lost},
	{"token", "impostor, cut: streams, then kill;cut: streams;kill server", lost},
}

// tries runs each until there is an anomaly, for so long as a run may take, and says how many
// were not found out.
func tries(f flags, out io.Writer) (missed int, err error) {
	chosen := split(f.without, ";")
	for _, x := range trials {
		if f.without, f.kinds = x.without, x.faults; len(chosen) > 0 && !slices.Contains(chosen, x.without) {
			continue
		}
		r, err := run(f)
		if err != nil {
			return missed, fmt.Errorf("without %s: %w", f.without, err)
		}
		i := slices.IndexFunc(r.Anomalies, func(a anomaly) bool { return a.Kind == x.finds })
		if i < 0 {
			missed++
			for _, a := range r.Anomalies {
				fmt.Fprintf(out, "without %s: %s: %s\n", f.without, a.Kind, a.Text)
			}
			fmt.Fprintf(out, "without %s: not found in %.0f s and %d rounds, seed %d\n", f.without, r.Took.Seconds(), r.Rounds, r.Seed)
			continue
		}
		text, _, _ := strings.Cut(r.Anomalies[i].Text, "\n")
		fmt.Fprintf(out, "without %s: found after %.0f s and %d rounds, seed %d: %s: %s\n", f.without, r.Took.Seconds(), r.Rounds, r.Seed, r.Anomalies[i].Kind, text)
	}
	return missed, nil
}
