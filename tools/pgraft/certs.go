package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
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
		Use:   "certs --dir DIR ID=ADDRESS[,ADDRESS]...",
		Short: "Make a certificate authority and node certificates for a trial of TLS",
		Long: `certs makes a certificate authority in DIR, unless one is there already, and for
each node a certificate and a key: for the node's name (pgraft-node-ID) and for
each ADDRESS, a host name or an IP address, at which other nodes reach it. It
prints what to copy where, and the settings that go with it.

It is meant for a trial: the authority's key lies in DIR without a password, and
who has it can pass for any node. A site with a certificate authority of its own
uses that: all that pgraft wants is a certificate for the node's pgraft.address
or for the name pgraft-node-ID.

Run it again to renew certificates before they expire: copy them to the servers
and reload each (SELECT pg_reload_conf()). Connections go on meanwhile.`,
		Example: `  pgraft certs --dir certs 1=10.0.0.1 2=10.0.0.2 3=10.0.0.3
  pgraft certs --dir certs --days 90 4=db4.example.org,10.0.0.4`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if days < 1 || days > 3650 {
				return fmt.Errorf("--days %d: want 1 to 3650", days)
			}
			nodes, err := parseCertsFor(args) // all of them before anything is written
			if err != nil {
				return err
			}
			return makeCerts(cmd.OutOrStdout(), dir, nodes, time.Duration(days)*day)
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
	id        uint32
	addresses []string
}

func parseCertsFor(args []string) (nodes []certFor, err error) {
	for _, arg := range args {
		id, list, ok := strings.Cut(arg, "=")
		n, err := strconv.ParseUint(id, 10, 31)
		if !ok || err != nil || n == 0 {
			return nil, fmt.Errorf("%q: want ID=ADDRESS, like 1=10.0.0.1", arg)
		}
		c := certFor{uint32(n), strings.Split(list, ",")}
		for _, a := range c.addresses {
			if err := checkHost(a); err != nil {
				return nil, fmt.Errorf("%q: %w", arg, err)
			}
		}
		if slices.ContainsFunc(nodes, func(x certFor) bool { return x.id == c.id }) {
			return nil, fmt.Errorf("%q: node %d is named twice; write all its addresses as %d=ADDRESS,ADDRESS", arg, c.id, c.id)
		}
		nodes = append(nodes, c)
	}
	return nodes, nil
}

// hostName is a DNS name as a certificate can have it.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func checkHost(a string) error {
	if net.ParseIP(a) != nil || hostName.MatchString(a) && len(a) <= 253 {
		return nil
	}
	if _, _, err := net.SplitHostPort(a); err == nil {
		return fmt.Errorf("%q has a port: a certificate is for a host alone", a)
	}
	return fmt.Errorf("%q is no host name and no IP address", a)
}

func makeCerts(out io.Writer, dir string, nodes []certFor, validFor time.Duration) error {
	ca, made, err := certs.Open(dir, "pgraft trial CA", caValidity)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(out, "# made a certificate authority in %s, valid until %s: keep its ca.key to yourself\n", dir, date(ca.Expiry()))
	} else {
		fmt.Fprintf(out, "# the certificate authority in %s is valid until %s\n", dir, date(ca.Expiry()))
	}
	for _, n := range nodes {
		name := transport.NodeName(n.id)
		f, err := ca.Node(dir, name, append([]string{name}, n.addresses...), validFor)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, `
# node %d, for %s, valid until %s
# copy into its data directory, owned by the server's user, the key with mode 0600:
#   %s %s %s
# then put this into its postgresql.conf and restart it, or reload it if it has it:
pgraft.ssl_enabled = on
pgraft.ssl_cert_file = '%s'
pgraft.ssl_key_file = '%s'
pgraft.ssl_ca_file = '%s'
`, n.id, strings.Join(n.addresses, ", "), date(time.Now().Add(validFor)), f.Cert, f.Key, f.CA,
			filepath.Base(f.Cert), filepath.Base(f.Key), filepath.Base(f.CA))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
