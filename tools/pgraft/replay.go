package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

type replayOptions struct {
	at          int
	set         []string
	commands    string
	interactive bool
	json        bool
}

func newReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Feed recorded traces to a fresh core, and say whether it does the same",
		Long: `replay takes what the flight recorder of one or more nodes wrote (files, or
directories of them, as pgraft_trace_save makes them), gives every input to a
fresh core and compares each output with the recorded sums. Several nodes are
merged in causal order, and the safety checks are run over all.

The exit status is 1 if an output differs, a file is damaged (not just cut off)
or a check fails.

With --at, --commands or --interactive it steps through the inputs, forward and
back, with breakpoints and search: see the command help there.`,
		Example: `  pgraft replay /tmp/saved
  pgraft replay node1/ node2/ node3/
  pgraft replay node1/ --at 4711
  pgraft replay node1/ node2/ --interactive
  pgraft replay node1/ --commands 'break role leader; continue; state'
  pgraft replay node1/ --set election_timeout=3s`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inc, err := replay.Open(args...)
			if err != nil {
				return err
			}
			others, unknown := inc.Versions(recorder.Build())
			for _, v := range append(others, unknown...) {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", v)
			}
			switch {
			case len(o.set) > 0:
				return o.whatIf(cmd.OutOrStdout(), inc)
			case o.interactive || o.commands != "" || cmd.Flags().Changed("at"):
				return o.session(cmd, inc)
			}
			return o.verdict(cmd.OutOrStdout(), inc)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.at, "at", 0, "go to just after input `N` of all nodes together, and show the state there")
	f.StringArrayVar(&o.set, "set", nil, "what would have happened with another setting, `NAME=VALUE`: election_timeout,\nheartbeat_interval, snapshot_entries, max_entry_bytes, max_tail_bytes or seed")
	f.StringVar(&o.commands, "commands", "", "`commands` to carry out, with ; between them; - reads them from standard input")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "read commands from the terminal")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	return cmd
}

// verdictResult is what --json prints.
type verdictResult struct {
	Identical bool               `json:"identical"`
	Inputs    int                `json:"inputs"`
	Nodes     []replay.Verdict   `json:"nodes"`
	Checks    []string           `json:"checks"`
	Forced    int                `json:"received_before_sent"`
	Failed    []replay.Violation `json:"violations"`
}

func (o *replayOptions) verdict(w io.Writer, inc *replay.Incident) error {
	r := verdictResult{Identical: true, Checks: replay.Checks, Failed: []replay.Violation{}}
	damaged := false
	verdicts, order, violations, err := inc.Verify()
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		r.Nodes = append(r.Nodes, v)
		r.Inputs += v.Inputs
		r.Identical, damaged = r.Identical && v.Identical, damaged || v.Damaged
		if !o.json {
			fmt.Fprint(w, v)
		}
	}
	r.Failed, r.Forced = append(r.Failed, violations...), order.Forced
	if o.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	} else {
		for _, v := range violations {
			fmt.Fprintf(w, "VIOLATED  %v\n", v)
		}
		if len(violations) == 0 {
			fmt.Fprintf(w, "checked over all nodes: %s\n", strings.Join(replay.Checks, ", "))
		}
		if r.Identical {
			fmt.Fprintf(w, "identical, %d inputs\n", r.Inputs)
		}
	}
	switch {
	case !r.Identical:
		return errors.New("the replay differs from what was recorded")
	case len(violations) > 0:
		return fmt.Errorf("%d violations of the safety checks", len(violations))
	case damaged:
		return errors.New("a file is damaged: identical up to there")
	}
	return nil
}

func (o *replayOptions) whatIf(w io.Writer, inc *replay.Incident) error {
	set, err := replay.Changes(o.set)
	if err != nil {
		return err
	}
	var all []replay.WhatIf
	refused := 0
	for _, n := range inc.Nodes {
		r := n.WhatIf(set)
		all = append(all, r)
		if r.Refused() {
			refused++
		}
		if !o.json {
			fmt.Fprint(w, r)
		}
	}
	if o.json {
		if err := json.NewEncoder(w).Encode(all); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	if refused == len(all) {
		return fmt.Errorf("no core starts with %s: %s", strings.Join(o.set, " "), all[0].Ends)
	}
	return nil
}

func (o *replayOptions) session(cmd *cobra.Command, inc *replay.Incident) error {
	s, err := replay.NewSession(inc, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	s.JSON = o.json
	if cmd.Flags().Changed("at") {
		if err := s.Goto(o.at); err != nil {
			return err
		}
		for _, c := range []string{"show", "state", "nodes"} {
			if _, err := s.Do(c); err != nil {
				return err
			}
		}
	}
	switch {
	case o.commands == "-":
		return script(s, bufio.NewScanner(cmd.InOrStdin()))
	case o.commands != "":
		return script(s, bufio.NewScanner(strings.NewReader(strings.ReplaceAll(o.commands, ";", "\n"))))
	case o.interactive && term.IsTerminal(int(os.Stdin.Fd())):
		return terminal(s, inc)
	case o.interactive:
		return script(s, bufio.NewScanner(cmd.InOrStdin()))
	}
	return nil
}

// script carries out commands up to the first that fails. What begins with # is
// a comment.
func script(s *replay.Session, lines *bufio.Scanner) error {
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if quit, err := s.Do(line); quit || err != nil {
			return err
		}
	}
	return lines.Err()
}

// terminal reads commands with line editing and history.
func terminal(s *replay.Session, inc *replay.Incident) (err error) {
	fd := int(os.Stdin.Fd())
	old, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, old)) }()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout}, "")
	s.SetOutput(t)
	if width, height, err := term.GetSize(fd); err == nil && width > 0 { // 0: nobody said
		if err := t.SetSize(width, height); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
	}
	fmt.Fprintf(t, "%d inputs of %d nodes. help lists the commands, Ctrl-D ends.\n", inc.Inputs(), len(inc.Nodes))
	for {
		t.SetPrompt(fmt.Sprintf("(%d) ", s.N()))
		line, err := t.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
		quit, err := s.Do(line)
		if err != nil {
			fmt.Fprintf(t, "%v\n", err)
		}
		if quit {
			return nil
		}
	}
}
