//go:build integration

package failover

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// A server goes on alone as `pgraft standalone` has prepared it, started and promoted by hand, and is
// used. Then a cluster is founded with its data, as the page says, two servers join, and it fails over:
// all that was acknowledged, by the old cluster and by the server alone, is there.
func TestStandaloneFounds(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.rejoin": "rewind", "wal_log_hints": "on"})
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	w.stop()
	for _, s := range w.cluster.Servers {
		_, err := s.Kill9(w.ctx)
		must(t, err)
	}

	prompt := "Type the cluster's id to start this server as a primary: "
	if out, err := w.typed(a, "another", "standalone", "--no-start", a.DataDir); err == nil || !strings.Contains(out, prompt) || !strings.Contains(out, "nothing was changed: the cluster's id is") {
		t.Errorf("another cluster's id is typed: %v\n%s", err, out)
	}
	w.takesPart(a)
	out, err := w.typed(a, pgcluster.DefaultClusterID, "standalone", "--no-start", a.DataDir)
	if err != nil || !strings.Contains(out, prompt) || !strings.Contains(out, "The server is prepared: start it as always, and promote it") {
		t.Fatalf("the cluster's id is typed: %v\n%s", err, out)
	}
	w.shell(a, "pg_ctl start -s -w -D $PGDATA -l $PGDATA.log && pg_ctl promote -s -w -D $PGDATA")
	w.do(a, insert("written alone"))
	w.checks(a)

	for l := range lines(out) {
		if strings.HasPrefix(l, "ALTER SYSTEM") {
			w.do(a, l)
		}
	}
	w.shell(a, "pg_ctl stop -s -w -D $PGDATA")
	w.shell(a, strings.NewReplacer("sudo ", "", "/var/lib/postgresql/15/main", "$PGDATA").Replace(w.onPage("- **With this server's data**:")))
	must(t, a.Start(w.ctx))
	w.do(a, "SELECT pgraft_init()")
	w.until(a, "SELECT pgraft_is_leader()", "t")
	b, c := w.empty(), w.empty()
	for _, s := range []*pgcluster.Server{b, c} {
		if out, err := w.join(s, a); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	w.do(a, "SELECT pgraft_enable_failover()")
	w.until(a, quorum, "2")
	w.do(a, insert("written together"))
	_, err = a.Kill9(w.ctx)
	must(t, err)
	w.until(b, "SELECT pgraft_get_primary() IN (2, 3)", "t")
	next := b
	if w.do(b, "SELECT pgraft_get_primary()") == "3" {
		next = c
	}
	w.until(next, "SELECT string_agg(v, ', ' ORDER BY v) FROM rows", "written alone, written together")
	w.checks(next)
}

// onPage is the first block of commands behind a text on the pages of operations.
func (w *world) onPage(behind string) string {
	w.t.Helper()
	names, err := filepath.Glob("../../../docs/operations*.md")
	must(w.t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(w.t, err)
		if _, rest, ok := strings.Cut(string(text), behind); ok {
			_, rest, _ = strings.Cut(rest, "```sh\n")
			block, _, _ := strings.Cut(rest, "```")
			return block
		}
	}
	w.t.Fatalf("no page of operations has %q", behind)
	return ""
}

// typed runs the command at a terminal at which a line is typed, and returns what it prints.
func (w *world) typed(s *pgcluster.Server, line string, args ...string) (string, error) {
	w.t.Helper()
	terminal, far := openTerminal(w.t)
	defer terminal.Close()
	cmd, err := s.Pgraft(w.ctx, args...)
	must(w.t, err)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far, &out, &out
	must(w.t, cmd.Start())
	must(w.t, far.Close())
	_, err = terminal.WriteString(line + "\n")
	err = errors.Join(err, cmd.Wait())
	return out.String(), err
}

// openTerminal makes a terminal, and opens its other end.
func openTerminal(t testing.TB) (terminal, far *os.File) {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0))
	far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	return terminal, far
}
