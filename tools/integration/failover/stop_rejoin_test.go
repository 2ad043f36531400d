//go:build integration

package failover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// Whoever stops the server while its data is made anew wants it stopped. pg_ctl stop comes at each
// change of a file's name that it has not come at before, fast and immediate by turns: the server ends,
// and its next start goes on from there, until the member is back. An immediate stop cuts pg_rewind short,
// and a clone follows; a fast one ends a clone, and waits for pg_rewind.
func TestStopInRejoin(t *testing.T) {
	told := listenAsSystemd(t)
	w := newWorld(t, map[string]string{"pgraft.rejoin": "clone", "wal_log_hints": "on"})
	ctx, cancel := context.WithTimeout(t.Context(), 3*caseLimit) // some thirty starts and stops
	t.Cleanup(cancel)
	w.ctx = ctx
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	for _, rewinding := range []string{"immediate", "fast"} {
		s := &stopper{w: w, s: a, told: told, seen: map[string]bool{}, modes: map[string]string{"created data.pgraft_aside": rewinding, "created data.pgraft_new": "fast"}}
		want := []string{"moved to data.pgraft_rejoin", "created data.pgraft_aside"}
		if rewinding == "immediate" {
			want = append(want, "created data.pgraft_new", "moved to data")
		}
		_, err := a.Diverge(w.ctx)
		must(t, err)
		next := w.acknowledged(100, w.others(a)...)
		for s.stops(next) {
		}
		w.until(next, quorum, "2")
		for _, at := range want {
			if !s.seen[at] {
				t.Errorf("it was not stopped at %q, but at %q", at, s.order)
			}
		}
		t.Logf("%d stops: %q", len(s.order), s.order)
		if w.switchesOver(next, "SELECT pgraft_switchover(1)") != a {
			t.Fatal("node 1 is not the primary")
		}
		w.until(a, quorum, "2")
	}
	w.stop()
	w.cameBack(w.others(a)[0], a)
	w.checks(a)
}

// stopper starts and stops a server.
type stopper struct {
	w     *world
	s     *pgcluster.Server
	told  *systemd
	modes map[string]string // of some changes; else by turns
	seen  map[string]bool
	order []string
}

// stops starts the server and stops it at the next change that is new. It is false once the member is
// back, and the server runs.
func (x *stopper) stops(primary *pgcluster.Server) bool {
	w := x.w
	w.t.Helper()
	stopping := x.told.count("STOPPING=1")
	changes := x.changes()
	defer changes.close()
	if out, err := x.s.Shell(w.ctx, "pg_ctl start -W -s -l "+x.s.LogPath, "NOTIFY_SOCKET="+x.told.name); err != nil {
		w.t.Fatalf("pg_ctl start: %v\n%s", err, out)
	}
	at := ""
	must(w.t, wait.Until(w.ctx, "a change that is new, or node 1 to be back", func(ctx context.Context) error {
		select {
		case err := <-changes.failed:
			return fmt.Errorf("%w: %w", err, wait.ErrHopeless)
		case at = <-changes.fresh:
			return nil
		default:
		}
		if _, err := os.Stat(x.s.DataDir + ".pgraft_rejoin"); !errors.Is(err, os.ErrNotExist) {
			return errors.New("its data is being made anew")
		}
		if err := w.answers(ctx, x.s); err != nil {
			return err // what others say of it may be of before
		}
		got, err := w.ask(primary, stands(x.s, "state"))
		if err == nil && got != "streaming" {
			err = errors.New(got)
		}
		return err
	}))
	if n := x.told.count("STOPPING=1") - stopping; n != 0 {
		w.t.Errorf("systemd was told of %d stops before %q", n, at)
	}
	if at == "" {
		return false
	}
	x.seen[at] = true
	x.order = append(x.order, at)
	if at == "created data.pgraft_new" { // a clone that takes long
		w.freezesClone(x.s)
		x.statusSays(primary)
	}
	x.stop(at, changes.pid, changes.frozen)
	return true
}

