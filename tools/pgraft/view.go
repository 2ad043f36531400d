package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/view"
)

func newView() *cobra.Command {
	var output, title string
	cmd := &cobra.Command{
		Use:   "view FILE...",
		Short: "Draw the traces of one incident as a page for the browser",
		Long: `view replays the traces of one or several nodes, merges them in causal order,
and draws them as a space-time diagram: a lane for each node, an arrow for each
message, terms as colour bands, leaders and their leases, commits, elections and
faults. The page is one file that needs no server and no network.

A FILE may be a directory: then it stands for all *.trace files below it, such
as those that pgraft_trace_save() wrote.`,
		Example: `  pgraft view node1.trace node2.trace node3.trace -o incident.html
  pgraft view incident/ -o incident.html --title "Failover of 12 May"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := load(cmd, args)
			if err != nil {
				return err
			}
			if h.Name = title; title == "" {
				h.Name = fileNames(args)
			}
			if output == "-" {
				return view.Write(cmd.OutOrStdout(), h)
			}
			if err := writeFile(output, func(w io.Writer) error { return view.Write(w, h) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d nodes, %d events, %d messages; open it in a browser\n",
				output, len(h.Nodes), len(h.Steps), len(h.Messages))
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write the page to, - for standard output")
	cmd.Flags().StringVar(&title, "title", "", "`text` over the page (default: the files' names)")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// fileNames is what a page is called: not where its files are here.
func fileNames(paths []string) string {
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = filepath.Base(p)
	}
	return strings.Join(names, " ")
}

// load reads traces and tells warnings to a person.
func load(cmd *cobra.Command, paths []string) (*history.History, error) {
	h, warnings, err := history.Load(paths...)
	for _, w := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "pgraft: warning: %s\n", w)
	}
	return h, err
}

// writeFile writes a file whole or not at all.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriter(f)
	if err = write(b); err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
