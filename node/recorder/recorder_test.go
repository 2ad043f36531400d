package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
)

// The ring stays within its bound, and its files replay: each alone, and one
// after the other, over the end of a process too.
func TestRing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	const size = 1_600_000
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: size})
	h.boot()
	h.propose(1800, strings.Repeat("x", 1000))
	first := files(t, dir)
	if len(first) < 3 || filepath.Base(first[0]) == fmt.Sprintf(nameFormat, 1) {
		t.Fatalf("the ring did not go round: %v", first)
	}
	for _, f := range first {
		if p := play(t, f); p.inputs == 0 || p.Restored != 1 {
			t.Errorf("%s alone: %d inputs, restored %d times", f, p.inputs, p.Restored)
		}
	}
	p := play(t, first...)
	if p.inputs < 500 {
		t.Errorf("the ring holds %d inputs", p.inputs)
	}
	if p.Restored != 1 || p.Checkpoints != len(first)-1 || len(p.Gaps) > 0 || p.bytes > size {
		t.Errorf("%d restored, %d checkpoints, gaps %v, %d bytes in %v", p.Restored, p.Checkpoints, p.Gaps, p.bytes, first)
	}
	// The process is killed: nothing is closed. The next one goes on.
	again := open(t, dir, Settings{Mode: Ring, MaxBytes: size})
	again.now = h.now.Add(time.Hour)
	again.boot()
	again.propose(20, "after the restart")
	again.rec.Close("the test ends")
	second := files(t, dir)
	if second[len(second)-2] != first[len(first)-1] {
		t.Errorf("the last file of before, %s, is not there any more: %v", first[len(first)-1], second)
	}
	if p := play(t, second...); p.bootFiles != 1 || p.cut > 1 || p.bytes > size {
		t.Errorf("%d starts, %d cut, %d bytes", p.bootFiles, p.cut, p.bytes)
	}
}

func TestFullKeepsAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Full})
	h.boot()
	h.propose(1500, strings.Repeat("x", 100))
	h.rec.Close("the test ends")
	l := files(t, dir)
	if p := play(t, l...); p.bootFiles != 1 || p.Restored != 0 || uint64(p.inputs) != p.Seq() {
		t.Errorf("%d starts, %d restored, %d inputs of %d", p.bootFiles, p.Restored, p.inputs, p.Seq())
	}
}

// What a panic was about is in the trace that is put aside, and replays to the
// same panic.
func TestCrash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	for i := range maxKept + 2 {
		h.now = h.now.Add(time.Hour)
		h.boot()
		h.propose(30, "x")
		func() {
			defer func() { h.rec.Crashed(fmt.Sprint(recover())) }()
			h.toDo = nil
			h.do(core.Persisted{Seq: 1 << 40})
		}()
		h.toDo = nil
		kept, err := filepath.Glob(filepath.Join(dir, keptPrefix+"*"))
		if err != nil || len(kept) != min(i+1, maxKept) {
			t.Fatalf("kept %v, %v", kept, err)
		}
		slices.Sort(kept)
		p := play(t, files(t, kept[len(kept)-1])...)
		if !strings.Contains(p.panicked, "persisted 1099511627776") || len(p.notes) != i+1 || !strings.Contains(p.notes[i], "panic: persisted 1099511627776") {
			t.Errorf("the replay panics with %q, notes %q", p.panicked, p.notes)
		}
	}
	if !strings.Contains(h.log.String(), keptPrefix) {
		t.Errorf("the log does not say where: %s", h.log)
	}
}

// What goes wrong beside the core puts the ring aside, once more each time, and
// the recorder goes on. After a panic of the core there is nothing to add.
func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	if where := h.rec.Keep("fault", "too early"); where != "" {
		t.Errorf("kept %s before there was anything", where)
	}
	h.boot()
	h.propose(30, "x")
	seq := h.rec.tr.Seq()
	where := h.rec.Keep("fault", "the disk fails")
	kept := files(t, where)
	if p := play(t, kept...); p.Seq() != seq || len(p.notes) != 1 || !strings.Contains(p.notes[0], "fault: the disk fails") {
		t.Errorf("kept %d of %d inputs, notes %q", p.Seq(), seq, p.notes)
	}
	h.propose(30, "y")
	// In the middle of a step, which has no output yet.
	h.rec.Input(core.Tick{})
	h.now = h.now.Add(time.Second)
	if h.rec.Keep("panic", "somewhere else") == "" {
		t.Error("kept nothing during a step")
	}
	h.rec.Output(h.core.Step(core.Tick{}))
	h.rec.Close("the test ends")
	if p := play(t, files(t, dir)...); p.Seq() != h.rec.tr.Seq() || len(p.notes) != 2 || p.panicked != "" {
		t.Errorf("%d of %d inputs, notes %q, panic %q", p.Seq(), h.rec.tr.Seq(), p.notes, p.panicked)
	}
	h.boot()
	before := len(files(t, dir))
	crashed := h.rec.Crashed("the core panics")
	if crashed == "" || h.rec.Keep("panic", "the goroutine that had it") != "" {
		t.Error("kept twice")
	}
	if now := files(t, dir); len(now) != before {
		t.Errorf("%d files, there were %d", len(now), before)
	}
}

