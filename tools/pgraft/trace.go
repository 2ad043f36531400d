package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/tools/internal/replay"
)

func newTrace() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Look at, cut, merge and convert recorded traces",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTraceInfo(), newTraceCut(), newTraceMerge(), newTraceJSON())
	return cmd
}

// fileInfo is a file as `trace info` tells of it.
type fileInfo struct {
	Path     string `json:"path"`
	Node     string `json:"node"`
	Cluster  string `json:"cluster_id"`
	File     uint64 `json:"file"`
	Life     string `json:"life"`
	Build    string `json:"build"`
	Redacted bool   `json:"redacted"`
	Cut      uint64 `json:"cut,omitempty"`
	Bytes    int    `json:"bytes"`
	Frames   int    `json:"frames"`
	First    string `json:"first"`
	Last     string `json:"last"`
	Damage   string `json:"damage,omitempty"`
}

// data says what became of users' data in it.
func (i fileInfo) data() (s string) {
	if i.Redacted {
		s = ", redacted"
	}
	if i.Cut > 0 {
		s += fmt.Sprintf(", data cut to %d bytes", i.Cut)
	}
	return s
}

func newTraceInfo() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "info FILE...",
		Short:   "What is in traces: whose, from when to when, how much",
		Example: "  pgraft trace info /tmp/saved",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inc, err := replay.Open(args...)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			enc := json.NewEncoder(w)
			for _, n := range inc.Nodes {
				if !asJSON {
					fmt.Fprintf(w, "node %s: %d inputs in %d files\n", n.Name, n.Inputs, len(n.Files))
				}
				for _, f := range n.Files {
					i := fileInfo{Path: f.Path, Node: n.Name, Cluster: f.Header.ClusterID, File: f.Header.File, Life: fmt.Sprintf("%016x", f.Header.Life),
						Build: f.Header.Build, Redacted: f.Header.Redacted, Cut: f.Header.Cut, Bytes: f.Bytes, Frames: f.Frames,
						First: f.First.UTC().Format("2006-01-02 15:04:05.000"), Last: f.Last.UTC().Format("2006-01-02 15:04:05.000")}
					if f.Damage != nil {
						i.Damage = f.Damage.Error()
					}
					if asJSON {
						if err := enc.Encode(i); err != nil {
							return fmt.Errorf("write: %w", err)
						}
						continue
					}
					fmt.Fprintf(w, "  %s: file %d of life %s, cluster %q, build %s\n    %s to %s UTC, %d frames in %d bytes%s\n", i.Path, i.File, i.Life, i.Cluster,
						cmp.Or(i.Build, "unknown"), i.First, i.Last, i.Frames, i.Bytes, i.data())
					if i.Damage != "" {
						fmt.Fprintf(w, "    %s\n", i.Damage)
					}
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each file, a line each")
	return cmd
}

// outFile is a flag: where to write.
func outFile(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "output", "o", "", "`file` to write, which must not exist yet")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err)
	}
}

func writeNew(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func newTraceCut() *cobra.Command {
	var from, to int
	var node, out string
	cmd := &cobra.Command{
		Use:     "cut FILE... --from N --to M -o OUT",
		Short:   "Write a part of one node's trace, as a trace that replays",
		Example: "  pgraft trace cut /tmp/saved --from 4000 --to 5000 -o part.trace",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inc, err := replay.Open(args...)
			if err != nil {
				return err
			}
			var chosen *replay.Node
			for _, n := range inc.Nodes {
				if n.Name == node || node == "" && len(inc.Nodes) == 1 {
					chosen = n
				}
			}
			if chosen == nil {
				return fmt.Errorf("there are traces of %d nodes: --node says which (%q is none of them)", len(inc.Nodes), node)
			}
			if to == 0 {
				to = chosen.Inputs
			}
			if err := writeNew(out, func(w io.Writer) error { return chosen.Cut(w, from, to) }); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: inputs %d to %d of node %s\n", out, from, to, chosen.Name)
			return err
		},
	}
	cmd.Flags().IntVar(&from, "from", 1, "first `input`, counted as replay does")
	cmd.Flags().IntVar(&to, "to", 0, "last `input`; 0 is the end")
	cmd.Flags().StringVar(&node, "node", "", "`node` to take, if there are several")
	outFile(cmd, &out)
	return cmd
}

func newTraceMerge() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "merge FILE... -o OUT",
		Short:   "Put the traces of several files and nodes into one file",
		Example: "  pgraft trace merge node1/ node2/ node3/ -o incident.trace",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inc, err := replay.Open(args...)
			if err != nil {
				return err
			}
			var n int64
			err = writeNew(out, func(w io.Writer) (err error) {
				n, err = inc.WriteTo(w)
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d nodes, %d inputs, %d bytes\n", out, len(inc.Nodes), inc.Inputs(), n)
			return err
		},
	}
	outFile(cmd, &out)
	return cmd
}

func newTraceJSON() *cobra.Command {
	return &cobra.Command{
		Use:     "to-json FILE...",
		Short:   "Print every event of all nodes in causal order, a JSON object a line",
		Example: "  pgraft trace to-json node1/ node2/ | jq 'select(.kind == \"Note\")'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			inc, err := replay.Open(args...)
			if err != nil {
				return err
			}
			return inc.WriteJSON(cmd.OutOrStdout())
		},
	}
}
