package failover

import "slices"

// What the explorer's members hear, of Raft and of each other.

// hears says whether Raft's messages get through between two.
func (x *world) hears(h, o *host) bool {
	return !o.down && !o.cut && !h.cut && !x.apart[[2]uint64{h.id, o.id}]
}

func (x *world) around(h *host) Around {
	a := Around{Now: h.now, Term: x.term, Applied: uint64(h.applied), State: &h.s, Voters: x.voters}
	if x.leader != nil {
		a.Leader = x.leader.id
	}
	a.Leads = x.leader == h && h.applied >= x.led
	a.Lease = a.Leads
	h.current = h.current || h.applied >= h.born
	a.Current = h.current
	for _, o := range x.hosts {
		if o != h {
			p := Peer{ID: o.id, Silent: Never, Closed: o.down && o.killed}
			if x.hears(h, o) {
				h.heard[o.id] = h.now
			}
			if at, ok := h.heard[o.id]; ok {
				p.Silent = h.now - at
			}
			a.Peers = append(a.Peers, p)
		}
	}
	heard := 1
	for _, p := range a.Peers {
		if p.Silent < 3 && slices.Contains(x.voters, p.ID) {
			heard++
		}
	}
	a.Quorum = heard > len(x.voters)-heard
	return a
}

// tell brings what one member tells to the leader, or what the leader tells to one.
func (x *world) tell(h, to *host) {
	if h.down || !x.hears(h, to) || h == to || x.leader == nil || h != x.leader && to != x.leader {
		return
	}
	t := h.m.Tells(x.around(h))
	if x.bug == "bare LSN" && t.Server && h.recovery && !h.streaming && h.m.token(x.around(h)) != (Token{}) {
		// It claims to be a part of the primary's, whatever it has.
		e := &h.s.Epoch
		hist := h.s.History(e.Timeline)
		end := min(uint64(len(h.wal)), hist[len(hist)-1].Begin)
		sum, _ := x.host(e.Primary).sum(end)
		t.Claim = &Claim{Epoch: e.Number, Noted: h.s.fork(Owner(hist, end-min(end, 1))).Epoch, End: end, Record: Record{LSN: end, CRC: sum}}
		for _, b := range hist {
			if b.Begin < max(end, 1) {
				t.Claim.History = append(t.Claim.History, b)
			}
		}
	}
	to.m.Hear(h.id, ToldFrom(t.Message()), to.now)
	if x.luck(20) { // it comes once more, much later
		x.late = append(x.late, said{h.id, to, ToldFrom(t.Message())})
	}
}

// said is something told that is under way.
type said struct {
	from uint64
	to   *host
	told Told
}

// overdue brings what was told, or proposed, long ago.
func (x *world) overdue() {
	if n := len(x.stale); n > 0 {
		i := x.r.IntN(n)
		x.log = append(x.log, x.stale[i])
		x.stale = slices.Delete(x.stale, i, i+1)
	}
	if len(x.late) > 0 {
		i := x.r.IntN(len(x.late))
		l := x.late[i]
		x.late = slices.Delete(x.late, i, i+1)
		l.to.m.Hear(l.from, l.told, l.to.now)
		x.decide(l.to)
	}
}

// leap takes a snapshot of the log's state from another member, and goes on with a
// copy of its machine that was made from a checkpoint.
func (x *world) leap(h *host) error {
	o := x.hosts[x.r.IntN(len(x.hosts))]
	if o.applied > h.applied {
		s, err := UnmarshalState(o.s.Marshal())
		if err != nil {
			return err
		}
		h.s, h.applied = s, o.applied
		x.say("%d takes a snapshot at %d", uint32(h.id), h.applied)
	}
	m, err := copyOf(h.m)
	h.m = m
	return err
}
