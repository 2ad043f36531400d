package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/bench"
)

func newBench() *cobra.Command {
	var o bench.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench [TARGET]...",
		Short: "Measure how many entries a running cluster takes, and how long each waits",
		Long: `bench opens sessions, each of which calls pgraft_replicate_entry() again and again,
and says how many entries were acknowledged and how long they took.

A TARGET is a PostgreSQL connection string or URL as psql takes it; the sessions
take turns at them. Without one, the server of the environment is used (PGHOST,
PGPORT, ...). On a follower an entry goes to the leader, which takes longer.

The entries stay in the cluster's log, until it is trimmed. Where an apply
function is registered it would be called with them: bench refuses, unless told
otherwise. The role needs EXECUTE on pgraft_replicate_entry, and pg_monitor.`,
		Example: `  pgraft bench host=10.0.0.1
  pgraft bench --clients 32 --duration 30s --size 1000 host=10.0.0.1 host=10.0.0.2
  pgraft bench --json postgres://postgres@10.0.0.1/postgres > result.json`,
		RunE: func(cmd *cobra.Command, targets []string) error {
			if o.Targets = targets; len(targets) == 0 {
				o.Targets = []string{""}
			}
			r, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(r)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), r.Text())
			}
			if err != nil {
				return fmt.Errorf("write the result: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Clients, "clients", 8, fmt.Sprintf("`sessions` at once, 1 to %d", bench.MaxClients))
	flags.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure")
	flags.IntVar(&o.Size, "size", 200, "`bytes` of an entry")
	flags.BoolVar(&o.Force, "force", false, "also where an apply function gets the entries")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}
