package rejoin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/core/failover/host"
)

// PostgreSQL's programs do the work.

// recoversAlone replays the server's own WAL, without the extension: pg_control then has the
// last timeline, by which pg_rewind finds where the two have parted.
func (h *helper) recoversAlone() error {
	for _, name := range []string{"standby.signal", "recovery.signal", "promote"} {
		if err := os.RemoveAll(filepath.Join(h.DataDir, name)); err != nil {
			return err
		}
	}
	if err := syncDir(h.DataDir); err != nil {
		return err
	}
	_, err := h.program("postgres", "--single", "-D", h.DataDir, "-c", "config_file="+h.ConfigFile,
		"-c", "shared_preload_libraries=", "-c", "archive_mode=off", "-c", "logging_collector=off", "template1")
	return err
}

func (h *helper) rewind(address string) error {
	conninfo, err := h.conninfo(address)
	if err != nil {
		return err
	}
	out, err := h.program("pg_rewind", "-D", h.DataDir, "--no-ensure-shutdown", "--progress", "--source-server="+conninfo+" dbname=postgres application_name='"+ownName+"'")
	if err == nil && strings.Contains(out, "no rewind required") {
		err = errors.New("it found nothing to do, though this server's WAL is not a part of the primary's")
	}
	return err
}

func (h *helper) clone(address string) error {
	conninfo, err := h.conninfo(address)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(h.newDir()); err != nil {
		return err
	}
	if _, err := h.program("pg_basebackup", "-D", h.newDir(), "-X", "stream", "-c", "fast", "--progress", "-d", conninfo); err != nil {
		return err
	}
	return WriteDurably(filepath.Join(h.newDir(), cloneMark), nil)
}

// errNoCloneAllowed is why the operator's setting leaves no way.
var errNoCloneAllowed = errors.New("\"pgraft.rejoin\" allows no clone")

// wayOut is the first half of what an operator does whose server is not started.
func (h *helper) wayOut() string {
	if errors.Is(h.noWay, errNoCloneAllowed) {
		return "set \"pgraft.rejoin\" to clone and start the server, or"
	}
	return "so"
}

// ways looks at what is possible now.
func (h *helper) ways() (w host.Ways, err error) {
	w.Failed, h.noWay = h.failed, nil
	if !h.Clone {
		h.noWay = errNoCloneAllowed
	} else if h.noWay, err = h.outside(); err != nil {
		return w, err
	}
	w.Clone = h.noWay == nil
	if h.marker.Stage >= host.StageRewinding {
		return w, nil
	}
	out, err := h.output("pg_controldata", "-D", h.DataDir)
	if err != nil {
		return w, err
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "wal_log_hints setting":
			w.Rewind = w.Rewind || value == "on"
		case "Data page checksum version":
			w.Rewind = w.Rewind || value != "0"
		}
	}
	return w, nil
}

// outside says which tablespaces keep a clone from being made: pg_basebackup would put it where they
// are, and the data of before would be lost. One that was cut short may have taken the links away: then
// the next one fails, and says so.
func (h *helper) outside() (why, err error) {
	spaces := filepath.Join(h.DataDir, "pg_tblspc")
	entries, err := os.ReadDir(spaces)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if e.Type() == fs.ModeSymlink {
			target, err := os.Readlink(filepath.Join(spaces, e.Name()))
			return fmt.Errorf("its tablespace in %s cannot be cloned by itself", target), err
		}
	}
	return nil, nil
}

// program runs a program of PostgreSQL's to its end, and logs what it prints but for how far it is.
func (h *helper) program(name string, args ...string) (string, error) {
	var out bytes.Buffer
	w := &printed{h: h, to: io.MultiWriter(&out, h.Log)}
	err := h.runs(w, name, args...)
	return out.String(), errors.Join(err, w.end())
}

// output is what one prints.
func (h *helper) output(name string, args ...string) (string, error) {
	var out bytes.Buffer
	err := h.runs(&out, name, args...)
	return out.String(), err
}

// runs has the data's lock held for as long as the program runs, which ends with this one.
func (h *helper) runs(w io.Writer, name string, args ...string) error {
	runtime.LockOSThread() // the parent, to Pdeathsig, is a thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command(filepath.Join(filepath.Dir(h.Postgres), name), args...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{h.lock.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGAPPNAME="+ownName)
	if name == "postgres" { // it takes the lock file of the server that it is run by, as pg_ctl has it
		cmd.Env = append(os.Environ(), fmt.Sprintf("PG_GRANDPARENT_PID=%d", os.Getppid()))
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	// Who ends pg_rewind leaves data that only a clone mends; the others begin anew, and may take hours.
	now := h.stops.any
	if name == "pg_rewind" {
		now = h.stops.now
	}
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return errors.Join(err, h.lock.keep())
		case <-tick.C:
			if err := h.lock.keep(); err != nil {
				h.say("%v", err)
			}
		case <-now:
			now = nil
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
				h.say("end %s: %v", name, err)
			}
		}
	}
}

// lock keeps others away from the data: a lock on the directory, which the programs that work
// on it inherit, and the server's lock file, which pg_ctl reads and pg_rewind removes.
type lock struct {
	dir  *os.File
	path string
	text []byte
}

const (
	lockLimit = 10 * time.Second
	lockEvery = 20 * time.Millisecond
	lockFile  = "postmaster.pid"
	// lockSuffix is of the lock file before it is renamed, beside the data directory.
	lockSuffix = ".pgraft_pid"
)

func lockData(dataDir string) (*lock, error) {
	l := &lock{path: filepath.Join(dataDir, lockFile)}
	var err error
	if l.text, err = os.ReadFile(l.path); err != nil {
		return nil, fmt.Errorf("the server's lock file: %w", err)
	}
	if l.dir, err = os.Open(dataDir); err != nil {
		return nil, err
	}
	for limit := time.Now().Add(lockLimit); ; time.Sleep(lockEvery) {
		err = syscall.Flock(int(l.dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return l, nil
		}
		if time.Now().After(limit) {
			return nil, fmt.Errorf("another process is making %s anew: %w", dataDir, err)
		}
	}
}

// keep writes the lock file anew if a program has removed it, or put its own in its place: a
// server that recovers alone does.
func (l *lock) keep() error {
	if text, err := os.ReadFile(l.path); err == nil && bytes.Equal(text, l.text) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := l.dir.Name() + lockSuffix // never by half in its place
	if err := os.WriteFile(fresh, l.text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, l.path)
}

// stops are the signals by which somebody stops the server, which the extension hands on. SIGQUIT waits
// for no program that runs, the others for pg_rewind.
type stops struct {
	signals chan os.Signal
	now     chan struct{} // closed at the first SIGQUIT
	any     chan struct{} // closed at the first signal
}

func catchStops() *stops {
	s := &stops{signals: make(chan os.Signal, 8), now: make(chan struct{}), any: make(chan struct{})}
	signal.Notify(s.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		quit, first := false, true
		for sig := range s.signals {
			if first {
				first = false
				close(s.any)
			}
			if sig == syscall.SIGQUIT && !quit {
				quit = true
				close(s.now)
			}
		}
	}()
	return s
}

func (s *stops) asked() bool {
	select {
	case <-s.any:
		return true
	default:
		return false
	}
}

// wait waits, unless somebody stops the server.
func (s *stops) wait(d time.Duration) error {
	select {
	case <-s.any:
		return errStopped
	case <-time.After(d):
		return nil
	}
}