// Save copies what there is, the file that is being written too, and the
// recorder goes on.
func TestSave(t *testing.T) {
	top := t.TempDir()
	dir, saved := filepath.Join(top, "trace"), filepath.Join(top, "a", "b")
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	if _, err := h.rec.Save(saved); !errors.Is(err, ErrEmpty) {
		t.Fatalf("before the start: %v", err)
	}
	h.boot()
	h.propose(100, "before")
	n, err := h.rec.Save(saved)
	if err != nil {
		t.Fatal(err)
	}
	seq := h.rec.tr.Seq()
	h.propose(100, "after")
	if p := play(t, files(t, saved)...); p.bytes != n || p.Seq() != seq || p.cut > 0 {
		t.Errorf("%d bytes and %d inputs in %s, want %d and %d", p.bytes, p.Seq(), saved, n, seq)
	}
	if _, err := h.rec.Save(saved); !errors.Is(err, os.ErrExist) {
		t.Errorf("over what is there: %v", err)
	}
	// What cannot be made leaves nothing behind.
	aFile := files(t, saved)[0]
	for _, bad := range []string{filepath.Join(top, "new", "deep", strings.Repeat("x", 300)), filepath.Join(aFile, "x"), filepath.Join(aFile, "x", "y")} {
		if _, err := h.rec.Save(bad); err == nil || errors.Is(err, ErrEmpty) {
			t.Errorf("save to %s: %v", bad, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(top, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was left behind: %v", err)
	}
	if info, err := os.Stat(aFile); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%s: %v, %v", aFile, info, err)
	}
	h.rec.Close("the test ends")
	if p := play(t, files(t, dir)...); p.Seq() != h.rec.tr.Seq() {
		t.Errorf("%d inputs, want %d", p.Seq(), h.rec.tr.Seq())
	}
}

// Settings change while it runs: off and on, whole and redacted. What is
// redacted holds no user data, and replays.
func TestSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	ring := Settings{Mode: Ring, MaxBytes: 1 << 20}
	h := open(t, dir, Settings{})
	h.boot()
	h.propose(10, "while off")
	if l := files(t, dir); len(l) > 0 {
		t.Fatalf("off, but %v", l)
	}
	h.rec.Set(ring)
	h.propose(10, "while on")
	h.rec.Set(Settings{Mode: Ring, MaxBytes: 1 << 20, Redact: true})
	h.propose(200, "this must not be seen by anybody")
	h.rec.Set(Settings{})
	h.propose(10, "while off again")
	h.rec.Set(Settings{Mode: Full, Redact: true})
	h.propose(10, "this must not be seen by anybody")
	h.rec.Close("the test ends")
	l := files(t, dir)
	p := play(t, l...)
	if len(l) != 3 || p.redacted != 2 || len(p.Gaps) != 1 || p.Restored != 3 {
		t.Errorf("files %v, %d redacted, gaps %v, restored %d", l, p.redacted, p.Gaps, p.Restored)
	}
	seen := 0
	for _, f := range l {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("not be seen")) {
			t.Errorf("%s shows what it should not", f)
		}
		seen += bytes.Count(b, []byte("while on"))
	}
	if seen == 0 {
		t.Error("the plain trace does not hold the data")
	}
}

