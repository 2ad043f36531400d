package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const certValidity = 365 * 24 * time.Hour

// certsDir is where the run's certificate authority lies, below the servers'
// directory.
const certsDir = "certs"

// PeerTLS is what a node says of its connection to another.
type PeerTLS struct {
	NodeID  int       `json:"node_id" db:"-"`
	Peer    int       `json:"peer" db:"node_id"`
	Version string    `json:"tls_version" db:"tls_version"`
	Cipher  string    `json:"tls_cipher" db:"tls_cipher"`
	Subject string    `json:"certificate_subject" db:"certificate_subject"`
	Expiry  time.Time `json:"certificate_expiry" db:"certificate_expiry"`
}

// certify does what `pgraft certs` does, and puts the files where the servers
// look for them.
func (d *demo) certify() (string, error) {
	dir := filepath.Join(d.cluster.Dir, certsDir)
	ca, _, err := certs.Open(dir, "pgraft demo CA", certValidity)
	if err != nil {
		return "", err
	}
	for _, s := range d.cluster.Servers {
		if err := s.SetTLS(ca, certValidity); err != nil {
			return "", err
		}
	}
	return "by a certificate authority in " + dir, nil
}

// showTLS shows with whom each node speaks, and how: all of them with TLS.
func (d *demo) showTLS(ctx context.Context) (string, error) {
	rows := make([][]PeerTLS, len(d.cluster.Servers))
	err := d.eachNode(func(id int, conn *pgx.Conn) error {
		return wait.For(ctx, catchUpLimit, "TLS with all the others", func(ctx context.Context) error {
			r, err := conn.Query(ctx, `SELECT node_id, tls_version, tls_cipher, certificate_subject, certificate_expiry
				FROM pgraft_stat_peers WHERE tls_version IS NOT NULL ORDER BY node_id`)
			if err != nil {
				return err
			}
			rows[id-1], err = pgx.CollectRows(r, pgx.RowToStructByName[PeerTLS])
			if err == nil && len(rows[id-1]) != len(d.cluster.Servers)-1 {
				err = fmt.Errorf("with %d of %d", len(rows[id-1]), len(d.cluster.Servers)-1)
			}
			for i := range rows[id-1] {
				rows[id-1][i].NodeID = id
			}
			return err
		})
	})
	if err != nil {
		return "", err
	}
	d.result.TLS = slices.Concat(rows...)
	d.ui.after(tlsTable(d.result.TLS))
	return d.result.TLS[0].Version + " everywhere", nil
}

func tlsTable(rows []PeerTLS) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  asked\tpeer\ttls_version\ttls_cipher\tcertificate_subject\tcertificate_expiry")
	for i, r := range rows {
		asked := fmt.Sprintf("node %d", r.NodeID)
		if i > 0 && rows[i-1].NodeID == r.NodeID {
			asked = ""
		}
		fmt.Fprintf(w, "  %s\t%d\t%s\t%s\t%s\t%s\n", asked, r.Peer, r.Version, r.Cipher, r.Subject, r.Expiry.UTC().Format("2006-01-02 15:04:05+00"))
	}
	w.Flush() // into memory: cannot fail
	return b.String()
}
