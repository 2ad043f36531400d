//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// A server that is process 1 of its namespace, as in a container, and that systemd waits for, comes
// back as any other: systemd hears that it is ready, and never that it stops before somebody stops
// it. Where the data directory is a mount point, or a program is not there that is needed, it does
// not, and says so: nothing is changed then, and the server stays.
func TestRejoinInContainer(t *testing.T) {
	told := listenAsSystemd(t)
	w := newWorld(t, rewinds)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	_, err := a.Diverge(w.ctx)
	must(t, err)
	next := w.acknowledged(200, b, c)

	stop := w.contained(a, told.name, fmt.Sprintf("mount --bind %s %[1]s", a.DataDir))
	w.untilLogged(a, "cannot be made anew: its data directory \""+a.DataDir+"\" is a mount point")
	stop()
	rewind := a.Install.BinDir + "/pg_rewind"
	stop = w.contained(a, told.name, "mount --bind /dev/null "+rewind)
	w.untilLogged(a, "cannot be made anew: could not execute the program \""+rewind+"\"")
	w.takesNoWrites(a)
	stop()
	if n := w.count(a, "pgraft rejoin:"); n > 0 {
		t.Errorf("the log has %d lines of a rejoin", n)
	}

	stopped, ready := told.count("STOPPING=1"), told.count("READY=1")
	stop = w.contained(a, told.name, "true")
	w.until(next, quorum, "2")
	w.acknowledged(100, next)
	w.stop()
	w.cameBack(a, next)
	w.logged(a, "pgraft rejoin: rewinds its data onto the primary")
	if pid := w.livePid(a); pid != 1 {
		t.Errorf("the server is process %d of its namespace", pid)
	}
	w.checks(next)
	w.checks(a)
	if n := told.count("STOPPING=1") - stopped; n != 0 {
		t.Errorf("systemd was told of %d stops: %q", n, told.all())
	}
	if n := told.count("READY=1") - ready; w.tellsSystemd() && n < 2 { // before its data was made anew, and after
		t.Errorf("systemd was told of %d starts: %q", n, told.all())
	}
	stop()
	if w.tellsSystemd() && told.count("STOPPING=1") == stopped {
		t.Errorf("systemd was not told of a stop: %q", told.all())
	}
}

// contained starts a server as process 1 of a namespace, after a command there. stop stops it, and
// waits for its end.
func (w *world) contained(s *pgcluster.Server, socket, first string) (stop func()) {
	w.t.Helper()
	log, err := os.OpenFile(s.LogPath, os.O_APPEND|os.O_WRONLY, 0)
	must(w.t, err)
	defer log.Close()
	script := "mount --make-rprivate / && mount -t proc proc /proc && " + first +
		" && exec setpriv --reuid postgres --regid postgres --clear-groups \"$@\""
	cmd := exec.Command("sh", "-c", script, "sh", s.Install.BinDir+"/postgres", "-D", s.DataDir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Setsid: true}
	must(w.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return func() {
		w.t.Helper()
		must(w.t, cmd.Process.Signal(syscall.SIGINT))
		select {
		case err := <-ended:
			must(w.t, err)
		case <-w.ctx.Done():
			w.t.Fatalf("node %d does not stop: %v", s.NodeID, errors.Join(w.ctx.Err(), cmd.Process.Kill()))
		}
	}
}

func (w *world) untilLogged(s *pgcluster.Server, text string) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("the log of node %d to have %q", s.NodeID, text), func(context.Context) error {
		if w.count(s, text) == 0 {
			return errors.New("it has not")
		}
		return nil
	}))
}

