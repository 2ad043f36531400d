package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
	"github.com/pgraft/pgraft/tools/internal/witness"
)

// nodeFlags are the command's, where they are not a field of its configuration.
type nodeFlags struct {
	yieldTo             []int
	logLevel, logFormat string
	trace               string
	traceMB, retainMB   int
	cert, key, ca       string
}

func newNode() *cobra.Command {
	cfg := witness.Config{Version: version}
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "node --node-id ID --address ADDRESS --data-dir DIR",
		Short: "Run a node without PostgreSQL: a witness, so that two servers have a majority with it",
		Long: `node runs one member of a cluster on a machine without PostgreSQL. It votes and
keeps the log like any other, so two servers and this node survive the loss of
any one of the three. It applies nothing, and no entry is kept for its sake. When
it is elected it hands leadership over to a server.

It waits to be added: on the leader, in SQL,

  SELECT pgraft_add_node(ID, 'ADDRESS', PORT);

Flags are named as the settings of a server, and have the same defaults. DIR is
made; in it are pgraft (the log) and pgraft.initialized, as in the data directory
of a server, and all that is said of those holds here. Back up neither.

It logs on standard error and runs until SIGTERM or Ctrl-C; SIGHUP reads the
certificates anew. With exit status 0 it was stopped, or removed from its cluster;
with 1 it could not go on, and the last line says why. On --http it answers:

  /health    200 if nothing is critical, else 503; a line for each finding
  /liveness  200 while it works
  /readiness 200 while it knows a leader
  /status    the same with the members, as JSON: pgraft status asks for it
  /metrics   for Prometheus`,
		Example: `  # a witness for the servers 1 and 2
  pgraft node --cluster-id orders --node-id 3 --address 10.0.0.3 --data-dir /var/lib/pgraft

  # with TLS, metrics for other machines, and its log as JSON
  pgraft node --cluster-id orders --node-id 3 --address 10.0.0.3 --data-dir /var/lib/pgraft \
    --ssl-cert-file pgraft-node-3.crt --ssl-key-file pgraft-node-3.key --ssl-ca-file ca.crt \
    --http 10.0.0.3:7011 --log-format json

  # one of two witnesses: leadership is for the servers 1, 2 and 3
  pgraft node --node-id 4 --address 10.0.0.4 --data-dir /var/lib/pgraft --yield-to 1,2,3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.into(&cfg, cmd.ErrOrStderr()); err != nil {
				return err
			}
			reload, stop := onHangup()
			defer stop()
			cfg.Reload = reload
			syscall.Umask(0o077) // its files are its own
			return witness.Run(cmd.Context(), cfg)
		},
	}
	n := &cfg.Node
	flags := cmd.Flags()
	flags.StringVar(&n.ClusterID, "cluster-id", "pgraft", "`name` of the cluster, the same on all its nodes")
	flags.Uint32Var(&n.NodeID, "node-id", 0, "`number` of this node, another on every node (required)")
	flags.StringVar(&n.Address, "address", "", "`address` that the other nodes dial (required)")
	flags.StringVar(&n.ListenAddress, "listen-address", "", "`address` to listen on (default: --address)")
	flags.Uint32Var(&n.Port, "port", 7001, "TCP `port`, for other nodes")
	flags.StringVar(&cfg.Dir, "data-dir", "", "`directory` of the node's files, made if need be (required)")
	flags.DurationVar(&n.ElectionTimeout, "election-timeout", time.Second, "how long without a leader before an election")
	flags.DurationVar(&n.HeartbeatInterval, "heartbeat-interval", 100*time.Millisecond, "how often a leader makes itself heard")
	flags.Uint64Var(&n.SnapshotEntries, "snapshot-entries", 10000, "`entries` between snapshots of the cluster's own state")
	flags.Uint64Var(&n.Retention.RetainEntries, "retain-entries", 1000000, "`entries` of the log to keep")
	flags.IntVar(&f.retainMB, "retain-size", 1024, "`MB` of the log to keep; whichever is reached first")
	flags.StringVar(&f.cert, "ssl-cert-file", "", "`file` of this node's certificate; with it, all traffic between nodes is TLS")
	flags.StringVar(&f.key, "ssl-key-file", "", "`file` of its key")
	flags.StringVar(&f.ca, "ssl-ca-file", "", "`file` of the authorities' certificates")
	flags.StringVar(&cfg.HTTP, "http", "127.0.0.1:7011", "`host:port` of status and metrics; empty: none")
	flags.BoolVar(&cfg.HTTPS, "http-ssl", false, "status and metrics with TLS, and the certificate of this node")
	flags.IntSliceVar(&f.yieldTo, "yield-to", nil, "`nodes` to hand leadership over to (default: any that votes)")
	flags.BoolVar(&cfg.Lead, "lead", false, "keep leadership when elected")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warning or error")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	flags.StringVar(&f.trace, "trace", "ring", "the flight recorder: off, ring or full")
	flags.IntVar(&f.traceMB, "trace-size", 64, "`MB` of its ring")
	flags.BoolVar(&n.Trace.Redact, "trace-redact", false, "leave out of the trace what users replicate")
	for _, name := range []string{"node-id", "address", "data-dir"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flags are right above
		}
	}
	return cmd
}

var (
	logLevels  = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError}
	traceModes = map[string]recorder.Mode{"off": recorder.Off, "ring": recorder.Ring, "full": recorder.Full}
)

// into puts the flags into cfg, and opens the log.
func (f nodeFlags) into(cfg *witness.Config, log io.Writer) error {
	level, ok := logLevels[f.logLevel]
	if !ok {
		return fmt.Errorf("--log-level %q: want debug, info, warning or error", f.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		cfg.Logger = slog.New(slog.NewTextHandler(log, options))
	case "json":
		cfg.Logger = slog.New(slog.NewJSONHandler(log, options))
	default:
		return fmt.Errorf("--log-format %q: want text or json", f.logFormat)
	}
	if cfg.Node.Trace.Mode, ok = traceModes[f.trace]; !ok {
		return fmt.Errorf("--trace %q: want off, ring or full", f.trace)
	}
	if f.traceMB < 1 || f.retainMB < 1 || cfg.Node.Retention.RetainEntries < 1 {
		return errors.New("--trace-size, --retain-size and --retain-entries must be positive")
	}
	cfg.Node.Trace.MaxBytes = int64(f.traceMB) << 20
	cfg.Node.Retention = store.Retention{RetainEntries: cfg.Node.Retention.RetainEntries, RetainBytes: uint64(f.retainMB) << 20}
	cfg.YieldTo = nil
	for _, id := range f.yieldTo {
		if id < 1 || id > 1<<31-1 {
			return fmt.Errorf("--yield-to %d: not in 1..2147483647", id)
		}
		cfg.YieldTo = append(cfg.YieldTo, uint32(id))
	}
	switch {
	case f.cert == "" && f.key == "" && f.ca == "":
	case f.cert == "" || f.key == "" || f.ca == "":
		return errors.New("--ssl-cert-file, --ssl-key-file and --ssl-ca-file go together")
	default:
		cfg.Node.TLS = &transport.TLSFiles{Cert: f.cert, Key: f.key, CA: f.ca}
	}
	return nil
}

// onHangup makes SIGHUP a wish to read the certificates anew, where it ends other
// commands.
func onHangup() (reload <-chan struct{}, stop func()) {
	signals, wishes := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Reset(syscall.SIGHUP)
	signal.Notify(signals, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			select {
			case <-signals:
				select {
				case wishes <- struct{}{}:
				default: // one is waiting already
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return wishes, func() { signal.Stop(signals); cancel() }
}
