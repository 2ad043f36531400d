package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/demo"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

func newDemo() *cobra.Command {
	options := demo.Options{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a cluster of real PostgreSQL servers on this machine, crash one, and show what happens",
		Long: fmt.Sprintf(`demo makes several PostgreSQL servers on 127.0.0.1, joins them into a pgraft
cluster, replicates entries and reads them back on every node, kills the
leader's server with SIGKILL, shows how long the others take to elect a new
leader, and lets the killed server catch up. All of it is checked as it goes:
the command fails if an entry is missing or differs anywhere.

With --failover the servers are a primary and its standbys, and sessions commit to
whichever takes writes. The primary's server is killed with SIGKILL, with WAL that
nobody else has; a standby is promoted by itself, and the sessions go on there. Started
again, the killed server is rewound and comes back as a standby by itself, and becomes
the primary again by a switchover. The command fails if one acknowledged commit is
missing on any server, or is there twice.

Everything is stopped and removed at the end, and on Ctrl-C. It takes less than
a minute with 3 nodes, and %d are the most. The extension must be installed in
the PostgreSQL that pg_config names (make install PG_CONFIG=...). Run by root,
the servers run as user postgres.`, demo.MaxNodes),
		Example: `  pgraft demo
  pgraft demo --nodes 5
  pgraft demo --failover
  pgraft demo --tls
  pgraft demo --pg-config /usr/lib/postgresql/17/bin/pg_config
  pgraft demo --json > result.json

  # leave it running, look around, then stop and remove it
  pgraft demo --keep --dir /tmp/try-pgraft
  pgraft demo stop /tmp/try-pgraft`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Progress = cmd.OutOrStdout()
			if asJSON { // standard output is for the result
				options.Progress = cmd.ErrOrStderr()
			}
			result, err := demo.Run(cmd.Context(), options)
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if jerr := enc.Encode(result); jerr != nil {
					return fmt.Errorf("write the result: %w", jerr)
				}
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&options.Nodes, "nodes", demo.MinNodes,
		fmt.Sprintf("servers to run, %d to %d", demo.MinNodes, demo.MaxNodes))
	flags.StringVar(&options.PGConfig, "pg-config", "",
		"`path` of the pg_config of the PostgreSQL to use (default: $PG_CONFIG, then the search path)")
	flags.StringVar(&options.Dir, "dir", "",
		"`directory` to make for the servers' files (default: a temporary one)")
	flags.BoolVar(&options.Failover, "failover", false, "a primary and its standbys; kill the primary, take it back, switch over")
	flags.BoolVar(&options.TLS, "tls", false, "encrypt traffic between nodes, with certificates made for the run")
	flags.BoolVar(&options.Keep, "keep", false, "leave the cluster running at the end")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON on standard output, progress on standard error")
	cmd.AddCommand(newDemoStop())
	return cmd
}

func newDemoStop() *cobra.Command {
	return &cobra.Command{
		Use:   "stop DIR",
		Short: "Stop the servers that `pgraft demo --keep` left running, and remove their directory",
		Example: `  pgraft demo stop /tmp/try-pgraft
  pgraft demo stop /tmp/pgraft-123456789`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := pgcluster.StopLeftover(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "stopped and removed %s\n", args[0])
			return err
		},
	}
}