// Debian's layout has the settings outside the data directory, and programs of its own by which a
// server is started and stopped: it is rewound there, and cloned.
func TestRejoinOnDebian(t *testing.T) {
	w := newWorld(t, rewinds)
	a, b, c := w.cluster.Servers[0], w.cluster.Servers[1], w.cluster.Servers[2]
	w.until(a, quorum, "2")
	w.writes(4)
	w.acknowledged(200, a)
	_, err := a.Diverge(w.ctx)
	must(t, err)
	next := w.acknowledged(200, b, c)

	d := w.onDebian(a)
	d.starts()
	pid := w.livePid(a)
	w.until(next, quorum, "2")
	w.acknowledged(100, next)
	w.logged(a, "pgraft rejoin: rewinds its data onto the primary")
	if now := w.livePid(a); now != pid {
		t.Errorf("node 1 has process id %d, and was started with %d", now, pid)
	}
	d.does("pg_ctlcluster", "stop")

	w.ages(next, 1)
	d.does("pg_conftool", "set", "pgraft.rejoin", "clone")
	d.starts()
	w.until(next, quorum, "2")
	w.acknowledged(100, next)
	w.stop()
	w.cameBack(a, next)
	w.logged(a, "pgraft rejoin: clones the primary")
	for _, name := range []string{"postgresql.conf", "pg_hba.conf"} { // the source has these in its data directory
		if _, err := os.Lstat(a.File(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the data directory has %s: %v", name, err)
		}
	}
	w.checks(next)
	w.checks(a)
	d.does("pg_ctlcluster", "stop")
}

// debian is a server as Debian's programs know it, by version and name.
type debian struct {
	w             *world
	version, name string
}

// onDebian has Debian's programs take over a server that does not run.
func (w *world) onDebian(s *pgcluster.Server) debian {
	w.t.Helper()
	d := debian{w: w, version: strings.TrimSuffix(strings.TrimPrefix(s.Install.BinDir, "/usr/lib/postgresql/"), "/bin"), name: fmt.Sprintf("pgraft_test_%d_%d", os.Getpid(), s.Port)}
	if s.Install.BinDir != "/usr/lib/postgresql/"+d.version+"/bin" {
		w.t.Fatalf("the PostgreSQL in %s is not Debian's; run make failover-test PG=15", s.Install.BinDir)
	}
	d.does("pg_createcluster", "--datadir", s.DataDir, "--socketdir", s.File(".."), "--logfile", s.LogPath, "--port", fmt.Sprint(s.Port))
	w.t.Cleanup(func() { d.does("pg_dropcluster", "--stop") })
	return d
}

// starts starts the server. pg_ctlcluster looks at it for a few seconds, and says that it has failed
// where it restarts meanwhile: systemd does not heed that, and what is asked is whether it comes back.
func (d debian) starts() {
	if out, err := d.runs("pg_ctlcluster", "start"); err != nil {
		d.w.t.Logf("pg_ctlcluster start: %v\n%s", err, out)
	}
}

// does runs one of Debian's programs for the server.
func (d debian) does(program string, args ...string) {
	d.w.t.Helper()
	if out, err := d.runs(program, args...); err != nil {
		d.w.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

func (d debian) runs(program string, args ...string) ([]byte, error) {
	who := []string{d.version, d.name}
	switch program {
	case "pg_ctlcluster":
		args = slices.Concat([]string{"--skip-systemctl-redirect"}, who, args)
	case "pg_conftool":
		args = slices.Concat(who, args)
	default:
		args = slices.Concat(args, who)
	}
	return exec.Command(program, args...).CombinedOutput()
}

// A server joins under Debian's layout, as `pgraft join` has it in its examples: the configuration is
// outside the data directory, and pg_ctlcluster starts it.
func TestJoinOnDebian(t *testing.T) {
	w := newWorld(t, nil)
	a := w.cluster.Servers[0]
	w.until(a, quorum, "2")
	s := w.empty()
	d := w.onDebian(s)
	must(t, os.RemoveAll(s.DataDir))
	config := fmt.Sprintf("/etc/postgresql/%s/%s/postgresql.conf", d.version, d.name)
	out, err := w.join(s, a, "--config-file", config, "--start", fmt.Sprintf("pg_ctlcluster --skip-systemctl-redirect %s %s start", d.version, d.name))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.until(a, quorum, "3")
	w.until(s, "SELECT current_setting('config_file') || ' ' || current_setting('pgraft.node_id')", config+" 4")
	d.does("pg_ctlcluster", "restart")
	w.until(a, quorum, "3")
	w.do(a, "SELECT pgraft_switchover(4)")
	w.until(s, "SELECT pgraft_get_primary()", "4")
	d.does("pg_ctlcluster", "stop")
}
