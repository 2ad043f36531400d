package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/diff"
)

// errParted makes the exit status tell what diff found.
var errParted = errors.New("the runs part")

func newDiff() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two recorded runs and name the first event where they part, and why",
		Long: `diff replays two recorded runs side by side, node by node, and names the first
event where they part: whether a node was given something else, or did something
else with the same, and in which fields. Times are not compared.

A and B are a trace file each, or a directory with all *.trace files of a run.
The exit status is 0 if the runs are the same as far as both are recorded, and 1
if they part or cannot be read.`,
		Example: `  pgraft diff before/ after/
  pgraft diff node2.trace node2-of-another-day.trace --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := load(cmd, args[:1])
			if err != nil {
				return err
			}
			b, err := load(cmd, args[1:])
			if err != nil {
				return err
			}
			r := diff.Compare(a, b)
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(r)
			} else {
				err = r.WriteText(cmd.OutOrStdout())
			}
			if err != nil {
				return fmt.Errorf("write the result: %w", err)
			}
			if r.Verdict == diff.Parted {
				return errParted
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}
