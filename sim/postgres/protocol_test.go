package postgres

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// hand is somebody who sees all of three servers and fails over by the rules of
// FAILOVER.md: seal, meet the old set, the greatest position, a timeline number of its
// own, follow only with a proof, names of the epoch's followers only. The servers have
// every fault there is.
type hand struct {
	*lab
	patient bool   // it makes nothing anew because it does not follow; there is no .partial then
	bug     string // the rule that it does not keep; "" = it keeps all
	epoch   TLI    // its timeline too
	primary int
	since   [4]time.Duration // when each was told to follow last
	away    int              // who is not looked after in this epoch; 0: nobody
	set     []int            // of the last open epoch; one of them has to flush
	acked   []uint64
	served  bool // somebody read pages of two servers
	opened  bool
	level   Level    // of the next session
	seen    []uint64 // by a session on an open primary
	between func()   // what else happens while the primary serves
	did     map[string]int
}

func newHand(t *testing.T, seed uint64, bug string, patient bool) *hand {
	h := &hand{bug: bug, patient: patient, lab: newLab(t, seed, 3, Config{
		SenderTimeout: 2 * time.Second, ReceiverTimeout: 2 * time.Second, RetryInterval: 200 * time.Millisecond,
		StatusInterval: time.Second, MaxSend: 2 * PageBytes, RecycleSegments: 1, KeepSegments: 64, Archive: seed%2 == 0 && !patient,
	}), epoch: 1, did: map[string]int{}}
	h.s[1].Start()
	h.wait("a primary", func() bool { return h.s[1].Phase() == Production })
	for id := 1; id <= 3; id++ {
		s := h.s[id]
		s.Hooks.Saw = func(e Event) { h.served = h.served || e.Kind == Consistent && s.Damaged() }
		s.Hooks.Boot = func() {
			s.CreateStandbySignal()
			s.RemovePromote()
			s.SetConninfo(Conninfo{})
			last := s.LastTimeline()
			for _, f := range slices.Clone(s.Histories()) {
				if f.TLI > last {
					s.RemoveHistory(f.TLI)
				}
			}
		}
		if id > 1 {
			s.Start()
		}
	}
	h.primary = 1
	h.opened = h.open()
	return h
}

func (h *hand) token(id int) string { return fmt.Sprintf("e%d-%d", h.epoch, id) }

// open has the others follow, and waits for one of them; false: in vain.
func (h *hand) open() bool {
	p := h.s[h.primary]
	names := Names{W: 1}
	h.set = nil
	for id := 1; id <= 3; id++ {
		if id != h.primary {
			h.set = append(h.set, id)
			names.Names = append(names.Names, h.token(id))
		}
	}
	p.SetNames(names)
	end := p.Inserted()
	return h.becomes(func() bool {
		h.follow()
		p.Flush()
		return p.NamesInForce(names) && p.ReplicatedTo() >= end
	})
}

// follow has each server follow that does not, and proves that it may.
func (h *hand) follow() {
	p := h.s[h.primary]
	for id := 1; id <= 3; id++ {
		s := h.s[id]
		want := Conninfo{Primary: h.primary, Name: h.token(id)}
		switch {
		case id == h.primary, id == h.away, s.frozen:
		case s.Phase() == Down && s.Fatal() != "":
			h.makeAnew(id) // it does not start: a rewind may miss WAL of the source's
		case s.Phase() == Down:
			s.Start()
		case s.Phase() != Recovery:
			s.CrashRestart() // deposed
		case s.Conninfo() == want && !s.Receives() && !h.patient && h.now > h.since[id]+5*time.Second:
			h.makeAnew(id) // the primary lacks WAL that it needs
		case s.Conninfo() == want, !s.startup.on, !s.startup.archive:
		default:
			s.EndReceiver()
			e := s.ValidEnd(ByHistory)
			r, ok := p.RecordAt(e.Last.Start)
			half := s.startup.half
			toEnd := half.rec.Kind != 0 && half.at == half.at.segmentStart()
			if ok && !toEnd && r == e.Last && e.End <= p.Flushed() && s.startup.target <= h.epoch || h.bug == "no proof" {
				h.did["followed"]++
				// The newest first: with a file of the gap alone it would never follow.
				for tli := h.epoch; tli > 1 && !s.HasHistory(tli) && h.bug != "histories upwards"; tli-- {
					s.WriteHistory(History{tli, p.History(tli)})
				}
				s.SetConninfo(want)
				h.since[id] = h.now
				continue
			}
			h.makeAnew(id)
		}
	}
}

