//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/freeport"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const lifecyclePage = "../../docs/lifecycle.md"

// livesThrough types what the page says, from one heading to another (or the
// end), on servers with the addresses and ports that the page gives them, and
// compares what it prints:
//
//	```sh node=N       is run on server N; a block ```text after it is what it prints
//	<!-- wait node=N SQL -->    waits until it is true
//	<!-- log node=N WORDS -->   waits until the server's log has them
//	<!-- kill node=N -->        kills the server
//	<!-- settings node=N -->    gives a copied server a port of its own for clients
func livesThrough(from, to string) func(context.Context, *testing.T, *suite) {
	return func(ctx context.Context, t *testing.T, s *suite) {
		text, err := os.ReadFile(lifecyclePage)
		must(t, err)
		_, part, ok := strings.Cut(string(text), "\n## "+from+"\n")
		if to != "" && ok {
			part, _, ok = strings.Cut(part, "\n## "+to+"\n")
		}
		if !ok {
			t.Fatalf("%s has no part from %q to %q", lifecyclePage, from, to)
		}
		p := s.newPage(ctx, t)
		for _, step := range pageSteps(t, part) {
			p.run(ctx, t, step)
		}
	}
}

type pageStep struct {
	verb, text string // sh: the script; else the words of the comment
	node       int
	prints     *string // nil: anything
}

var pageBlock = regexp.MustCompile("(?s)```(sh|text)([^\n]*)\n(.*?)```|<!-- (wait|log|kill|settings) node=(\\d+) ?([^\n]*?) ?-->")

func pageSteps(t *testing.T, part string) (steps []pageStep) {
	t.Helper()
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: no node in %q: %v", lifecyclePage, s, err)
		}
		return n
	}
	for _, m := range pageBlock.FindAllStringSubmatch(part, -1) {
		switch {
		case m[1] == "sh":
			node, ok := strings.CutPrefix(strings.TrimSpace(m[2]), "node=")
			if !ok {
				t.Fatalf("%s: a block of commands names no node:\n%s", lifecyclePage, m[3])
			}
			steps = append(steps, pageStep{verb: "sh", node: number(node), text: m[3]})
		case m[1] == "text":
			steps[len(steps)-1].prints = &m[3]
		default:
			steps = append(steps, pageStep{verb: m[4], node: number(m[5]), text: m[6]})
		}
	}
	return steps
}

// page is a cluster as the page has it: node N at 10.0.0.N, which is 127.0.0.N
// here, nodes 1 to 3 its members; 4 and 5 are servers without a use yet.
type page struct {
	cluster   *pgcluster.Cluster
	otherPort int    // stands for 7002
	prelude   string // of every script
}

// baseBackup stands in for PostgreSQL's command where make's PostgreSQL comes
// without it: the same, by the functions that it calls.
const baseBackup = `pg_basebackup() {
	local primary="host=$PGHOST port=$PGPORT" dir='' standby=''
	while [ $# -gt 0 ]; do
		case $1 in
		-d) primary=$2; shift ;;
		-D) dir=$2; shift ;;
		--write-recovery-conf) standby=yes ;;
		esac
		shift
	done
	local from; from=$(psql -X -d "$primary" -Atc "SHOW data_directory")
	psql -X -q -d "$primary" -At >/dev/null <<END
SELECT pg_backup_start('copy', true);
\! cp -a "$from" "$dir" 2>"$dir.errors" || grep -v 'No such file' "$dir.errors" # files come and go
\! rm -f "$dir"/postmaster.*
SELECT labelfile FROM pg_backup_stop(false) \g "$dir/backup_label"
END
	cp -a "$from"/pg_wal/0* "$dir/pg_wal/"
	if [ "$standby" ]; then
		touch "$dir/standby.signal"
		echo "primary_conninfo = '$primary'" >>"$dir/postgresql.auto.conf"
	fi
}
`

