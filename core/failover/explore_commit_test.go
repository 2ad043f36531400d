package failover

import (
	"fmt"
	"slices"
)

// Commits in the explorer, and what is checked of them.

// commit writes a commit on a server that F1 lets.
func (x *world) commit(h *host) {
	s := h.shared
	f := F1{Failover: s.Failover, Joined: s.Joined, Quarantined: s.Quarantined, Primary: s.Primary, Open: s.Open, Lease: true,
		Founding: s.Founding, Waited: true}
	if h.recovery || h.down || f.Verdict() != Go || !s.Failover && len(x.opens) == 0 {
		return
	}
	x.ids++
	h.wal = append(h.wal, record{h.wal[len(h.wal)-1].timeline, x.ids})
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
		epoch := h.notes[r.timeline]
		n := uint32(0)
		for _, y := range h.senders {
			if y.Flushed > lsn && slices.Contains(s.Tokens, y.Token) {
				n++
			}
		}
		w := s.Set.W
		if x.bug == "acknowledged by one less" && w > 0 {
			w--
		}
		f := F3{Failover: s.Failover, Over: epoch != s.Epoch, Open: s.Open, Flushed: true, W: w, Counted: n, Lease: true, Same: true}
		// PostgreSQL's own wait ends by the names in force, perhaps of a boot before: from
		// then on every session sees the commit.
		visible := uint32(0)
		for _, y := range h.senders {
			if y.Flushed > lsn && slices.Contains(h.names.Tokens, y.Token) {
				visible++
			}
		}
		if r.id == 0 || f.Verdict() != Ack && visible < h.names.W {
			continue
		}
		if _, ok := x.acked[r]; ok {
			continue
		}
		x.acked[r] = epoch
		x.acks++
		x.say("%d acknowledges %v at %d in epoch %d", uint32(h.id), r, lsn+1, epoch)
		for _, o := range x.opens {
			if o.epoch > epoch && !o.wal[r] {
				return fmt.Errorf("%d acknowledges %v in epoch %d, and epoch %d opened without it", uint32(h.id), r, epoch, o.epoch)
			}
		}
	}
	return nil
}

// check looks at a primary that serves.
func (x *world) check(h *host) error {
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
	lost, in := record{}, uint64(0)
	for r, epoch := range x.acked {
		if epoch < o.epoch && !o.wal[r] && (lost.id == 0 || r.id < lost.id) {
			lost, in = r, epoch
		}
	}
	if lost.id > 0 {
		return fmt.Errorf("%d opens epoch %d without %v, acknowledged in epoch %d", uint32(h.id), o.epoch, lost, in)
	}
	return nil
}
