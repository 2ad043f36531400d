package main

import (
	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/standalone"
)

func newStandalone() *cobra.Command {
	o := standalone.Options{}
	cmd := &cobra.Command{
		Use:   "standalone DIR",
		Short: "Start a stopped server as a primary without pgraft, where that is what is broken",
		Long: `standalone starts the server of the data directory DIR, which takes part in
failover and is stopped, as a primary without pgraft. It is the last resort, for
when pgraft itself does not work on any server: pgraft_failover() is the way while
a majority of the engines runs, and pgraft_recover_from_lost_quorum() while one does.

It says what is known of the server and what may be lost, and asks for the
cluster's id (pgraft.cluster_id). Then it notes in DIR that the data is written
without pgraft, takes pgraft out of shared_preload_libraries in
postgresql.auto.conf, starts the server as it was started last, and promotes it to
a timeline of its own. No other server of the cluster may run meanwhile: nothing
but you sees to that.

Once it is started with pgraft again the server is quarantined, and serves nothing,
until its data is made anew. To go on with its data, found a cluster anew with it.

It runs as the owner of DIR, as pg_ctl does. It refuses a server that runs, one
whose data was being made anew, and one that takes no part in failover.`,
		Example: `  # what is known of the server; then it asks for the cluster's id
  sudo -u postgres pgraft standalone /var/lib/postgresql/15/main

  # without a terminal
  sudo -u postgres pgraft standalone --cluster-id orders /var/lib/postgresql/15/main

  # only prepare it, and start it as a service
  sudo -u postgres pgraft standalone --no-start /var/lib/postgresql/15/main
  sudo systemctl start postgresql@15-main && sudo pg_ctlcluster 15 main promote`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.DataDir, o.In, o.Out = args[0], cmd.InOrStdin(), cmd.OutOrStdout()
			return standalone.Run(o)
		},
	}
	cmd.Flags().StringVar(&o.ClusterID, "cluster-id", "", "pgraft.cluster_id of the server, as confirmation")
	cmd.Flags().BoolVar(&o.NoStart, "no-start", false, "prepare the server, and leave its start and promotion to you")
	return cmd
}
