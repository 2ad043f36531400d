package failover

import "slices"

// Failover that is disabled and enabled again in the explorer's world.

// release is a server that takes no part any more.
func (x *world) release(h *host, o Release) {
	if o.Boot != h.boot || o.Epoch <= h.sealed || o.Recovery != h.recovery {
		return
	}
	if h.names = (Names{}); h.dies == 3 {
		h.dies, h.oneNote = 0, true
		x.crash(h)
		return
	}
	x.say("%d takes no part any more, as failover is off since epoch %d", uint32(h.id), o.Epoch)
	h.oneNote, h.sealed, h.leftAt = false, o.Epoch, o.Epoch
}

// enables is an operator who has failover enabled again, step by step: all who are there
// join, then the one that goes on as the primary begins. That is the one of before, which
// may have restarted.
func (x *world) enables(h *host) {
	e := h.s.Epoch
	switch {
	case e.Number == 0 || h.applied < len(x.log):
		return
	case e.Stage == StageOpen && !x.host(e.Primary).recovery:
		x.joins(x.host(e.Primary)) // one that was away as failover was enabled again
		return
	case h.s.Mode != ModeOff:
		return
	}
	p := x.host(e.Primary)
	if p.old { // it is another one's turn
		if p = x.furthest(e.Number); p == nil {
			return
		}
	}
	if p.down || p.sealed < e.Number {
		return
	}
	if x.joins(p) {
		return
	}
	last := p.wal[len(p.wal)-1].timeline
	if p.leftAt > 0 || h.s.Member(p.id) == nil || !h.s.Electable(p.id, x.voters) {
		return
	}
	if p.recovery && p.streaming {
		return
	}
	if p.recovery { // it has restarted, and is started as a plain primary
		p.recovery, p.replayed = false, len(p.wal)
		x.say("%d is started as a plain primary", uint32(p.id))
	}
	if last <= h.s.Timelines && !slices.ContainsFunc(h.s.Past, func(y Past) bool { return y.Primary == p.id && y.Timeline == last }) { // it never began its own
		t := h.s.Timelines + 1
		p.files[t] = append(slices.Clone(p.history()), Branch{t, uint64(len(p.wal))})
		p.wal, p.wrote = append(p.wal, record{t, 0}), append(p.wrote, t)
		x.say("%d is promoted by hand to timeline %d", uint32(p.id), t)
		last = t
	}
	p.flushed, p.joined, p.fork = len(p.wal), last, 0
	en := Enable{Epoch: e.Number + 1, Primary: p.id, Boot: p.boot, System: 1, LSN: uint64(p.flushed), History: slices.Clone(p.history()),
		Highest: last, Settings: h.s.Settings}
	for _, o := range x.hosts {
		if n := len(o.wal); o != p && !o.witness && !o.down && o.leftAt == 0 && o.sealed >= e.Number && h.s.Electable(o.id, x.voters) &&
			slices.Equal(o.wal, p.wal[:min(n, len(p.wal))]) {
			en.Set.Members = append(en.Set.Members, o.id)
		}
	}
	if n := uint32(len(en.Set.Members)); en.Settings.Durability == Required && n < en.Settings.SyncCount {
		return // some have not said yet that they have joined
	}
	en.Set.W = min(en.Settings.SyncCount, uint32(len(en.Set.Members)))
	x.bag = append(x.bag, asked{en, h})
}

// joins has a server join again that was told to take no part; one whose WAL is no part of
// the primary's is cloned.
func (x *world) joins(p *host) bool {
	for _, o := range x.hosts {
		if o.leftAt == 0 || o.down || o.witness {
			continue
		}
		if n := len(o.wal); o.old || n > len(p.wal) || !slices.Equal(o.wal, p.wal[:n]) {
			x.say("%d is cloned by the operator", uint32(o.id))
			o.wal, o.flushed, o.old = slices.Clone(p.wal), len(p.wal), false
			x.write(o, p.history())
		}
		o.leftAt, o.joined = 0, o.last()
		delete(o.notes, o.joined)
		if o != p {
			o.recovery = true
		}
		x.say("%d joins again, on timeline %d", uint32(o.id), o.joined)
		return true
	}
	return false
}

// furthest is whose WAL reaches furthest, once all have been told that failover is off; nil
// before.
func (x *world) furthest(epoch uint64) (p *host) {
	reach := func(h *host) Position {
		return Position{h.notes[h.wal[len(h.wal)-1].timeline], uint64(len(h.wal))}
	}
	for _, h := range x.hosts {
		switch {
		case h.witness || h.old:
		case h.down || h.sealed < epoch:
			return nil
		case p == nil || reach(h).Compare(reach(p)) > 0:
			p = h
		}
	}
	return p
}
