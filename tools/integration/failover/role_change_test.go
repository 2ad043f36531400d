//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// roleCommand writes down what it was run for, what it has inherited of signals, and how many
// descriptors it has; for a standby it fails. A shell blocks all signals as it starts a program, so
// it reads its own by itself.
const roleCommand = `echo "%r %e 100%%" >> roles; while read -r l; do case $l in SigBlk*|SigIgn*) echo "$l" ;; esac; done < /proc/$$/status >> role_signals; ` +
	`ls -1 /proc/$$/fd >> role_descriptors; test %r = primary || exit 7`

// The role change command is run once for each role that a server has, one at a time, and nothing
// waits for it. What fails is logged, and what hangs is killed.
func TestRoleChange(t *testing.T) {
	w := newWorld(t, map[string]string{"pgraft.role_change_command": roleCommand})
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.roles(a, "^primary 1$")
	w.roles(b, "^standby 1$")
	w.roles(c, "^standby 1$")
	must(t, c.Set(map[string]string{"pgraft.role_change_command": "sleep 1000 & sleep 1000"}))
	must(t, c.Restart(w.ctx))
	w.writes(2)
	w.acknowledged(20, a)
	w.switchesOver(a, "SELECT pgraft_switchover(2)")
	w.roles(a, "^primary 1, standby [12]$")
	w.roles(b, "^standby 1, primary 2$")
	if err := syscall.Kill(w.process(a, "pgraft engine"), syscall.SIGTERM); err != nil { // the next one says nothing new
		t.Fatal(err)
	}
	w.until(b, quorum, "2")
	w.acknowledged(20, b)
	w.roles(a, "^primary 1, standby [12]$")
	w.checks(b)
	w.logged(b, "pgraft.role_change_command failed: child process exited with exit code 7")
	for _, s := range []*pgcluster.Server{a, b} {
		w.inheritsNothing(s)
	}
	must(t, wait.Until(w.ctx, "the command that hangs to be killed", func(context.Context) error {
		if w.count(c, "pgraft.role_change_command was ended, as it took too long") == 0 {
			return errors.New("it was not")
		}
		return nil
	}))
	pids, err := c.Processes()
	must(t, err)
	for _, pid := range pids {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(text), "sleep") {
			t.Errorf("process %d of the command that was killed lives", pid)
		}
	}
}

// roles waits until the command was run for these, in this order.
func (w *world) roles(s *pgcluster.Server, want string) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("node %d to have run its command for %s", s.NodeID, want), func(context.Context) error {
		text, err := os.ReadFile(s.File("roles"))
		if err != nil {
			return err
		}
		got := strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(string(text)), " 100%", ""), "\n", ", ")
		if !regexp.MustCompile(want).MatchString(got) {
			return fmt.Errorf("it was run for %q", got)
		}
		return nil
	}))
}

// inheritsNothing checks what the command has written down of itself.
func (w *world) inheritsNothing(s *pgcluster.Server) {
	w.t.Helper()
	signals, err := os.ReadFile(s.File("role_signals"))
	must(w.t, err)
	for l := range lines(string(signals)) {
		if _, mask, _ := strings.Cut(l, "\t"); strings.Trim(mask, "0") != "" {
			w.t.Errorf("node %d: the command has %s", s.NodeID, l)
		}
	}
	descriptors, err := os.ReadFile(s.File("role_descriptors"))
	must(w.t, err)
	for l := range lines(string(descriptors)) {
		if l != "0" && l != "1" && l != "2" && l != "10" && l != "255" { // the shell's own
			w.t.Errorf("node %d: the command has descriptor %s", s.NodeID, l)
		}
	}
}