// makeAnew rewinds a server, perhaps more than once, or clones it.
func (h *hand) makeAnew(id int) {
	s, p := h.s[id], h.s[h.primary]
	if p.Control().CheckpointTLI != h.epoch {
		return // pg_rewind would not find that they differ
	}
	h.did["made anew"]++
	s.Kill(false)
	out := RewindFailed
	for tries := h.random.IntN(3); s.Fatal() == "" && tries > 0 && out == RewindFailed; tries-- {
		s.RemoveStandbySignal()
		if why := s.RecoverAlone(); why != "" {
			h.t.Fatalf("server %d does not recover alone: %s", id, why)
		}
		out, _ = s.Rewind(p, h.random.IntN(3) == 0)
	}
	switch {
	case out == RewindDone:
		h.did["rewound"]++
	case s.Damaged() && h.bug == "marker ignored":
	default:
		s.Clone(p)
	}
	s.SetConninfo(Conninfo{})
	s.SetNames(Names{})
	s.Start()
}

// fault does something to a server.
func (h *hand) fault(s *Server) {
	other := 1 + h.random.IntN(3)
	f := []struct {
		name string
		f    func()
	}{
		{"cut", func() { h.cut[[2]int{s.ID(), other}] = true }}, {"heal", func() { clear(h.cut) }},
		{"freeze", s.Freeze}, {"thaw", s.Thaw},
		{"kill", func() { s.Kill(false) }}, {"power", func() { s.Kill(true) }}, {"restart", func() { s.CrashRestart() }}, {"stop", func() { s.FastStop(nil) }},
		{"pause", func() { s.PauseReplay(true) }}, {"resume", func() { s.PauseReplay(false) }},
		{"checkpoint", func() { s.Checkpoint(nil) }},
	}[h.random.IntN(11)]
	h.did[f.name]++
	f.f()
}

// serve lets clients write for a while, with faults.
func (h *hand) serve() {
	p := h.s[h.primary]
	for range 10 + h.random.IntN(40) {
		if o := p.Connect(); o != nil && p.Phase() == Production {
			h.txn++
			txn := h.txn
			o.Level = h.level
			if o.Write(txn, 1+h.random.IntN(1500)) {
				o.Commit(func(out Outcome) {
					if out == Committed {
						h.acked = append(h.acked, txn)
					}
				})
			}
		}
		if h.between != nil {
			h.between()
		}
		switch h.random.IntN(8) {
		case 0:
			h.fault(h.s[1+h.random.IntN(3)])
		case 1:
			p.Internal(Logical, 1+h.random.IntN(2*SegmentBytes))
		}
		if h.random.IntN(3) == 0 && p.Phase() == Production && !p.frozen {
			h.follow()
		}
		h.run(time.Duration(h.random.IntN(60_000)) * time.Microsecond)
	}
}