func (s *suite) newPage(ctx context.Context, t *testing.T) *page {
	t.Helper()
	c := s.extraCluster(ctx, t, 3, map[string]string{"pgraft.cluster_id": "orders"})
	for range 2 {
		_, err := c.AddServer(ctx, nil)
		must(t, err)
	}
	p := &page{cluster: c}
	if _, err := os.Stat(filepath.Join(s.install.BinDir, "pg_basebackup")); errors.Is(err, os.ErrNotExist) {
		p.prelude = baseBackup
	}
	for _, server := range c.Servers {
		must(t, server.Set(map[string]string{"pgraft.address": fmt.Sprintf("127.0.0.%d", server.NodeID), "pgraft.port": strconv.Itoa(p.port())}))
	}
	free, err := freeport.Reserve()
	must(t, err)
	t.Cleanup(func() { must(t, free.Close()) })
	p.otherPort = free.Port
	for _, server := range c.Servers[:3] {
		must(t, server.Start(ctx))
		initialise(ctx, t, server)
	}
	leader := connect(ctx, t, s.leader(ctx, t, c.Servers[0]))
	for _, server := range c.Servers[1:3] {
		added, err := sqlapi.AddNode(ctx, leader, server.NodeID, fmt.Sprintf("127.0.0.%d", server.NodeID), p.port())
		if err != nil || !added {
			t.Fatalf("adding node %d: %v, %v", server.NodeID, added, err)
		}
	}
	return p
}

// pgctlLine is what pg_ctl says.
var pgctlLine = regexp.MustCompile(`(?m)^(waiting for server to |server (started|stopped)| done).*\n`)

// here puts this machine's addresses and ports into the page's words.
func (p *page) here(text string) string {
	return strings.NewReplacer("10.0.0.", "127.0.0.", "7001", strconv.Itoa(p.port()), "7002", strconv.Itoa(p.otherPort)).Replace(text)
}

// port stands for 7001. It is that of every node, as each has its own address.
func (p *page) port() int { return p.cluster.Servers[0].RaftPort }

func (p *page) run(ctx context.Context, t *testing.T, step pageStep) {
	t.Helper()
	server := p.cluster.Servers[step.node-1]
	switch step.verb {
	case "sh":
		p.shell(ctx, t, server, step)
	case "kill":
		_, err := server.Kill9(ctx)
		must(t, err)
	case "settings":
		_, err := server.Shell(ctx, `echo -e "port = $PGPORT\nunix_socket_directories = ''" >>"$PGDATA/postgresql.conf"`)
		must(t, err)
	case "wait":
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("on node %d: %s", step.node, step.text), func(ctx context.Context) error {
			conn, err := server.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			var yes bool
			if err := conn.QueryRow(ctx, step.text).Scan(&yes); err != nil || yes {
				return err
			}
			return errors.New("it is false")
		}))
	case "log":
		words := p.here(step.text)
		must(t, wait.For(ctx, settleLimit, fmt.Sprintf("node %d to log: %s", step.node, words), func(context.Context) error {
			text, err := os.ReadFile(server.LogPath)
			if err == nil && !strings.Contains(string(text), words) {
				err = errors.New("its log has no such line")
			}
			return err
		}))
	}
}

func (p *page) shell(ctx context.Context, t *testing.T, server *pgcluster.Server, step pageStep) {
	t.Helper()
	if strings.HasPrefix(step.text, "pg_basebackup -d") { // into a directory that is not there yet
		must(t, os.RemoveAll(server.DataDir))
	}
	primary := fmt.Sprintf("PRIMARY=host=127.0.0.1 port=%d user=postgres", p.cluster.Servers[0].Port)
	out, err := server.Shell(ctx, "set -eo pipefail\n"+p.prelude+p.here(step.text), primary)
	out = pgctlLine.ReplaceAllString(out, "")
	fails := step.prints != nil && strings.HasPrefix(*step.prints, "ERROR:")
	if (err != nil) != fails {
		t.Fatalf("%v\n%s\n%s", err, step.text, out)
	}
	if step.prints == nil {
		return
	}
	want := regexp.QuoteMeta(trimLines(p.here(*step.prints)))
	if !regexp.MustCompile(`^` + strings.ReplaceAll(want, "…", ".*") + `$`).MatchString(trimLines(out)) {
		t.Errorf("on node %d\n%s\nprints\n%s\nnot\n%s", step.node, step.text, out, p.here(*step.prints))
	}
}

// trimLines is without white space at the ends of lines and of the text.
func trimLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
