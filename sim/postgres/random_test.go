package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// wild is a lab in which anything is done to the servers at any time. Each promotion has
// a timeline number of its own, and every boot is a standby's: then the bytes at an LSN of
// a timeline are the same wherever they are.
type wild struct {
	*lab
	tli     TLI
	results []*result
	did     map[string]int
	fatal   map[string]int
}

func newWild(t *testing.T, seed uint64) *wild {
	w := &wild{lab: newLab(t, seed, 3, Config{
		SenderTimeout: 2 * time.Second, ReceiverTimeout: 2 * time.Second, RetryInterval: 300 * time.Millisecond,
		StatusInterval: time.Second, MaxSend: 4 * PageBytes, RecycleSegments: 1, KeepSegments: 3, Archive: seed%2 == 0,
	}), tli: 1, did: map[string]int{}, fatal: map[string]int{}}
	for id := 1; id <= 3; id++ {
		s := w.s[id]
		s.Hooks.Boot = func() { w.boot(s) }
		s.Hooks.PreCommit = func(*Session) Verdict { return Verdict(max(0, w.random.IntN(8)-5)) }
		s.SetConninfo(Conninfo{Primary: 1 + id%3, Name: name(id)})
		s.Start()
	}
	return w
}

// boot is what a library does at a boot: a standby, without history files that nothing
// came of.
func (w *wild) boot(s *Server) {
	s.CreateStandbySignal()
	s.RemovePromote()
	last := s.LastTimeline()
	for _, h := range slices.Clone(s.Histories()) {
		if h.TLI > last {
			s.RemoveHistory(h.TLI)
		}
	}
}

// act does one thing to one server.
func (w *wild) act() {
	s := w.s[1+w.random.IntN(3)]
	other := 1 + w.random.IntN(3)
	way := [2]int{s.ID(), other}
	acts := []struct {
		name   string
		weight int
		f      func()
	}{
		{"commit", 24, func() { w.write(s) }},
		{"long record", 3, func() { s.Internal(Logical, 1+w.random.IntN(3*SegmentBytes)); s.Flush() }},
		{"internal", 2, func() { s.Internal(RunningXacts, 50) }},
		{"switch", 2, func() { s.Internal(Switch, 0) }},
		{"checkpoint", 3, func() { s.Checkpoint(nil) }},
		{"kill", 1, func() { w.kill(s, false) }},
		{"power", 1, func() { w.kill(s, true) }},
		{"restart", 1, func() { s.CrashRestart() }},
		{"start", 5, func() { s.Start() }},
		{"stop", 1, func() { s.FastStop(nil) }},
		{"freeze", 1, s.Freeze},
		{"thaw", 3, s.Thaw},
		{"cut", 1, func() { w.cut[way] = true }},
		{"heal", 2, func() { clear(w.cut) }},
		{"seal", 1, func() { s.Seal(func(Position) {}) }},
		{"follow", 3, func() { s.Follow(Conninfo{Primary: other, Name: name(s.ID())}) }},
		{"promote", 4, func() { w.promoteNew(s) }},
		{"names", 2, func() { s.SetNames(Names{1, []string{name(other)}}) }},
		{"no names", 2, func() { s.SetNames(Names{}) }},
		{"pause", 1, func() { s.PauseReplay(true) }},
		{"resume", 2, func() { s.PauseReplay(false) }},
		{"interrupt", 2, func() { w.interrupt(s) }},
	}
	sum := 0
	for _, a := range acts {
		sum += a.weight
	}
	n := w.random.IntN(sum)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			w.did[a.name]++
			a.f()
			return
		}
	}
}

func (w *wild) interrupt(s *Server) {
	for _, o := range slices.Clone(s.Sessions()) {
		if w.random.IntN(2) == 0 {
			o.Cancel()
		} else {
			o.Terminate()
		}
	}
}

func (w *wild) write(s *Server) {
	o := s.Connect()
	if o == nil {
		return
	}
	w.txn++
	r := &result{o: o, txn: w.txn}
	if o.Write(r.txn, 1+w.random.IntN(3000)) {
		o.Commit(r.done(w.lab))
		w.results = append(w.results, r)
	}
}

func (w *wild) promoteNew(s *Server) {
	if s.InRecovery() && !s.frozen && !s.startup.promote {
		w.tli++
		if s.disk.wal.newest(s.startup.target) < w.tli {
			s.PromoteTo(w.tli)
		}
	}
}