// failOver makes the next epoch's primary; false: in vain.
func (h *hand) failOver() bool {
	h.opened = false
	h.epoch += TLI(1 + h.random.IntN(3))
	h.away = max(0, h.random.IntN(9)-5)
	for sealed := map[int]Position{}; ; h.run(20 * time.Millisecond) {
		for id := 1; id <= 3; id++ {
			s := h.s[id]
			switch {
			case sealed[id].End != 0 || h.random.IntN(4) == 0:
			case s.Phase() == Down:
				s.Start()
			case s.frozen:
				if h.random.IntN(3) == 0 {
					s.Thaw()
				}
			case s.Phase() != Recovery || s.startup.target > s.LastTimeline():
				// A restart also lets go of a timeline of which only the history came.
				s.CrashRestart()
			case s.startup.archive && !s.startup.stopping:
				if h.bug == "report before seal" {
					sealed[id] = s.ValidEnd(ByHistory)
				} else {
					s.Seal(func(p Position) {
						if p.End >= s.Control().MinRecovery { // else it cannot be promoted
							sealed[id] = p
						}
					})
				}
			}
		}
		met := 0
		for _, id := range h.set {
			if sealed[id].End != 0 {
				met++
			}
		}
		if sealed[h.primary].End == 0 && met < len(h.set) && (h.bug != "one report" || met == 0) {
			continue
		}
		best := 0
		for id := 1; id <= 3; id++ {
			p, b := sealed[id], sealed[best]
			if p.End != 0 && (best == 0 || h.greater(p, b)) {
				best = id
			}
		}
		if h.bug == "" && (h.s[best].Phase() != Recovery || h.s[best].Receives()) {
			h.t.Fatalf("server %d was sealed and is in phase %d", best, h.s[best].Phase())
		}
		h.s[best].PauseReplay(false)
		h.s[best].PromoteTo(h.epoch)
		if !h.becomes(func() bool { return h.s[best].Phase() == Production }) {
			return false
		}
		if h.s[best].Timeline() != h.epoch {
			h.t.Fatalf("server %d took timeline %d, not %d", best, h.s[best].Timeline(), h.epoch)
		}
		h.s[best].PromotionEnded()
		if best == h.primary {
			h.did["the same again"]++
		}
		h.primary = best
		return true
	}
}

func (h *hand) greater(p, b Position) bool {
	switch h.bug {
	case "bare LSN":
		return p.End > b.End
	case "any position":
		return false
	}
	return p.TLI > b.TLI || p.TLI == b.TLI && p.End > b.End
}

// reigns is a run of eight epochs; what it returns went wrong.
func (h *hand) reigns() string {
	for range 8 {
		h.serve()
		if !h.failOver() {
			return "stuck"
		}
		for _, txn := range h.acked {
			if !h.s[h.primary].Visible(txn) {
				return "lost"
			}
		}
		for _, txn := range h.seen {
			if !h.s[h.primary].Visible(txn) {
				return "seen"
			}
		}
		clear(h.cut)
		for _, s := range h.s[1:] {
			s.Thaw()
			s.PauseReplay(false)
		}
		if !h.open() {
			return "stuck"
		}
		if h.served {
			return "damaged"
		}
		h.opened = true
	}
	return ""
}

// The model loses nothing of itself: who keeps all rules loses no acknowledged commit.
func TestNothingIsLost(t *testing.T) {
	all, acked := map[string]int{}, 0
	for seed := range uint64(40) {
		h := newHand(t, seed, "", seed%4 == 1)
		if wrong := h.reigns(); wrong != "" {
			t.Fatalf("seed %d, %v: epoch %d on server %d: %s", seed, h.now, h.epoch, h.primary, wrong)
		}
		acked += len(h.acked)
		for k, n := range h.did {
			all[k] += n
		}
	}
	if acked < 1000 || all["made anew"] < 20 || all["rewound"] < 10 || all["followed"] < 100 || all["the same again"] == 0 {
		t.Errorf("%d acknowledged, %v", acked, all)
	}
}

// And it has what each rule is for: who breaks one loses a commit, or gets stuck.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, c := range []struct{ bug, wrong string }{
		{"no proof", "lost"}, {"report before seal", "lost"}, {"one report", "lost"}, {"bare LSN", "lost"}, {"any position", "lost"},
		{"histories upwards", "stuck"}, {"marker ignored", "damaged"},
	} {
		t.Run(c.bug, func(t *testing.T) {
			wrong := ""
			seed := uint64(0)
			for ; wrong != c.wrong; seed++ {
				if seed == 2000 {
					t.Fatalf("nothing was %s in %d seeds", c.wrong, seed)
				}
				wrong = newHand(t, seed, c.bug, c.wrong == "stuck").reigns()
			}
			t.Logf("%s at seed %d", wrong, seed-1)
		})
	}
}
