//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgraft/pgraft/tools/internal/pages"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// docsTop is the top of the project, from this package.
var docsTop = filepath.Join("..", "..")

// The pages' servers are at 10.0.0.1 and so on, port 7001; the tests' are not.
var (
	pageAddress = regexp.MustCompile(`'10\.0\.0\.(\d)', 7001`)
	testAddress = regexp.MustCompile(`127\.0\.0\.1(:|\s*\|\s*)(\d+)`)
	psqlFile    = regexp.MustCompile(`(?m)^psql:<stdin>:\d+: `)
	psqlPlace   = regexp.MustCompile(`(?m)^LOCATION: .*\n`)
)

// docsLimit is for all pages: they are many, and each example is a session.
const docsLimit = 4 * time.Minute

// pageFiles is where the pages' servers write files for people. The tests' have a
// directory of their own each.
const pageFiles = "/var/tmp/"

// docs are the servers that the pages' examples run on.
type docs struct {
	c       *pgcluster.Cluster
	psql    string
	witness int // its port; 0: there is none
}

func (s *suite) newDocs(t *testing.T) *docs {
	t.Helper()
	d := &docs{psql: filepath.Join(s.install.BinDir, "psql")}
	if _, err := os.Stat(d.psql); err != nil {
		if d.psql, err = osexec.LookPath("psql"); err != nil {
			t.Fatalf("the examples are run by psql: %v", err)
		}
	}
	return d
}

// raftPort is where a node is that a page has at 10.0.0.N; 0: there is none.
func (d *docs) raftPort(node int) int {
	switch {
	case node <= len(d.c.Servers):
		return d.c.Servers[node-1].RaftPort
	case node == witnessID:
		return d.witness
	}
	return 0
}

// The examples in the documents run as they stand, in their order, and print
// what the pages say.
func runsTheDocuments(ctx context.Context, t *testing.T, s *suite) {
	d := s.newDocs(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), docsLimit)
	t.Cleanup(cancel)
	// slow elections, so that a busy machine changes no example
	d.c = s.extraCluster(ctx, t, 4, map[string]string{"pgraft.cluster_id": "orders", "pgraft.election_timeout": "2s"})
	must(t, d.c.Start(ctx))
	for _, path := range pages.Run {
		d.walk(ctx, t, path)
	}
}

// walk does all that a page says.
func (d *docs) walk(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	page, err := pages.Read(filepath.Join(docsTop, path))
	must(t, err)
	for i, item := range page.Items {
		next := pages.Item{}
		if i+1 < len(page.Items) {
			next = page.Items[i+1]
		}
		if err := d.try(ctx, t, item, next); err != nil {
			t.Fatalf("%s:%d: %v", path, item.Line, err)
		}
	}
}

// try does what one item of a page says.
func (d *docs) try(ctx context.Context, t *testing.T, item, next pages.Item) error {
	nodes, err := item.Nodes()
	if err != nil {
		return err
	}
	switch item.Lang {
	case "test":
		return d.act(ctx, t, item.Info)
	case "sql":
		for _, node := range nodes {
			if err := d.sql(ctx, node, item, next); err != nil {
				return err
			}
		}
	case "ini":
		return d.settings(ctx, t, nodes, item.Text)
	case "yaml":
		return d.queries(ctx, t, item.Text)
	}
	return nil
}

// sql runs a block in a session of psql and compares what it prints.
func (d *docs) sql(ctx context.Context, node int, item, next pages.Item) error {
	server := d.c.Servers[node-1]
	text := pageAddress.ReplaceAllStringFunc(item.Text, func(m string) string {
		peer := int(pageAddress.FindStringSubmatch(m)[1][0] - '0')
		if d.raftPort(peer) == 0 {
			return m
		}
		return fmt.Sprintf("'127.0.0.1', %d", d.raftPort(peer))
	})
	files := filepath.Dir(server.DataDir) + string(filepath.Separator)
	text = strings.ReplaceAll(text, pageFiles, files)
	cmd := osexec.CommandContext(ctx, d.psql, "-X", "-h", "127.0.0.1", "-p", strconv.Itoa(server.Port),
		"-U", "postgres", "-d", "postgres", "-v", "VERBOSITY=verbose", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	b, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, b)
	}
	got := psqlPlace.ReplaceAllString(psqlFile.ReplaceAllString(string(b), ""), "")
	got = testAddress.ReplaceAllStringFunc(got, func(m string) string {
		part := testAddress.FindStringSubmatch(m)
		for _, peer := range d.c.Servers {
			if part[2] == strconv.Itoa(peer.RaftPort) {
				return fmt.Sprintf("10.0.0.%d%s7001", peer.NodeID, part[1])
			}
		}
		return m
	})
	got = strings.ReplaceAll(got, files, pageFiles)
	switch {
	case next.Lang == "text" && next.After && !pages.Matches(next.Text, got):
		return fmt.Errorf("node %d prints\n%s\nbut the page says\n%s", node, got, next.Text)
	case !(next.Lang == "text" && next.After) && strings.Contains(got, "ERROR: "):
		return fmt.Errorf("on node %d this fails, and the page does not say so:\n%s", node, got)
	}
	return nil
}

