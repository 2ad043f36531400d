package recorder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tight is a disk that can be full.
type tight struct {
	file
	room *int // bytes
}

func (f tight) Write(b []byte) (int, error) {
	n := min(len(b), *f.room)
	*f.room -= n
	if n < len(b) {
		_, err := f.file.Write(b[:n])
		return n, errors.Join(err, syscall.ENOSPC)
	}
	return f.file.Write(b)
}

// A full disk turns the recorder off, once in the log, and on again, with a
// checkpoint. The node notices nothing.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	room := 20_000
	plain := h.rec.ring.open
	h.rec.ring.open = func(path string) (file, error) {
		f, err := plain(path)
		return tight{f, &room}, err
	}
	h.boot()
	h.propose(200, strings.Repeat("x", 100))
	if h.rec.Off() == nil || !errors.Is(h.rec.Off(), syscall.ENOSPC) {
		t.Fatalf("off: %v", h.rec.Off())
	}
	for range 500 { // several tries
		h.tick()
	}
	if n := strings.Count(h.log.String(), "the flight recorder is off"); n != 1 {
		t.Errorf("%d log lines: %s", n, h.log)
	}
	room = 1 << 20
	for range 150 {
		h.tick()
	}
	if h.rec.Off() != nil || !strings.Contains(h.log.String(), "records again") {
		t.Fatalf("off still: %v\n%s", h.rec.Off(), h.log)
	}
	h.propose(50, "there is room again")
	h.rec.Close("the test ends")
	// Nothing is left of the tries.
	if l := files(t, dir); len(l) != 2 {
		t.Errorf("files %v", l)
	}
	p := play(t, files(t, dir)...)
	if len(p.Gaps) != 1 || p.Gaps[0].Last < p.Gaps[0].First+500 || p.Restored != 1 {
		t.Errorf("gaps %v, restored %d", p.Gaps, p.Restored)
	}
}

// stuck is a disk that takes nothing until it is let go.
type stuck struct {
	file
	arrived chan<- struct{}
	letGo   <-chan struct{}
}

func (f stuck) Write(b []byte) (int, error) {
	select {
	case f.arrived <- struct{}{}:
	default:
	}
	<-f.letGo
	return f.file.Write(b)
}

// A disk that hangs holds up nobody: the core goes on, and so does one who wants
// the trace saved or put aside, without it. Too much that waits turns the recorder
// off, until the disk is back.
func TestDiskHangs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Full})
	arrived, letGo := make(chan struct{}, 1), make(chan struct{})
	plain := h.rec.ring.open
	h.rec.ring.start, h.rec.ring.patience = func(f func()) { go f() }, 10*time.Millisecond
	h.rec.ring.open = func(path string) (file, error) {
		f, err := plain(path)
		return stuck{f, arrived, letGo}, err
	}
	h.boot()
	<-arrived
	h.rec.ring.most = 1 << 20
	data := strings.Repeat("x", dataBytes)
	for range 2 * h.rec.ring.most / dataBytes / 20 {
		h.propose(20, data)
	}
	for range 200 { // over the bound, and several tries that find it still hanging
		h.tick()
	}
	if err := h.rec.Off(); err == nil || !strings.Contains(err.Error(), "wait for "+dir) {
		t.Errorf("off: %v", err)
	}
	if n := strings.Count(h.log.String(), "the flight recorder is off"); n != 1 {
		t.Errorf("%d log lines: %s", n, h.log)
	}
	if _, err := h.rec.Save(filepath.Join(t.TempDir(), "saved")); err == nil || !strings.Contains(err.Error(), "takes nothing") {
		t.Errorf("save: %v", err)
	}
	if where := h.rec.Keep("fault", "the disk hangs"); where != "" || !strings.Contains(h.log.String(), "could not be put aside") {
		t.Errorf("kept in %q: %s", where, h.log)
	}
	close(letGo)
	h.rec.ring.patience = patience
	if !h.rec.ring.wait() {
		t.Fatal("the disk is back, and what waited was not written")
	}
	for range 150 {
		h.tick()
	}
	h.propose(10, "the disk is back")
	if !h.rec.ring.wait() {
		t.Fatal("the recorder did not go on")
	}
	h.tick()
	h.rec.Close("the test ends")
	if h.rec.Off() != nil || !strings.Contains(h.log.String(), "records again") {
		t.Errorf("off: %v, %s", h.rec.Off(), h.log)
	}
	if p := play(t, files(t, dir)...); len(p.Gaps) != 1 || p.Seq() != h.rec.tr.Seq() {
		t.Errorf("gaps %v, %d inputs of %d", p.Gaps, p.Seq(), h.rec.tr.Seq())
	}
}

// A directory that cannot be made is the same.
func TestNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file", "trace")
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	h.boot()
	h.propose(10, "x")
	if h.rec.Off() == nil || h.core.Status().Commit < 10 {
		t.Fatalf("off: %v, %+v", h.rec.Off(), h.core.Status())
	}
	if _, err := h.rec.Save(filepath.Join(t.TempDir(), "saved")); err == nil {
		t.Error("saved something")
	}
	if err := errors.Join(os.Remove(filepath.Dir(dir)), os.Mkdir(filepath.Dir(dir), 0o700)); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(retryAfter)
	h.propose(10, "y")
	if h.rec.Off() != nil {
		t.Errorf("off still: %v", h.rec.Off())
	}
}
