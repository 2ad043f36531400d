//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pages"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	failoverPage   = "../../../docs/failover.md"
	operationsPage = "../../../docs/operations-failover.md"
	pageLimit      = 4 * time.Minute
)

// The page for newcomers, typed through: three servers, and two with a witness. Of three, one is
// made anew, as the page for operators has it.
func TestPage(t *testing.T) {
	three := []string{"1. The password", "2. The first server", "3. The others", "4. Failover", "5. Lose the primary"}
	t.Run("three servers", func(t *testing.T) {
		p := newPage(t)
		p.types(3, three...)
		p.reads(operationsPage)
		p.types(3, "Make a member anew")
	})
	t.Run("two servers and a witness", func(t *testing.T) {
		p := newPage(t)
		p.types(2, three[:3]...)
		p.types(3, "Two servers and a witness")
	})
}

// page is three machines as the page has them: 10.0.0.N is 127.0.0.N here, with the same ports.
type page struct {
	t       *testing.T
	ctx     context.Context
	cluster *pgcluster.Cluster
	path    string
	text    string
	items   []pages.Item
}

func newPage(t *testing.T) *page {
	t.Helper()
	t.Parallel()
	install, err := pgcluster.Find(os.Getenv("PGRAFT_PG_CONFIG"))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), pageLimit)
	t.Cleanup(cancel)
	at := func(node int) (pgcluster.Place, error) {
		return pgcluster.Place{Address: fmt.Sprintf("127.0.0.%d", node), Enter: func(start func() error) error { return start() }}, nil
	}
	c, err := pgcluster.New(ctx, pgcluster.Config{Install: install, Nodes: 1, Place: at})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range c.Servers {
				t.Logf("node %d:\n%s", s.NodeID, s.LogTail(60))
			}
		}
		must(t, c.Destroy())
	})
	must(t, os.RemoveAll(c.Servers[0].DataDir))
	for range 2 {
		s, err := c.AddEmpty()
		must(t, err)
		s.Port, s.RaftPort = c.Servers[0].Port, c.Servers[0].RaftPort
	}
	p := &page{t: t, ctx: ctx, cluster: c}
	p.reads(failoverPage)
	return p
}

// reads has another page typed, on the same machines.
func (p *page) reads(path string) {
	p.t.Helper()
	read, err := pages.Read(path)
	must(p.t, err)
	text, err := os.ReadFile(path)
	must(p.t, err)
	p.path, p.text, p.items = path, string(text), read.Items
}

// types does what some sections of the page say, on the first servers.
func (p *page) types(servers int, headings ...string) {
	p.t.Helper()
	for _, heading := range headings {
		before, rest, ok := strings.Cut(p.text, "\n## "+heading+"\n")
		if !ok {
			p.t.Fatalf("%s has no heading %q", p.path, heading)
		}
		section, _, _ := strings.Cut(rest, "\n## ")
		first := strings.Count(before, "\n") + 1
		last := first + strings.Count(section, "\n") + 1
		for i, item := range p.items {
			if item.Line > first && item.Line <= last {
				p.try(servers, item, slices.Concat(p.items[i+1:], []pages.Item{{}})[0])
			}
		}
	}
}

func (p *page) try(servers int, item, next pages.Item) {
	p.t.Helper()
	switch item.Lang {
	case "test":
		p.does(item.Info)
	case "sh":
		nodes, err := item.Nodes()
		must(p.t, err)
		for _, node := range nodes {
			if node > servers {
				continue
			}
			got := p.shell(p.cluster.Servers[node-1], item.Text)
			if want := p.here(next.Text); next.Lang == "text" && next.After && !pages.Matches(want, got) {
				p.t.Fatalf("%s:%d: on node %d\n%s\nprints\n%s\nnot\n%s", p.path, item.Line, node, item.Text, got, want)
			}
		}
	}
}

// chatter is what varies of what commands print: that of pg_ctl, and how far a copy is.
var chatter = regexp.MustCompile(`(?m)^(waiting for server to .*|server (started|stopped)| done|.* copied, \d+%, .* left)\n`)

// here puts this machine's addresses and ports into the page's words.
func (p *page) here(text string) string {
	first := p.cluster.Servers[0]
	return strings.NewReplacer("10.0.0.", "127.0.0.", "7001", strconv.Itoa(first.RaftPort), "5432", strconv.Itoa(first.Port)).Replace(text)
}

func (p *page) shell(s *pgcluster.Server, script string) string {
	p.t.Helper()
	if strings.HasPrefix(script, "pgraft node ") {
		p.witness(s, script)
		return ""
	}
	script = strings.ReplaceAll(p.here(script), "pgraft join", "pgraft join --address "+s.Address()) // its connection comes from 127.0.0.1
	home := filepath.Dir(s.DataDir)
	out, err := s.Shell(p.ctx, "set -eo pipefail\n"+script, "HOME="+home)
	if err != nil {
		p.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return chatter.ReplaceAllString(out, "")
}

// witness runs the command of the page until the test ends.
func (p *page) witness(s *pgcluster.Server, script string) {
	p.t.Helper()
	words := strings.Fields(strings.ReplaceAll(p.here(script), "/var/lib/pgraft", filepath.Join(filepath.Dir(s.DataDir), "witness")))
	cmd, err := s.Pgraft(context.Background(), append(words[1:], "--http", "", "--port", strconv.Itoa(s.RaftPort))...)
	must(p.t, err)
	log, err := os.Create(s.LogPath)
	must(p.t, err)
	cmd.Stdout, cmd.Stderr = log, log
	must(p.t, errors.Join(cmd.Start(), log.Close()))
	p.t.Cleanup(func() { // before the cluster's directory goes
		must(p.t, cmd.Process.Signal(syscall.SIGTERM))
		must(p.t, cmd.Wait())
	})
	must(p.t, wait.Until(p.ctx, "the witness to listen", func(context.Context) error {
		conn, err := net.Dial("tcp", net.JoinHostPort(s.Address(), strconv.Itoa(s.RaftPort)))
		if err != nil {
			return err
		}
		return conn.Close()
	}))
}

// does what the page has for the test alone.
func (p *page) does(what string) {
	p.t.Helper()
	if what == "settings" { // of a machine that has three servers
		first := p.cluster.Servers[0]
		p.shell(first, fmt.Sprintf(`echo -e "port = %d\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nshared_buffers = '16MB'\npgraft.port = %d" >>"$PGDATA/postgresql.conf"`, first.Port, first.RaftPort))
		return
	}
	verb, rest, _ := strings.Cut(what, " ")
	number, sql, _ := strings.Cut(rest, " ")
	node, err := strconv.Atoi(number)
	if err != nil || verb != "wait" || node < 1 || node > len(p.cluster.Servers) {
		p.t.Fatalf("%s: unknown: %q", p.path, what)
	}
	s := p.cluster.Servers[node-1]
	must(p.t, wait.Until(p.ctx, fmt.Sprintf("node %d: %s", node, sql), func(ctx context.Context) error {
		out, err := s.Shell(ctx, "psql -At -f - 2>&1 <<'END'\n"+sql+"\nEND", "HOME="+filepath.Dir(s.DataDir))
		if err == nil && strings.TrimSpace(out) != "t" {
			err = errors.New(out)
		}
		return err
	}))
}
