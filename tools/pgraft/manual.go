package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManual is for packagers: `make` calls it, and no user has to.
func newManual() *cobra.Command {
	return &cobra.Command{
		Use:     "manual DIR",
		Short:   "Write the manual pages, one for each command",
		Long:    "Write the manual pages of this command and of each of its subcommands to a directory, which is created.",
		Example: "  pgraft manual build/man",
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[0]
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("manual: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			date, err := time.Parse(time.DateOnly, released)
			if err != nil {
				return fmt.Errorf("manual: %w", err)
			}
			header := &doc.GenManHeader{Section: "1", Source: "pgraft " + version, Manual: "pgraft", Date: &date}
			if err := doc.GenManTree(root, header, dir); err != nil {
				return fmt.Errorf("manual: %w", err)
			}
			return nil
		},
	}
}
