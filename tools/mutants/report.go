package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// classes are those of the mutants.
var classes = map[string]string{
	"1": "a vote or term sent before it is durable", "2": "term durable, vote not", "3": "an append acknowledged before its sync",
	"4": "a sync error ignored, or retried and believed", "5": "an older term's entry committed by counting",
	"6": "a wrong up-to-date comparison", "7": "a corrupt committed record taken for a torn tail",
	"8": "a second membership change before the first is applied", "9": "a snapshot without its ConfState, or one index off",
	"10": "a read without the quorum round", "11": "a lease kept too long", "12": "request ids forgotten",
	"13": "a removed node's message accepted", "14": "a wiped node let back in", "15": "PreVote ignored, or a learner that refuses to vote",
	"version": "which builds may read the log",
	"own":     "pgraft's own mechanisms", "bounds": "bounds that only a long life meets",
	"batch":     "inputs taken as one, and messages that stand for several",
	"two lives": "an old answer of a term in which the same node led before", "held over": "a message over two changes of leader, or a restart",
	"long tail": "a deposed leader's long log under a snapshot", "joint snapshot": "a snapshot of a joint configuration",
	"edge of a promise": "an election in the last ticks of a promise",
	"closed leader":     "a leader without connections taken for dead, or voters out of turn",
	"needed":            "what a database needs leaves the logs", "kept": "what nobody needs stays in them",
	"failover":   "who is the primary, and what a server may do",
	"handed out": "a database gets what it must not", "history": "the log that a member had",
}

// killed says how many of the bases killed it.
func (r result) killed() (n int) {
	for _, k := range r.kills {
		if k.Killed {
			n++
		}
	}
	return n
}

// seeds are the numbers of seeds to the kills, sorted.
func (r result) seeds() (l []uint64) {
	for _, k := range r.kills {
		l = append(l, k.Seeds)
	}
	slices.Sort(l)
	return l
}

// wrong says why the result is not what it has to be; "" if it is.
func (r result) wrong() string {
	switch {
	case r.err != nil:
		return r.err.Error()
	case r.mutant.control && r.killed() > 0:
		return "this one is not wrong, and a checker says so"
	case !r.mutant.control && (!r.mutant.live || r.mutant.story != "") && r.killed() < len(r.kills):
		return fmt.Sprintf("survived %d of %d", len(r.kills)-r.killed(), len(r.kills))
	}
	return ""
}

// checks are the checkers that saw it.
func (r result) checks() string {
	var l []string
	for _, k := range r.kills {
		if k.Killed && !slices.Contains(l, k.Check) {
			l = append(l, k.Check)
		}
	}
	return strings.Join(l, ", ")
}

// report prints the table; the error says what is not as it has to be.
func report(results []result, o options) error {
	if o.asJSON {
		return reportJSON(results)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MUTANT\tCLASS\tKILLED\tSEEDS\tSECONDS\tCHECKER\t")
	var all []uint64
	var bad []string
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", r.mutant.name, r.mutant.class, r.verdict(), r.counts(), r.seconds(), r.checks())
		if r.wrong() != "" {
			bad = append(bad, r.mutant.name+": "+r.wrong())
		}
		if !r.mutant.control && !r.mutant.live && r.mutant.story == "" && r.err == nil {
			all = append(all, r.seeds()...)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		r.details(o)
	}
	slices.Sort(all)
	if len(all) > 0 {
		fmt.Printf("\n%d mutants, %d bases from seed %d on; safety mutants: median %d seeds, most %d\n", len(results), o.bases, o.seed, all[len(all)/2], all[len(all)-1])
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d not as they have to be:\n  %s", len(bad), strings.Join(bad, "\n  "))
	}
	return nil
}

func (r result) verdict() string {
	switch {
	case r.err != nil:
		return "error"
	case r.mutant.control:
		return fmt.Sprintf("%d/%d (is right)", r.killed(), len(r.kills))
	case r.mutant.live:
		return fmt.Sprintf("%d/%d (liveness)", r.killed(), len(r.kills))
	}
	return fmt.Sprintf("%d/%d", r.killed(), len(r.kills))
}

// counts are the seeds of each base, in order.
func (r result) counts() string {
	var l []string
	for _, k := range r.kills {
		s := fmt.Sprint(k.Seeds)
		switch {
		case r.mutant.story != "":
			s = "story"
		case !k.Killed:
			s = ">" + s
		}
		l = append(l, s)
	}
	return strings.Join(l, " ")
}

func (r result) seconds() string {
	var l []string
	for _, k := range r.kills {
		l = append(l, fmt.Sprintf("%.1f", k.Elapsed.Seconds()))
	}
	return strings.Join(l, " ")
}

// details are what -v, -shrink and -ablate add.
func (r result) details(o options) {
	if o.verbose {
		for _, k := range r.kills {
			if k.Killed {
				fmt.Printf("%s: seed %d: %s: %.300s\n", r.mutant.name, k.Seed, k.Check, k.Detail)
			}
		}
	}
	if len(r.kills) > 0 && r.kills[0].Shrink > 0 {
		k := r.kills[0]
		fmt.Printf("%s: %d of %d decisions are left after %v:\n", r.mutant.name, len(k.Shrunk), k.Decisions, k.Shrink.Round(time.Millisecond))
		for _, d := range k.Shrunk {
			fmt.Printf("    %s\n", d)
		}
	}
	if len(r.needsFault) > 0 {
		fmt.Printf("%s gets away without %s\n", r.mutant.name, strings.Join(r.needsFault, "; without "))
	}
	if len(r.needsCheck) > 0 {
		fmt.Printf("%s gets away without the check %s\n", r.mutant.name, strings.Join(r.needsCheck, "; without "))
	}
}

func reportJSON(results []result) error {
	type row struct {
		Name       string   `json:"name"`
		Class      string   `json:"class"`
		ClassText  string   `json:"class_text"`
		Doc        string   `json:"doc"`
		Liveness   bool     `json:"liveness"`
		Control    bool     `json:"control"`
		Wrong      string   `json:"wrong,omitempty"`
		Kills      []kill   `json:"kills"`
		NeedsFault []string `json:"needs_fault,omitempty"`
		NeedsCheck []string `json:"needs_check,omitempty"`
	}
	var rows []row
	bad := 0
	for _, r := range results {
		rows = append(rows, row{r.mutant.name, r.mutant.class, classes[r.mutant.class], r.mutant.doc, r.mutant.live, r.mutant.control,
			r.wrong(), r.kills, r.needsFault, r.needsCheck})
		if r.wrong() != "" {
			bad++
		}
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(rows); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d are not as they have to be", bad)
	}
	return nil
}
