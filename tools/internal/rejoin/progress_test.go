package rejoin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a program prints of how far it is goes to the file for who asks, and all else to the log, however
// it comes in pieces. A new step begins anew; since when the whole goes on outlives the process.
func TestProgress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var log, out bytes.Buffer
	h := &helper{Options: Options{Log: &log}, named: dir}
	h.starts()
	began := h.progress.Began
	h.does(Clones, "10.0.0.2:5432", nil)
	w := &printed{h: h, to: &out}
	h.shown = time.Time{}
	for _, text := range []string{"waiting\n    0/2048", "00 kB (0%), 0/1 table", "space\r102400/204800 kB (50%), 0/1 tablespace\nerror: it", " fails"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%d of %q, %v", n, text, err)
		}
	}
	if err := w.end(); err != nil || out.String() != "waiting\nerror: it fails" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
	h.shows()
	p, err := readProgress(dir)
	if err != nil || p.PID != os.Getpid() || p.Step != Clones || p.Source != "10.0.0.2:5432" || p.Done != 100<<20 || p.Total != 200<<20 || !p.Began.Equal(began) {
		t.Errorf("the file says %+v, %v", p, err)
	}
	want := "its data is being made anew since " + at(began) + ": pg_basebackup of the primary at 10.0.0.2:5432 since " + at(p.Since) + ", 100 of 200 MB"
	if p.String() != want {
		t.Errorf("it says\n%s\nwant\n%s", p, want)
	}
	next := &helper{Options: Options{Log: &log}, named: dir}
	next.starts()
	next.does(Waits, "", os.ErrDeadlineExceeded)
	if p, err = readProgress(dir); err != nil || !p.Began.Equal(began) || p.Total != 0 || !strings.HasSuffix(p.String(), ": i/o timeout") {
		t.Errorf("the next one says %+v, %v", p, err)
	}
	if log.Len() > 0 {
		t.Errorf("it logs %s", log.String())
	}
}

// A rejoin is found by the port in the lock file of the server whose data it makes anew.
func TestLocal(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockFile), []byte("123\n/data\n1700000000\n5433\n/run\n127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if port, err := lockedPort(dir); port != 5433 || err != nil {
		t.Errorf("port %d, %v", port, err)
	}
	for name, here := range map[string]bool{"": true, "/var/run/postgresql": true, "127.0.0.1": true, "localhost": true, "192.0.2.1": false} {
		if isHere(name) != here {
			t.Errorf("%q is here: %v", name, !here)
		}
	}
	if p, err := Local("192.0.2.1", 5433); p != nil || err != nil {
		t.Errorf("on another machine there is %+v, %v", p, err)
	}
}