func TestStand(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 33, 1000} {
		a, b := bytes.Repeat([]byte("a"), n), bytes.Repeat([]byte("b"), n)
		of := func(b []byte) []byte {
			b = bytes.Clone(b)
			stand(b)
			return b
		}
		if x := of(a); !bytes.Equal(x, of(a)) || n > 0 && bytes.Equal(x, a) || n > 8 && bytes.Equal(x, of(b)) {
			t.Errorf("%d bytes: %x", n, x)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []Settings{{Mode: 7}, {Mode: Off - 1}, {Mode: Ring, MaxBytes: MinBytes - 1}} {
		if s.Validate() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
	for _, s := range []Settings{{}, {Mode: Full}, {Mode: Ring, MaxBytes: MinBytes}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// However large the state, a ring never holds next to nothing: the file before
// stays until the newest one has inputs enough. A state that leaves no room for
// that turns the recorder off, and says so.
func TestLargeState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	h.tail, h.marks = 100_000, 2000
	h.boot()
	least := 1 << 30
	for i := range 100 {
		h.propose(20, strings.Repeat("x", 500))
		if i < 40 || i%5 != 0 {
			continue
		}
		if h.rec.Off() != nil {
			t.Fatal(h.rec.Off())
		}
		p := play(t, files(t, dir)...)
		if least = min(least, p.inputs); p.bytes > 1<<20 {
			t.Errorf("%d bytes in the ring", p.bytes)
		}
	}
	if least < 100 {
		t.Errorf("the ring held %d inputs once", least)
	}
	h.rec.Set(Settings{Mode: Ring, MaxBytes: 200_000})
	h.propose(2000, strings.Repeat("x", 500))
	if h.rec.Off() == nil || !strings.Contains(h.rec.Off().Error(), "too many for a ring of 200000") {
		t.Errorf("off: %v", h.rec.Off())
	}
}

func checkpointBytes(c *core.Core) int {
	b, err := c.Checkpoint()
	if err != nil {
		return 0
	}
	return len(b)
}

// However large entries are, the state of a core takes no more of a ring; when it
// would be too large by itself, only the first bytes of all entries are recorded
// until it is smaller. All of it replays.
func TestLargeEntries(t *testing.T) {
	for _, c := range []struct{ bytes, n int }{{16 << 20, 8}, {1 << 20, 40}, {4 << 10, 3000}} {
		dir := filepath.Join(t.TempDir(), "trace")
		h := open(t, dir, Settings{Mode: Ring, MaxBytes: MinBytes})
		h.tail, h.marks, h.entry = 8<<20, 10_000, c.bytes
		h.boot()
		h.propose(c.n, strings.Repeat("x", c.bytes))
		h.rec.Set(Settings{Mode: Off})
		h.rec.Set(Settings{Mode: Ring, MaxBytes: MinBytes}) // begins with a checkpoint
		h.propose(10, "x")
		h.rec.Close("the test ends")
		l := files(t, dir)
		p := play(t, l...)
		if h.rec.Off() != nil || len(l) != 2 || p.Checkpoints != 1 || uint64(p.inputs) != p.Seq() || p.bytes > int64(c.n)*2*dataBytes+1<<20 {
			t.Errorf("%d bytes: off: %v; %d bytes in %v, %d checkpoints, %d inputs of %d", c.bytes, h.rec.Off(), p.bytes, l, p.Checkpoints, p.inputs, p.Seq())
		}
		if play(t, l[1]).Restored != 1 {
			t.Errorf("%d bytes: the second file alone does not replay", c.bytes)
		}
	}
	dir := filepath.Join(t.TempDir(), "trace")
	h := open(t, dir, Settings{Mode: Ring, MaxBytes: MinBytes})
	h.boot()
	h.stuck = true // as much as a leader takes: none of it is on a disk
	h.propose(100, strings.Repeat("x", 1<<20))
	h.rec.Set(Settings{Mode: Off})
	h.rec.Set(Settings{Mode: Ring, MaxBytes: MinBytes})
	h.tick()
	if size := checkpointBytes(h.core); h.rec.Off() != nil || size < 30<<20 {
		t.Errorf("a state of %d bytes: off: %v", size, h.rec.Off())
	}
	dir = filepath.Join(t.TempDir(), "trace")
	h = open(t, dir, Settings{Mode: Ring, MaxBytes: 1 << 20})
	h.tail, h.marks = 600_000, 2000
	h.boot()
	h.propose(2000, strings.Repeat("x", 500))
	cuts := map[uint64]int{}
	look := func() {
		h.tick()
		l := files(t, dir)
		cuts[play(t, l...).header.Cut]++
		if play(t, l[len(l)-1]).inputs == 0 {
			t.Errorf("%s alone has no inputs", l[len(l)-1])
		}
	}
	look()
	h.rec.Set(Settings{Mode: Ring, MaxBytes: 2 << 20})
	for range 10 {
		h.propose(500, "y")
		look()
	}
	h.rec.Close("the test ends")
	if h.log.Len() > 0 || cuts[leastDataBytes] == 0 || cuts[dataBytes] == 0 {
		t.Errorf("files by how much of the data they have: %v; log: %s", cuts, h.log)
	}
}