// answers connects to a server, which may be made to stand still meanwhile.
func (w *world) answers(ctx context.Context, s *pgcluster.Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.SocketURL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// stop is what an operator types, again where for an instant there is no lock file, or it is that of
// the server that recovers alone. Who stands still does so until it is told.
func (x *stopper) stop(at string, pid, frozen int) {
	w, mode := x.w, []string{"fast", "immediate"}[len(x.order)%2]
	if m := x.modes[at]; m != "" {
		mode = m
	}
	w.t.Helper()
	must(w.t, wait.For(w.ctx, 20*time.Second, fmt.Sprintf("the server to be stopped (%s) at %q", mode, at), func(ctx context.Context) error {
		if running, err := x.runs(pid); err != nil || !running {
			return err
		}
		typed := make(chan error, 1)
		go func() {
			out, err := x.s.Shell(ctx, "pg_ctl stop -s -m "+mode)
			if err != nil {
				err = fmt.Errorf("%w: %s", err, strings.TrimSpace(out))
			}
			typed <- err
		}()
		var err error
		if frozen != 0 {
			err = goesOn(frozen, typed)
			frozen = 0
		} else {
			err = <-typed
		}
		if err != nil {
			w.t.Logf("pg_ctl stop -m %s at %q: %v", mode, at, err)
			return err
		}
		running, err := x.runs(pid)
		if running {
			err = errors.New("pg_ctl says that it has stopped, and it runs")
		}
		return err
	}))
	if _, err := os.Stat(x.s.File("postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		w.t.Errorf("stopped (%s) at %q, the lock file is left: %v\n%s", mode, at, err, x.s.LogTail(30))
	}
}

// runs says whether the server runs, or what makes its data anew, for a moment in the directory of before.
func (x *stopper) runs(pid int) (bool, error) {
	if _, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil {
		return true, nil
	}
	return x.s.Running()
}

// rejoins is the process of the command that a server runs; 0: it runs none.
func rejoins(server int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", server))
	if err != nil {
		return 0
	}
	for word := range strings.FieldsSeq(string(text)) {
		line, err := os.ReadFile("/proc/" + word + "/cmdline")
		if pid, e := strconv.Atoi(word); errors.Join(err, e) == nil && bytes.Contains(line, []byte("\x00rejoin\x00")) {
			return pid
		}
	}
	return 0
}

// goesOn lets a process that stands still go on once a signal waits for it, or who was to send one has
// ended.
func goesOn(pid int, typed chan error) error {
	for {
		select {
		case err := <-typed:
			return errors.Join(err, syscall.Kill(pid, syscall.SIGCONT))
		default:
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return errors.Join(err, <-typed)
		}
		for l := range lines(string(text)) {
			pending, ok := strings.CutPrefix(l, "ShdPnd:")
			if !ok {
				continue
			}
			set, err := strconv.ParseUint(strings.TrimSpace(pending), 16, 64)
			if err != nil || set&(1<<(syscall.SIGINT-1)|1<<(syscall.SIGQUIT-1)) != 0 {
				return errors.Join(err, syscall.Kill(pid, syscall.SIGCONT), <-typed)
			}
		}
		runtime.Gosched()
	}
}

// statusSays checks what the command says on the machine itself while the server's data is made anew.
func (x *stopper) statusSays(primary *pgcluster.Server) {
	w := x.w
	w.t.Helper()
	target := fmt.Sprintf("host=%s port=%d user=postgres", x.s.Address(), x.s.Port)
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"status", target}, []string{"rejoins\n", x.s.Host() + ": its data is being made anew since ", ": pg_basebackup of the primary at " + primary.Host() + " since "}},
		{[]string{"status", "--json", target}, []string{`"step": "clone"`, `"source": "` + primary.Host() + `"`, `"began": "20`, `"since": "20`, `"status": "critical"`}},
	} {
		cmd, err := x.s.Pgraft(w.ctx, c.args...)
		must(w.t, err)
		out, err := cmd.CombinedOutput()
		for _, text := range c.says {
			if err == nil || !strings.Contains(string(out), text) {
				w.t.Errorf("pgraft %s says not %q: %v\n%s", c.args[0], text, err, out)
			}
		}
	}
}

