//go:build integration

package facts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// A 27: a clone whose WAL ends before the end of its backup, once booted, has no
// backup_label any more: only pg_control still names the start of a backup. It runs as a
// standby that is never consistent, and ends at its promotion. So a member whose
// pg_control says so makes no report.
func cloneCutShort(w *world) {
	a, b := w.a, w.standby("B", nil)
	w.start(a)
	a.sql("INSERT INTO t SELECT generate_series(1, 1000)")
	a.sql("SELECT pg_backup_start('clone', fast => true)")
	must(w.t, os.RemoveAll(b.DataDir))
	if out, err := exec.CommandContext(w.ctx, "cp", "-a", a.DataDir, b.DataDir).CombinedOutput(); err != nil {
		w.t.Fatalf("copy A: %v: %s", err, out)
	}
	label := a.sql("SELECT labelfile FROM pg_backup_stop()")
	b.remove("postmaster.pid")
	b.put("backup_label", []byte(label))
	must(w.t, b.Set(nil)) // it has A's settings

	// Of WAL it has got the checkpoint's record and no more.
	m := regexp.MustCompile(`START WAL LOCATION: (\S+)[^\n]*\nCHECKPOINT LOCATION: (\S+)`).FindStringSubmatch(label)
	if m == nil {
		w.t.Fatalf("a backup_label of %q", label)
	}
	redo, err := parseLSN(m[1])
	must(w.t, err)
	checkpoint, err := parseLSN(m[2])
	must(w.t, err)
	records, _ := a.records(1, checkpoint)
	if len(records) == 0 || !records[0].is(checkpointOnline) {
		w.t.Fatalf("the backup's checkpoint at %s is %+v", checkpoint, records)
	}
	b.putWAL(a, 1, redo, records[0].end)

	b.startStuck("invalid record length")
	if b.has("backup_label") || !b.has("backup_label.old") {
		w.t.Errorf("after a boot backup_label is there: %v, backup_label.old: %v; want the second only", b.has("backup_label"), b.has("backup_label.old"))
	}
	b.die()
	if start := b.controlData("Backup start location"); start == "0/0" {
		w.t.Error("pg_control names no start of a backup")
	}
	b.startStuck("invalid record length")
	b.put("promote", nil)
	b.signalPostmaster(syscall.SIGUSR1)
	b.ended()
	if log := b.log(0); !strings.Contains(log, "FATAL:  WAL ends before end of online backup") {
		w.t.Error("B's log does not say that its WAL ends too early")
	}
}

// controlData is what pg_control says of the stopped server; empty where PostgreSQL
// comes without pg_controldata.
func (s *server) controlData(name string) string {
	s.w.t.Helper()
	program := filepath.Join(s.w.pg.install.BinDir, "pg_controldata")
	if _, err := exec.LookPath(program); err != nil {
		s.w.t.Logf("%s comes without pg_controldata", s.w.pg.install.Version)
		return ""
	}
	cmd := exec.CommandContext(s.w.ctx, program, s.DataDir)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	must(s.w.t, err)
	m := regexp.MustCompile(`(?m)^` + name + `: +(.*)$`).FindStringSubmatch(string(out))
	if m == nil {
		s.w.t.Fatalf("pg_controldata says no %q:\n%s", name, out)
	}
	return m[1]
}