// act does what a page tells the reader to do in a shell.
func (d *docs) act(ctx context.Context, t *testing.T, what string) error {
	verb, rest, _ := strings.Cut(what, " ")
	word, sql, _ := strings.Cut(rest, " ")
	node, err := strconv.Atoi(word)
	if verb == "witness" && node == witnessID {
		d.witness = runWitness(ctx, t, t.TempDir(), "orders", 0).port
		return nil
	}
	if err != nil || node < 1 || node > len(d.c.Servers) {
		return fmt.Errorf("no server in %q", what)
	}
	server := d.c.Servers[node-1]
	switch verb {
	case "start":
		if running, err := server.Running(); err != nil || running {
			return err
		}
		return server.Start(ctx)
	case "stop":
		return server.Stop(ctx)
	case "kill":
		_, err := server.Kill9(ctx)
		return err
	case "empty":
		return errors.Join(os.RemoveAll(filepath.Join(server.DataDir, "pgraft")),
			os.RemoveAll(filepath.Join(server.DataDir, "pgraft.initialized")))
	case "wait":
		return d.await(ctx, t, server, sql)
	case "whole": // it has heard of all members
		return d.await(ctx, t, server, "SELECT bool_and(state IN ('Leader', 'Follower')) FROM pgraft_get_cluster_status()")
	case "lead":
		return d.lead(ctx, t, server)
	}
	return fmt.Errorf("unknown: %q", what)
}

func (d *docs) await(ctx context.Context, t *testing.T, server *pgcluster.Server, sql string) error {
	conn := connect(ctx, t, server)
	return wait.For(ctx, settleLimit, sql, func(ctx context.Context) error {
		var ok bool
		err := conn.QueryRow(ctx, sql).Scan(&ok)
		if err == nil && !ok {
			err = errors.New("it is false")
		}
		return err
	})
}

// lead waits for a leader, and sees that it is this server.
func (d *docs) lead(ctx context.Context, t *testing.T, server *pgcluster.Server) error {
	own := connect(ctx, t, server)
	return wait.For(ctx, settleLimit, fmt.Sprintf("node %d to lead", server.NodeID), func(ctx context.Context) error {
		leader, err := sqlapi.Leader(ctx, own)
		if err != nil || leader == 0 {
			return errors.Join(errors.New("nobody leads"), err)
		}
		if int(leader) > len(d.c.Servers) {
			return errors.New("the witness leads") // and hands over
		}
		if int(leader) != server.NodeID {
			conn, err := d.c.Servers[leader-1].Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			_, err = sqlapi.TransferLeadership(ctx, conn, server.NodeID)
			return errors.Join(fmt.Errorf("node %d led", leader), err)
		}
		if leads, err := sqlapi.IsLeader(ctx, own); err != nil || !leads {
			return errors.Join(errors.New("it holds no lease yet"), err)
		}
		return nil
	})
}

var confLine = regexp.MustCompile(`(?m)^([a-z_.]+) *= *('[^']*'|[^ #\n]+)`)

// settings tries the lines of a page's postgresql.conf: those of a server are
// what it runs with, and others would be taken.
func (d *docs) settings(ctx context.Context, t *testing.T, nodes []int, text string) error {
	lines := confLine.FindAllStringSubmatch(text, -1)
	if len(lines) == 0 {
		return errors.New("no settings in it")
	}
	conn := connect(ctx, t, d.c.Servers[max(1, slices.Max(append(nodes, 0)))-1])
	for _, line := range lines {
		name, value := line[1], strings.Trim(line[2], "'")
		if len(nodes) == 0 {
			sql := "ALTER SYSTEM SET " + name + " = '" + value + "'"
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
			continue
		}
		var have string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&have); err != nil {
			return err
		}
		if name == "pgraft.address" {
			have = fmt.Sprintf("10.0.0.%d", nodes[0])
		}
		if have != value {
			return fmt.Errorf("%s is %q on that server, and %q on the page", name, have, value)
		}
	}
	if len(nodes) == 0 {
		_, err := conn.Exec(ctx, "ALTER SYSTEM RESET ALL") // none was loaded
		return err
	}
	return nil
}

var yamlQuery = regexp.MustCompile(`(?m)^  query: "(.*)"$`)

// queries runs those of an exporter's file.
func (d *docs) queries(ctx context.Context, t *testing.T, text string) error {
	found := yamlQuery.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return errors.New("no query in it")
	}
	conn := connect(ctx, t, d.c.Servers[0])
	for _, q := range found {
		rows, err := conn.Query(ctx, q[1])
		if err != nil {
			return fmt.Errorf("%s: %w", q[1], err)
		}
		columns := rows.FieldDescriptions()
		all, err := pgx.CollectRows(rows, pgx.RowToMap)
		if err != nil || len(all) == 0 {
			return fmt.Errorf("%s: %d rows, %w", q[1], len(all), err)
		}
		for _, c := range columns {
			if !strings.Contains(text, "    - "+c.Name+": {") {
				return fmt.Errorf("the query's column %s is no metric in the file", c.Name)
			}
		}
	}
	return nil
}
