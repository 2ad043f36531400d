package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/status"
)

func newStatus() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status [TARGET]...",
		Short: "Ask servers and witnesses how they are; the exit status is for health checks",
		Long: `status asks each TARGET, all at once, and prints what it says of itself, the
members of the cluster, and what is wrong.

A TARGET is a PostgreSQL connection string or URL as psql takes it, or the URL of
a node that runs without PostgreSQL: http:// and its --http address. Without one,
the server of the environment is asked (PGHOST, PGPORT, PGUSER, PGSERVICE, ...).
Passwords may come from ~/.pgpass. The role needs pg_monitor.

The exit status is 0 if every target answered and nothing is critical, else 1.
What only warns does not change it.`,
		Example: `  pgraft status
  pgraft status host=10.0.0.1 host=10.0.0.2 http://10.0.0.3:7011
  pgraft status --json 'postgres://watcher@10.0.0.1/postgres' | jq .problems`,
		RunE: func(cmd *cobra.Command, targets []string) error {
			if timeout <= 0 {
				return fmt.Errorf("--timeout %v: must be positive", timeout)
			}
			if len(targets) == 0 {
				targets = []string{""}
			}
			ctx, done := context.WithTimeout(cmd.Context(), timeout)
			defer done()
			r := status.Ask(ctx, targets)
			if err := cmd.Context().Err(); err != nil {
				return errors.New("interrupted")
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if err := enc.Encode(r); err != nil {
					return fmt.Errorf("write the report: %w", err)
				}
			} else if err := r.Write(cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			if r.Status == "critical" {
				return errors.New("the cluster is not well")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for answers")
	return cmd
}
