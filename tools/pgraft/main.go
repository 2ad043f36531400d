// Command pgraft shows, runs and checks pgraft clusters: see `pgraft --help`.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/node/recorder"
)

// version is the release of the command, and of the extension it was built with.
const version = "1.0.0"

// released is the day of that release, for the manual pages.
const released = "2026-11-24"

func main() {
	// Until everything is cleaned up, a second Ctrl-C changes nothing.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

// run runs the command line and prints its error, which it also returns.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	begun := false
	mark(root, &begun)
	cmd, err := root.ExecuteContextC(ctx)
	if help := fmt.Sprintf("`%s --help`", cmd.CommandPath()); err != nil && !begun && !strings.Contains(err.Error(), help) {
		err = fmt.Errorf("%w; see %s", err, help) // of the command line itself
	}
	if err != nil {
		fmt.Fprintf(stderr, "pgraft: %v\n", err)
	}
	return err
}

// mark makes every command say that its command line could be read.
func mark(cmd *cobra.Command, begun *bool) {
	if f := cmd.RunE; f != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*begun = true
			return f(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		mark(c, begun)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "pgraft",
		Short: "Raft consensus inside PostgreSQL",
		Long: `pgraft puts Raft consensus inside PostgreSQL: leader election, a replicated
log and split-brain prevention, run from SQL, with no outside service.

This command shows what the extension does, on servers that it starts itself;
runs a node without PostgreSQL, as a witness; makes a standby from nothing; asks
and measures a cluster; and explains what recorded nodes did.`,
		Example: `  # three real servers, a crash of the leader, everything removed at the end
  pgraft demo

  # the same with another PostgreSQL, left running to try things out
  pgraft demo --pg-config /usr/lib/postgresql/17/bin/pg_config --keep

  # how is the cluster? (exit status 1 if something is critical)
  pgraft status host=10.0.0.1 host=10.0.0.2 host=10.0.0.3

  # look at the traces of an incident
  pgraft view incident/ -o incident.html`,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(newDemo(), newNode(), newJoin(), newStatus(), newStandalone(), newBench(), newSim(), newShrink(), newRewind(), newReplay(), newTrace(), newView(), newDiff(), newCerts(), newRejoin(), newVersion(), newManual())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this command",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := "pgraft " + version
			if info, ok := debug.ReadBuildInfo(); ok {
				text += " (" + info.GoVersion
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						text += ", commit " + s.Value
					}
				}
				if b := recorder.Build(); b != "" {
					text += ", build " + b // as `trace info` names it
				}
				text += ")"
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
}
