//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// After a switchover the old primary's server starts anew, with the process id that it had: it
// follows, and is counted. Nothing is lost, and systemd is not told that it stops. A stop that
// somebody asks for stays one.
func TestSwitchover(t *testing.T) {
	told := listenAsSystemd(t)
	t.Setenv("NOTIFY_SOCKET", told.name)
	w := newWorldIn(t, nil, nil) // not beside others, whose servers would have its environment
	w.until(w.cluster.Servers[0], quorum, "2")
	w.writes(4)
	primary := w.acknowledged(100, w.cluster.Servers[0])
	if _, err := w.ask(w.others(primary)[0], "SELECT pgraft_transfer_leadership(1)"); !isState(err, "55000") {
		t.Errorf("leadership is handed to the primary: %v", err)
	}
	for _, sql := range []string{"SELECT pgraft_switchover(2)", "SELECT pgraft_transfer_leadership()"} {
		primary = w.switchesOver(primary, sql)
		w.until(primary, quorum, "2")
	}
	w.checks(primary)
	if got := told.all(); slices.Contains(got, "STOPPING=1") {
		t.Errorf("systemd was told of a stop: %q", got)
	}
	if n := told.count("READY=1"); w.tellsSystemd() && n < 5 { // three servers, two of them twice; and promotions
		t.Errorf("systemd was told of %d starts: %q", n, told.all())
	}
	must(t, primary.Stop(w.ctx))
	if w.tellsSystemd() && !slices.Contains(told.all(), "STOPPING=1") {
		t.Errorf("systemd was not told of a stop: %q", told.all())
	}
}

// switchesOver hands over to another server, and waits until the old primary follows.
func (w *world) switchesOver(primary *pgcluster.Server, sql string) (next *pgcluster.Server) {
	w.t.Helper()
	pid := w.livePid(primary)
	// Where the server that is asked is the one that is chosen, its promotion ends the session.
	if got, err := w.ask(w.others(primary)[1], sql); (err != nil || got != "t") && !isState(err, "57P01") {
		w.t.Fatalf("%s: %q, %v", sql, got, err)
	}
	next = w.acknowledged(100, w.others(primary)...)
	w.until(next, stands(primary, "state"), "streaming")
	w.until(primary, "SELECT pg_is_in_recovery()", "t")
	if now := w.livePid(primary); now != pid {
		w.t.Errorf("node %d has process id %d, and had %d", primary.NodeID, now, pid)
	}
	return next
}

// Whoever stops the server while it stops for a switchover wants it stopped.
func TestStopInSwitchover(t *testing.T) {
	w := newWorld(t, nil)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(100, a)
	pid := w.livePid(a)
	go w.ask(c, "SELECT pgraft_switchover(2)") // what comes of it is seen on b
	must(t, wait.Until(w.ctx, "node 1 to stop for the switchover", func(context.Context) error {
		return stops(a)
	}))
	must(t, syscall.Kill(pid, syscall.SIGTERM)) // as systemd does; a fast shutdown ignores it
	w.acknowledged(100, b)
	w.untilGone(a)
	if _, err := os.Stat(a.File("postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file of a server that was stopped: %v", err)
	}
	must(t, a.Start(w.ctx))
	w.until(b, quorum, "2")
	w.checks(b)
}

// lines are those of a text, without the spaces around them.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for l := range strings.Lines(text) {
			if !yield(strings.TrimSpace(l)) {
				return
			}
		}
	}
}

// stops is nil once the server's lock file says that it stops.
func stops(s *pgcluster.Server) error {
	text, err := os.ReadFile(s.File("postmaster.pid"))
	if err == nil && !slices.Contains(slices.Collect(lines(string(text))), "stopping") {
		err = errors.New("it does not")
	}
	return err
}

// systemd is what a server told its service manager.
type systemd struct {
	name string // of the socket

	mu   sync.Mutex
	told []string
}

// listenAsSystemd listens as systemd does for the servers that have the socket's name in NOTIFY_SOCKET.
func listenAsSystemd(t *testing.T) *systemd {
	t.Helper()
	name := fmt.Sprintf("@pgraft-test-%d-%s", os.Getpid(), t.Name())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	must(t, err)
	s := &systemd{name: name}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.told = slices.AppendSeq(s.told, lines(string(b[:n])))
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		must(t, conn.Close())
		<-ended
	})
	return s
}

// tellsSystemd says whether this PostgreSQL is built with systemd: the ones of npm are not.
func (w *world) tellsSystemd() bool {
	w.t.Helper()
	tells, err := w.cluster.Servers[0].Install.TellsSystemd()
	must(w.t, err)
	return tells
}

func (s *systemd) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

func (s *systemd) count(what string) (n int) {
	for _, x := range s.all() {
		if x == what {
			n++
		}
	}
	return n
}
