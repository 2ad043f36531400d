package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/node/transport"
)

const day = 24 * time.Hour

func newCerts() *cobra.Command {
	var dir string
	var days int
	cmd := &cobra.Command{
		Use:   "certs --dir DIR ID=ADDRESS...",
		Short: "Make a certificate authority and node certificates for a trial of TLS",
		Long: `certs makes a certificate authority in DIR, unless one is there already, and for
each node a certificate and a key: for the node's name (pgraft-node-ID) and for
the ADDRESS that the other nodes dial, a host name or an IP address. It prints
the settings that go with them.

It is meant for a trial: the authority's key lies in DIR without a password. A
site with a certificate authority of its own uses that: all that pgraft wants is
a certificate for the node's address or for pgraft-node-ID.

Run it again to renew certificates before they expire; then reload each server
(SELECT pg_reload_conf()). Connections go on meanwhile.`,
		Example: `  pgraft certs --dir certs 1=10.0.0.1 2=10.0.0.2 3=10.0.0.3
  pgraft certs --dir certs --days 90 4=db4.example.org`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if days < 1 || days > 3650 {
				return fmt.Errorf("--days %d: want 1 to 3650", days)
			}
			return makeCerts(cmd, dir, args, time.Duration(days)*day)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` of the authority and the certificates (required)")
	cmd.Flags().IntVar(&days, "days", 365, "how long the nodes' certificates are valid, 1 to 3650")
	if err := cmd.MarkFlagRequired("dir"); err != nil {
		panic(err) // the flag is right above
	}
	return cmd
}

// caValidity outlives the certificates that it signs.
const caValidity = 10 * 366 * day

// certFor is one argument of the command.
type certFor struct {
	id      uint32
	address string
}

func parseCertFor(arg string) (certFor, error) {
	id, address, ok := strings.Cut(arg, "=")
	n, err := strconv.ParseUint(id, 10, 31)
	if !ok || err != nil || n == 0 || address == "" {
		return certFor{}, fmt.Errorf("%q: want ID=ADDRESS, like 1=10.0.0.1", arg)
	}
	return certFor{uint32(n), address}, nil
}

func makeCerts(cmd *cobra.Command, dir string, args []string, validFor time.Duration) error {
	var nodes []certFor
	for _, arg := range args { // all are checked before anything is written
		n, err := parseCertFor(arg)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	ca, made, err := certs.Open(dir, "pgraft trial CA", caValidity)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if made {
		fmt.Fprintf(out, "made a certificate authority in %s\n", dir)
	}
	for _, n := range nodes {
		name := transport.NodeName(n.id)
		f, err := ca.Node(dir, name, []string{name, n.address}, validFor)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, `
# node %d: copy these three files to its server; the key must belong to the
# server's user and be readable by nobody else
pgraft.ssl_enabled = on
pgraft.ssl_cert_file = '%s'
pgraft.ssl_key_file = '%s'
pgraft.ssl_ca_file = '%s'
`, n.id, f.Cert, f.Key, f.CA)
	}
	return nil
}
