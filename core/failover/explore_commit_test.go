package failover

import (
	"fmt"
	"slices"
)

// Commits in the explorer, and what is checked of them.

// commit writes a commit on a server that F1 lets.
func (x *world) commit(h *host) {
	s := h.shared
	if len(h.begun) > 0 && x.luck(3) {
		x.writesBegun(h)
	}
	f := F1{Failover: s.Failover, Joined: s.Joined, Quarantined: s.Quarantined, Primary: s.Primary, Open: s.Open, Lease: true,
		Founding: s.Founding, Switchover: s.Switchover != 0, Waited: true}
	if h.recovery || h.down || f.Verdict() != Go || !s.Failover && len(x.opens) == 0 {
		return
	}
	if !s.Failover && x.luck(3) {
		h.begun = append(h.begun, max(s.Epoch, h.leftAt))
		return
	}
	x.ids++
	r := record{h.wal[len(h.wal)-1].timeline, x.ids}
	h.wal = append(h.wal, r)
	x.passed[r] = max(s.Epoch, h.leftAt)
	if x.luck(2) {
		h.flushed = len(h.wal)
	}
}

// ack acknowledges what F3 lets, and notes what sessions see. The lease is always said to
// be there.
func (x *world) ack(h *host) error {
	s := h.shared
	if h.down || h.recovery || !s.Failover && len(x.opens) == 0 {
		return nil
	}
	h.flushed = len(h.wal)
	for lsn := h.fork; lsn < uint64(len(h.wal)); lsn++ {
		r := h.wal[lsn]
		epoch := x.passed[r]
		n, w := h.count(s.Set, lsn), s.Set.W
		if x.bug == "acknowledged by one less" && w > 0 {
			w--
		}
		f := F3{Failover: s.Failover, Over: epoch != s.Epoch, Open: s.Open, Flushed: true, W: w, Counted: n, Lease: true, Same: true}
		if s.Next != nil && x.bug != "pending set ignored" {
			f.Pending, f.NextW, f.Next = true, s.Next.W, h.count(*s.Next, lsn)
		}
		// PostgreSQL's own wait ends by the names in force, perhaps of a boot before: from
		// then on every session sees the commit.
		visible := uint32(0)
		for _, y := range h.senders {
			if y.Flushed > lsn && slices.Contains(h.names.Tokens, y.Token) {
				visible++
			}
		}
		if f.Beyond = s.Limited && lsn+1 > s.Limit; r.id == 0 || f.Verdict() != Ack && (x.lossy || visible < h.names.W) {
			continue
		}
		if _, ok := x.acked[r]; ok {
			continue
		}
		x.acked[r], x.at[r] = epoch, int(lsn)
		x.acks++
		x.say("%d acknowledges %v at %d in epoch %d", uint32(h.id), r, lsn+1, epoch)
		if err := x.acknowledged(r, int(lsn), epoch); err != nil {
			return err
		}
		for _, o := range x.opens {
			if o.epoch > epoch && !o.wal[r] && !x.isGivenUp(r, epoch, o.epoch) && !(x.lossy && x.givenUp(&x.proof.state, r, epoch)) {
				return fmt.Errorf("%d acknowledges %v in epoch %d, and epoch %d opened without it", uint32(h.id), r, epoch, o.epoch)
			}
		}
	}
	return nil
}

// givenUp says whether the history has a commit as one that may be lost, and that was within
// maximum_lag of what was kept.
func (x *world) givenUp(s *State, r record, epoch uint64) bool {
	end := uint64(x.at[r] + 1)
	for _, p := range s.Past {
		if p.Epoch > epoch && end > p.Kept && end <= p.GivenUp && end-p.Kept <= exploreLag {
			return true
		}
	}
	return false
}

// count is how many of a set have flushed what is behind an LSN, as F3 counts.
func (h *host) count(c Set, lsn uint64) (n uint32) {
	for _, y := range h.senders {
		if y.Flushed > lsn && c.Has(y.Token.Member) && slices.Contains(h.shared.Tokens, y.Token) {
			n++
		}
	}
	return n
}

// check looks at a primary that serves.
func (x *world) check(h *host) error {
	if err := x.prove(); err != nil {
		return err
	}
	if !h.shared.Open || h.down || h.open == h.shared.Epoch {
		return nil
	}
	h.open = h.shared.Epoch
	o := opening{epoch: h.open, who: h.id, wal: map[record]bool{}}
	for _, r := range h.wal {
		o.wal[r] = true
	}
	x.say("%d serves in epoch %d", uint32(h.id), h.open)
	for _, p := range x.opens {
		if p.epoch == o.epoch && p.who != o.who {
			return fmt.Errorf("%d and %d serve in epoch %d", uint32(p.who), uint32(o.who), o.epoch)
		}
	}
	x.opens = append(x.opens, o)
	if err := x.seen(h); err != nil {
		return err
	}
	lost, in := record{}, uint64(0)
	for r, epoch := range x.acked {
		if epoch < o.epoch && !o.wal[r] && x.lossy && x.givenUp(&h.s, r, epoch) {
			delete(x.acked, r)
			x.lost++
		} else if epoch < o.epoch && !o.wal[r] && !x.isGivenUp(r, epoch, o.epoch) && (lost.id == 0 || r.id < lost.id) {
			lost, in = r, epoch
		}
	}
	if lost.id > 0 {
		return fmt.Errorf("%d opens epoch %d without %v, acknowledged in epoch %d", uint32(h.id), o.epoch, lost, in)
	}
	return nil
}
