package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/rejoin"
)

// rejoinConninfo is the environment variable that has pgraft.replication_conninfo, which the
// process list does not show.
const rejoinConninfo = "PGRAFT_REJOIN_CONNINFO"

func newRejoin() *cobra.Command {
	o := rejoin.Options{}
	cmd := &cobra.Command{
		Use:    "rejoin",
		Short:  "Make the data of a server anew from the primary",
		Hidden: true,
		Long: `rejoin is run by the extension, in the place of a server whose WAL has diverged
from the primary's, or which lacks WAL that the primary has no more. It makes the
data anew with pg_rewind or pg_basebackup; then the extension starts the server.
It is of no use by hand.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getuid() == 0 {
				return errors.New("this must not run as root")
			}
			o.Conninfo, o.Log = os.Getenv(rejoinConninfo), cmd.ErrOrStderr()
			if err := os.Unsetenv(rejoinConninfo); err != nil {
				return err
			}
			return rejoin.Run(o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.DataDir, "data-directory", "", "PostgreSQL's data `directory`")
	flags.StringVar(&o.ConfigFile, "config-file", "", "PostgreSQL's configuration `file`")
	flags.StringVar(&o.Store, "store", "", "the `directory` of the Raft store")
	flags.StringVar(&o.Postgres, "postgres", "", "the server's `program`")
	flags.BoolVar(&o.Clone, "clone", false, "the data may be cloned, too")
	return cmd
}