// kill ends a server; what was flushed on it must be there at the next start.
func (w *wild) kill(s *Server, power bool) {
	if s.Phase() != Production {
		s.Kill(power)
		return
	}
	end, tli := s.Flushed(), s.Timeline()
	var rows []Row
	for _, r := range s.Rows() {
		if r.End <= end {
			rows = append(rows, r)
		}
	}
	s.Kill(power)
	conn := s.Conninfo()
	s.SetConninfo(Conninfo{})
	s.Start()
	w.wait("recovery", s.Reads)
	w.run(time.Second)
	if s.Timeline() != tli || len(s.Rows()) < len(rows) || !slices.Equal(s.Rows()[:len(rows)], rows) {
		w.t.Errorf("%v: server %d flushed %v on %d with %d rows; after a crash, timeline %d at %v, %d rows", w.now, s.ID(), end, tli, len(rows), s.Timeline(), s.Replayed(), len(s.Rows()))
	}
	s.SetConninfo(conn)
}

// clone puts another server's disk in place of one that does not start.
func (w *wild) clone(s *Server) {
	s.Restore(w.s[1+s.ID()%3].Image())
	s.SetConninfo(Conninfo{Primary: 1 + s.ID()%3, Name: name(s.ID())})
	s.Start()
}

// check looks at all WAL files and databases.
func (w *wild) check() {
	w.t.Helper()
	for _, s := range w.s[1:] {
		for i := range s.disk.wal.files {
			f := &s.disk.wal.files[i]
			if i > 0 && s.disk.wal.files[i-1].compare(f.no, f.tli, f.partial) >= 0 {
				w.t.Fatalf("%v: server %d: files are not in order", w.now, s.ID())
			}
			for j, p := range f.parts {
				if p.from >= p.to || p.from.segment() != f.no || (p.to-1).segment() != f.no || j > 0 && f.parts[j-1].to > p.from {
					w.t.Fatalf("%v: server %d: file %d/%d: %+v", w.now, s.ID(), f.tli, f.no, f.parts)
				}
			}
		}
		if !slices.IsSortedFunc(s.Rows(), func(a, b Row) int { return int(a.End) - int(b.End) }) {
			w.t.Fatalf("%v: server %d: rows %v", w.now, s.ID(), s.Rows())
		}
	}
}

// same says that the bytes of a timeline are the same on all servers.
func (w *wild) same() {
	w.t.Helper()
	for _, s := range w.s[1:] {
		for i := range s.disk.wal.files {
			f := &s.disk.wal.files[i]
			for _, p := range f.parts {
				if s.wal.on && f.tli == s.wal.tli && p.to > s.wal.flushed {
					continue
				}
				for _, o := range w.s[s.ID()+1:] {
					g := o.disk.wal.find(f.tli, f.no)
					if g == nil {
						continue
					}
					if q := g.at(p.from); q.to != 0 && p.rec.Kind == Commit {
						w.did["a commit record on two servers"]++
					}
					if q := g.at(p.from); q.to != 0 && q.rec != p.rec {
						w.t.Fatalf("%v: servers %d and %d differ at %v of timeline %d: %+v, %+v", w.now, s.ID(), o.ID(), p.from, f.tli, p.rec, q.rec)
					}
				}
			}
		}
	}
}

func runWild(t *testing.T, seed uint64, acts int) *wild {
	w := newWild(t, seed)
	for i := range acts {
		for _, s := range w.s[1:] {
			if s.Fatal() != "" && s.Phase() == Down {
				w.fatal[s.Fatal()]++
				w.clone(s)
			}
		}
		w.run(time.Duration(w.random.IntN(400_000)) * time.Microsecond)
		w.act()
		w.check()
		if i%8 == 0 {
			w.same()
		}
		for _, s := range w.s[1:] {
			if s.receiver.state == receiverStreams && s.receiver.tli > 1 {
				w.did["a timeline of a promotion is streamed"]++
			}
			if s.Phase() == Recovery && s.startup.consistent && len(s.Rows()) > 0 {
				w.did["a standby with rows"]++
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	return w
}

func TestWild(t *testing.T) {
	all, outcomes := map[string]int{}, map[Outcome]int{}
	fatal := map[string]int{}
	for seed := range uint64(60) {
		w := runWild(t, seed, 400)
		for k, n := range w.did {
			all[k] += n
		}
		for _, r := range w.results {
			outcomes[r.out]++
		}
		for k, n := range w.fatal {
			fatal[k] += n
		}
	}
	t.Log(all, outcomes, fatal)
	for _, k := range []string{"a commit record on two servers", "a timeline of a promotion is streamed", "a standby with rows"} {
		if all[k] < 100 {
			t.Errorf("%s: %d times", k, all[k])
		}
	}
	for _, o := range []Outcome{Committed, Refused, Unknown} {
		if outcomes[o] == 0 {
			t.Errorf("no commit ended as %v: %v", o, outcomes)
		}
	}
}

// A seed gives the same run, whatever ran before.
func TestSameSeed(t *testing.T) {
	for seed := range uint64(5) {
		a, b := runWild(t, seed, 200), runWild(t, seed, 200)
		if a.steps != b.steps || fmt.Sprint(a.did) != fmt.Sprint(b.did) || a.now != b.now {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}
