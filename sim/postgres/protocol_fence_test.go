package postgres

import (
	"slices"
	"testing"
)

// fence gives the servers what a library does in each commit: F1, F2 and F3 of
// FAILOVER.md; and clients who cancel, are terminated, ask for less and read.
func (h *hand) fence() {
	for id := 1; id <= 3; id++ {
		s := h.s[id]
		mine := func() bool { return id == h.primary && h.opened }
		// A server that was the primary, and restarted in place, shows its own tail.
		s.Hooks.Statement = func(*Session) bool {
			return mine() && (s.Phase() == Production || h.bug == "reads after a boot")
		}
		s.Hooks.PreCommit = func(o *Session) Verdict {
			if h.bug != "weak commit" {
				o.Level = On
			}
			if mine() {
				return Go
			}
			return Refuse
		}
		if h.bug != "no F2" {
			s.Hooks.HoldEarlyEnd = func(_ *Session, end LSN) bool { return !h.counted(s, end) && !s.IsStopping() }
		}
		if h.bug != "no F3" {
			s.Hooks.Acknowledge = func(_ *Session, end LSN) Verdict {
				switch {
				case !mine() || s.Timeline() != h.epoch:
					return Refuse
				case !h.counted(s, end):
					return Wait
				}
				return Go
			}
		}
	}
	h.between = h.disturb
}

// counted says that a commit is flushed here, and on one of the epoch's followers.
func (h *hand) counted(s *Server, end LSN) bool {
	return s.Flushed() >= end && slices.ContainsFunc(s.Walsenders(), func(w Walsender) bool {
		return w.Flush >= end && slices.ContainsFunc(h.set, func(id int) bool { return w.Name == h.token(id) })
	})
}

// disturb is what clients do beside committing.
func (h *hand) disturb() {
	p := h.s[h.primary]
	for _, o := range slices.Clone(p.Sessions()) {
		switch h.random.IntN(12) {
		case 0:
			o.Cancel()
		case 1:
			o.Terminate()
		}
	}
	h.level = Level(h.random.IntN(3))
	if o := p.Connect(); o != nil && h.txn > 0 {
		txn := h.txn - min(h.txn-1, uint64(h.random.IntN(6)))
		if found, ok := o.Sees(txn); found && ok && !p.IsStopping() {
			h.seen = append(h.seen, txn)
		}
		o.Terminate()
	}
}

// With the fence nothing is lost that was acknowledged, and nothing that was seen on an
// open primary, whatever ends a wait early; with a part of it left out, something is.
func TestFence(t *testing.T) {
	acked, seen := 0, 0
	for seed := range uint64(40) {
		h := newHand(t, seed, "", false)
		h.fence()
		if wrong := h.reigns(); wrong != "" {
			t.Fatalf("seed %d, %v: epoch %d on server %d: %s", seed, h.now, h.epoch, h.primary, wrong)
		}
		acked, seen = acked+len(h.acked), seen+len(h.seen)
	}
	if acked < 500 || seen < 500 {
		t.Errorf("%d acknowledged, %d seen", acked, seen)
	}
	for _, c := range []struct{ bug, wrong string }{{"no F2", "seen"}, {"no F3", "lost"}, {"weak commit", "seen"}, {"reads after a boot", "seen"}} {
		wrong, seed := "", uint64(0)
		for ; wrong != c.wrong; seed++ {
			if seed == 500 {
				t.Fatalf("%s: nothing was %s in %d seeds", c.bug, c.wrong, seed)
			}
			h := newHand(t, seed, c.bug, false)
			h.fence()
			if c.bug == "no F3" { // its cancelled commits are answered early
				for _, s := range h.s[1:] {
					s.Hooks.HoldEarlyEnd = nil
				}
			}
			wrong = h.reigns()
		}
		t.Logf("%s: %s at seed %d", c.bug, wrong, seed-1)
	}
}
