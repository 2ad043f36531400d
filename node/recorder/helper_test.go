package recorder

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain/retaintest"
	"github.com/pgraft/pgraft/core/trace"
)

// host is a cluster of one node, under a recorder.
type host struct {
	retaintest.None
	t     testing.TB
	rec   *Recorder
	log   *bytes.Buffer
	now   time.Time
	core  *core.Core
	toDo  []core.Input
	asked uint64
	tail  uint64 // Config.MaxTailBytes
	marks uint64 // Config.SnapshotEntries
	entry int    // Config.MaxEntryBytes
	stuck bool   // the disk
}

func open(t testing.TB, dir string, s Settings) *host {
	h := &host{t: t, log: &bytes.Buffer{}, now: time.Unix(1e9, 0), tail: 1 << 12, marks: 50, entry: 1 << 20}
	h.rec = Open(dir, s, slog.New(slog.NewTextHandler(h.log, nil)), func(f func()) { f() }) // at once
	h.rec.now = func() time.Time { return h.now }
	return h
}

func (h *host) boot() {
	h.t.Helper()
	id := core.Identity{ClusterID: "test", NodeID: 1, ClusterUUID: [16]byte{1}, RaftID: core.RaftID(1, 1)}
	cfg := core.Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, Seed: uint64(h.now.UnixNano()), SnapshotEntries: h.marks, MaxEntryBytes: h.entry, MaxTailBytes: h.tail}
	d := core.Bootstrap(id, "h", 1, core.OldestVersion)
	c, err := core.New(cfg, d)
	if err != nil {
		h.t.Fatal(err)
	}
	h.core = c
	h.rec.Boot(c, cfg, d)
	for range 3 {
		h.tick()
	}
	if h.core.Status().Role != core.RoleLeader {
		h.t.Fatalf("%+v", h.core.Status())
	}
}

func (h *host) tick() {
	h.now = h.now.Add(100 * time.Millisecond)
	h.do(core.Tick{})
}

func (h *host) do(in core.Input) {
	h.toDo = append(h.toDo, in)
	for len(h.toDo) > 0 {
		in := h.toDo[0]
		h.toDo = h.toDo[1:]
		core.Perform(h.core, in, h)
	}
}

func (h *host) propose(n int, data string) {
	for range n {
		h.asked++
		h.do(core.Propose{ID: h.asked, RequestID: [16]byte{byte(h.asked), byte(h.asked >> 8), 1}, Data: []byte(data)})
		if h.asked%20 == 0 {
			h.tick()
		}
	}
}

func (h *host) RecordInput(in core.Input) { h.rec.Input(in) }

func (h *host) RecordOutput(out core.Output) { h.rec.Output(out) }

func (h *host) Clock() *core.Clock         { return nil }
func (*host) Failover(core.FailoverOutput) { panic("failover is on nowhere") }
func (h *host) Publish(core.Status, int64) {}
func (h *host) Removed()                   {}

func (h *host) Send(core.Send) {}

func (h *host) Reply(core.Reply) {}

func (h *host) Event(core.Event) {}

func (h *host) MembersChanged(core.Members) {}

func (h *host) Persist(b []core.Persist) {
	if h.stuck {
		return
	}
	h.toDo = append(h.toDo, core.Persisted{Seq: b[len(b)-1].Seq})
}

func (h *host) Apply([]core.Apply) (taken bool) { return true }

// files are the trace's, oldest first.
func files(t *testing.T, dir string) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(l)
	return l
}

type played struct {
	trace.Player
	inputs    int
	cut       int
	notes     []string
	panicked  string
	redacted  int // files
	bytes     int64
	bootFiles int
	header    trace.Header // of the last file
}

// play replays files and fails the test at the first difference.
func play(t *testing.T, paths ...string) *played {
	t.Helper()
	p := &played{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p.bytes += int64(len(b))
		r := trace.NewReader(b)
		for f, ok := r.Next(); ok; f, ok = r.Next() {
			step, err := p.Play(f)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			switch f := f.(type) {
			case *trace.Note:
				p.notes = append(p.notes, f.Class+": "+f.Text)
			case *trace.Boot:
				p.bootFiles++
			case *trace.Header:
				p.header = *f
				if f.Redacted {
					p.redacted++
				}
			}
			if step == nil {
				continue
			}
			if p.inputs++; !step.Same() {
				t.Fatalf("%s: input %d %T %+v is another", path, p.Seq(), step.Input, step.Input)
			}
			p.panicked = step.Panic
		}
		var damage *trace.DamageError
		if err := r.Err(); errors.As(err, &damage) && damage.Cut {
			p.cut++
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return p
}