// freezesClone has pg_basebackup stand still.
func (w *world) freezesClone(s *pgcluster.Server) {
	w.t.Helper()
	entries, err := os.ReadDir("/proc")
	must(w.t, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !bytes.Contains(line, []byte("/pg_basebackup\x00")) || !bytes.Contains(line, []byte(s.DataDir+".pgraft_new\x00")) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatal(err)
		}
	}
}

// changes are those of names in a server's data directory, and of what lies beside it. At the first one
// at which the server was not stopped before it stands still.
type changes struct {
	x      *stopper
	file   *os.File
	inside int // the watch of the data directory
	pid    int // of the server; 0: it is not known. Written before fresh is sent
	frozen int // who stands still: the server, or the command that it runs
	fresh  chan string
	failed chan error
	ended  chan struct{}
}

func (c *changes) close() {
	c.file.Close()
	<-c.ended
}

func (x *stopper) changes() *changes {
	t := x.w.t
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	must(t, err)
	c := &changes{x: x, file: os.NewFile(uintptr(fd), "inotify"), fresh: make(chan string, 1), failed: make(chan error, 1), ended: make(chan struct{})}
	const what = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO
	c.inside, err = unix.InotifyAddWatch(fd, x.s.DataDir, what)
	must(t, err)
	_, err = unix.InotifyAddWatch(fd, filepath.Dir(x.s.DataDir), what)
	must(t, err)
	go func() {
		defer close(c.ended)
		if err := c.read(); err != nil && !errors.Is(err, os.ErrClosed) {
			c.failed <- err
		}
	}()
	return c
}

// read ends with the first change that is new.
func (c *changes) read() error {
	b := make([]byte, 1<<16)
	for {
		n, err := c.file.Read(b)
		if err != nil {
			return err
		}
		for at := 0; at < n; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&b[at]))
			at += unix.SizeofInotifyEvent + int(e.Len)
			name := c.name(e, string(bytes.TrimRight(b[at-int(e.Len):at], "\x00")))
			if name == "" || c.x.seen[name] {
				c.owner()
				continue
			}
			if c.frozen = c.pid; c.pid != 0 {
				if child := rejoins(c.pid); child != 0 {
					c.frozen = child
				}
				err = syscall.Kill(c.frozen, syscall.SIGSTOP)
			}
			c.fresh <- name
			return err
		}
	}
}

// owner is the process whose lock file there is: the same until the server is stopped.
func (c *changes) owner() {
	text, err := os.ReadFile(c.x.s.File("postmaster.pid"))
	first, _, _ := strings.Cut(string(text), "\n")
	if pid, e := strconv.Atoi(first); c.pid == 0 && errors.Join(err, e) == nil && pid > 0 {
		c.pid = pid
	}
}

// ofServer are names in the data directory that are told apart; all others are of files alike.
var ofServer = []string{"postmaster.pid", "standby.signal", "pgraft.failover", "pgraft.failover.new", "pgraft", "postgresql.auto.conf"}

var number = regexp.MustCompile(`\d+$`)

// name is a change in words; empty: it is none of the server's.
func (c *changes) name(e *unix.InotifyEvent, file string) string {
	how := map[uint32]string{unix.IN_CREATE: "created", unix.IN_DELETE: "deleted", unix.IN_MOVED_TO: "moved to"}[e.Mask&^unix.IN_ISDIR]
	switch {
	case e.Wd == int32(c.inside) && !slices.Contains(ofServer, file):
		file = "another file"
	case how == "" || e.Wd != int32(c.inside) && !strings.HasPrefix(file, "data"):
		return ""
	}
	return how + " " + number.ReplaceAllString(file, "N")
}
