package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/join"
)

func newJoin() *cobra.Command {
	o := join.Options{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "join MEMBER...",
		Short: "Make a standby from nothing on this machine, as a member of a cluster that runs",
		Long: `join copies the data of the cluster's primary with pg_basebackup, gives the copy
settings and a node of its own, starts it, adds it to the cluster, and waits until
it streams; where failover is on, until commits wait for it.

A MEMBER is a connection string of a server of the cluster, the primary or any
standby; the primary is found from there. The role has to be a superuser, as which
pg_basebackup may connect, too. Passwords come from a file, ~/.pgpass or passfile=FILE,
which the server reads, too.

It runs on the new machine, as the user that runs PostgreSQL. PostgreSQL of the
primary's version and pgraft are installed there; the data directory is empty or
not there. Before anything is changed it looks at all that could stop it later, and
says all that is missing. What it is not told it finds out: the node id is the
next one that is free, the address is that of its connection to the primary, ports
are the primary's.

The new server's own settings go to postgresql.auto.conf in the data directory.

Cut short, it says what stands; run it again to go on. How far it is stands in a
file beside the data directory, DIR.pgraft_join, until it is done. It never
touches a directory in which something else lies.`,
		Example: `  # on the new machine, as postgres
  pgraft join host=10.0.0.1 -D /var/lib/postgresql/15/main

  # another role for replication, with its password in a file, over TLS
  pgraft join 'host=db1.example.org user=admin sslmode=verify-full sslrootcert=/etc/ssl/ca.crt' -D /srv/pg \
    --replication 'user=replicator passfile=/etc/postgresql/replicator.pass sslmode=verify-full sslrootcert=/etc/ssl/ca.crt'

  # a second server on one machine, to try it
  pgraft join host=127.0.0.1 -D /srv/pg2 --port 7002 --server-port 5433

  # where the configuration is elsewhere, as on Debian, in a cluster whose data directory was emptied
  pgraft join host=10.0.0.1 -D /var/lib/postgresql/15/main --config-file /etc/postgresql/15/main/postgresql.conf \
    --start 'pg_ctlcluster 15 main start'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.DataDir == "" {
				o.DataDir = os.Getenv("PGDATA")
			}
			if o.DataDir == "" {
				return errors.New("which data directory is to be made? Say it with -D, or set PGDATA")
			}
			if o.LogFile == "" {
				o.LogFile = o.DataDir + ".log"
			}
			o.Targets, o.Progress = args, cmd.ErrOrStderr()
			r, err := join.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			stands := "it streams"
			if r.InSyncSet {
				stands = "it streams, and commits wait for it"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "node %d is a member of cluster %q at %s: %s\n", r.NodeID, r.ClusterID, fmt.Sprintf("%s:%d", r.Address, r.Port), stands)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.DataDir, "pgdata", "D", "", "the data `directory` to make (default: PGDATA)")
	flags.StringVar(&o.ConfigFile, "config-file", "", "PostgreSQL's configuration `file`, where it is not in the data directory")
	flags.StringVar(&o.BinDir, "bindir", "", "`directory` of PostgreSQL's programs (default: found by the primary's version)")
	flags.Uint32Var(&o.NodeID, "node-id", 0, "`number` of the new node (default: the next one)")
	flags.StringVar(&o.Address, "address", "", "`address` that the other members dial (default: that of the connection to the primary)")
	flags.StringVar(&o.ListenAddress, "listen-address", "", "`address` that the node listens on (default: --address)")
	flags.IntVar(&o.Port, "port", 0, "TCP `port` of the node (default: the primary's)")
	flags.IntVar(&o.ServerPort, "server-port", 0, "PostgreSQL's `port` (default: the primary's)")
	flags.StringVar(&o.Replication, "replication", "", "how the server connects to a primary, as `pgraft.replication_conninfo` (default: the primary's, or as MEMBER)")
	flags.StringVar(&o.CertFile, "ssl-cert-file", "", "`file` of the node's certificate, where the nodes talk TLS")
	flags.StringVar(&o.KeyFile, "ssl-key-file", "", "`file` of its key")
	flags.StringVar(&o.CAFile, "ssl-ca-file", "", "`file` of the authorities' certificates (default: the primary's setting)")
	flags.StringVar(&o.LogFile, "log", "", "the server's log `file` (default: the data directory's name and .log)")
	flags.StringVar(&o.Start, "start", "", "`command` that starts the server (default: pg_ctl)")
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "how long to wait for the server to keep up, at the end")
	flags.BoolVar(&asJSON, "json", false, "print what has come of it as JSON")
	return cmd
}
