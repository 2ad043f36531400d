package failover

import (
	"slices"
)

// What the explorer's hosts do, one thing at a time, and how it all comes to rest.

// obey carries one of the host's orders out, perhaps an old one: it checks what an
// order names, as the server does.
func (x *world) obey(h *host) {
	if len(h.orders) == 0 {
		return
	}
	i := x.pick(len(h.orders))
	o := h.orders[i]
	h.orders = slices.Delete(h.orders, i, i+1)
	switch o := o.(type) {
	case Seal:
		if o.Boot == h.boot && h.recovery {
			h.flushed = len(h.wal)
			if h.sealed < o.UpTo {
				x.say("%d seals up to epoch %d, at %d", uint32(h.id), o.UpTo, len(h.wal))
			}
			h.sealed = max(h.sealed, o.UpTo)
			if h.quiet = h.streaming && x.bug == "report before seal"; !h.quiet {
				h.streaming, h.follows = false, Token{}
				h.drop()
			}
		}
	case Demote:
		if o.Boot == h.boot && !h.recovery && o.Epoch >= h.sealed {
			x.crash(h)
			h.down = false
		}
	case SetNames:
		if late := h.names.Boot == o.Boot && h.names.Number > o.Number; o.Boot == h.boot && o.Epoch > h.sealed && (!late || x.bug == "names come late") {
			h.names = o.Names
		}
	case Promote:
		x.promote(h, o)
	case Follow:
		if o.Token.Follow == h.boot && h.recovery && o.Token.Epoch > h.sealed && (!h.streaming || h.quiet) {
			h.streaming, h.quiet, h.follows, h.link, h.lacks, h.ended = true, false, o.Token, -1, false, false
			x.say("%d follows %d in epoch %d", uint32(h.id), uint32(o.Primary), o.Token.Epoch)
			x.write(h, o.History)
			for _, n := range o.Notes {
				h.notes[n.Timeline] = n.Epoch
			}
		}
	case Rejoin:
		p := x.host(o.Primary)
		if t := h.m.token(x.around(h)); x.bug == "bare LSN" && t.Epoch > h.sealed {
			h.streaming, h.follows, h.link = true, t, -1
			x.write(h, o.History)
			h.notes[o.History[len(o.History)-1].Timeline] = t.Epoch
			return
		}
		if o.Boot == h.boot && h.recovery && o.Epoch > h.sealed && !p.down && !p.recovery &&
			p.wal[len(p.wal)-1].timeline == o.History[len(o.History)-1].Timeline {
			x.say("%d %s from %d", uint32(h.id), map[bool]string{false: "is rewound", true: "is cloned"}[o.Clone], uint32(p.id))
			if o.Clone || !h.lacks { // a rewind does nothing where the WAL is a prefix
				h.wal, h.flushed, h.old = slices.Clone(p.wal[:p.flushed]), p.flushed, false
			}
			x.write(h, o.History)
			for _, n := range o.Notes {
				h.notes[n.Timeline] = n.Epoch
			}
			x.crash(h)
			h.down = x.r != nil
		}
	case Compare:
		if o.Boot == h.boot {
			sum, have := h.sum(o.Record.LSN)
			equal := have && sum == o.Record.CRC
			if o.Record.From > 0 && equal { // WAL of before may be gone
				have, equal = h.kept == 0, h.sumOf(o.Record.LSN) == o.Record.Sum
			}
			h.m.Compared(Compared{Member: o.Member, Boot: o.Follow, Have: have, Equal: have && equal})
		}
	case Trust:
		if o.Boot == h.boot && h.recovery {
			x.say("%d is trusted again in epoch %d", uint32(h.id), o.Epoch)
			h.old, h.flushed = false, len(h.wal)
		}
	case Release:
		x.release(h, o)
	case Checkpoint:
		if o.Boot == h.boot {
			h.redo = uint64(h.flushed)
		}
	case Stop:
		x.stop(h, o)
	case Watch:
		h.m.See(Port{Member: o.Member, Epoch: o.Epoch}, h.now)
	}
}

// write writes the history files of a history.
func (x *world) write(h *host, history []Branch) {
	for i, b := range history {
		h.files[b.Timeline] = history[:i+1]
	}
}

// promote notes the timeline, then begins it; it may die in between.
func (x *world) promote(h *host, o Promote) {
	if o.Boot != h.boot || !h.recovery || h.streaming && !h.quiet || o.Epoch <= h.sealed || uint64(len(h.wal)) != o.LSN && !h.quiet {
		return
	}
	t := o.History[len(o.History)-1].Timeline
	if h.last() >= t || h.slow && h.replayed < len(h.wal) {
		return
	}
	h.notes[t] = o.Epoch
	x.write(h, o.History)
	h.streaming, h.quiet, h.follows = false, false, Token{}
	if x.luck(10) || h.dies == 1 {
		x.crash(h)
		return
	}
	if h.misforks {
		h.wal = h.wal[:len(h.wal)-1]
		h.files[t] = append(slices.Clone(o.History[:len(o.History)-1]), Branch{t, uint64(len(h.wal))})
	}
	h.wal, h.wrote = append(h.wal, record{t, 0}), append(h.wrote, t)
	h.fork, h.flushed = uint64(len(h.wal)), len(h.wal)
	h.recovery, h.crashed, h.replayed = false, false, len(h.wal)
	x.say("%d is promoted to timeline %d at %d", uint32(h.id), t, h.fork-1)
	if x.luck(10) || h.dies == 2 {
		x.crash(h)
	}
}

// stream brings records to a follower, and its flush position to the primary.
func (x *world) stream(h *host, n int) {
	if !h.streaming || h.down {
		return
	}
	p := x.host(x.primaryOf(h))
	if p == h || p.down || p.recovery {
		return
	}
	// A primary lets nobody connect whose token is not of this boot of this epoch: its
	// own old conninfo would lead a standby onto a timeline that it has not noted.
	if h.link != p.life {
		if h.follows.Epoch != p.shared.Epoch || h.follows.Boot != p.boot {
			return
		}
		h.link = p.life
	}
	if h.lacks = len(h.wal) < p.kept; h.lacks {
		return
	}
	for range n {
		if len(h.wal) < p.flushed {
			h.wal = append(h.wal, p.wal[len(h.wal)])
		}
	}
	if !x.luck(3) {
		h.flushed = len(h.wal)
	}
	said := h.flushed
	if x.bug == "flush position before the flush" {
		said = len(h.wal)
	}
	p.senders = slices.DeleteFunc(p.senders, func(s Sender) bool { return s.Token.Member == h.id })
	p.senders = append(p.senders, Sender{h.follows, uint64(said)})
}

// primaryOf is whom a follower streams from: the one that its token names.
func (x *world) primaryOf(h *host) uint64 {
	for _, o := range h.s.Past {
		if o.Epoch == h.follows.Epoch {
			return o.Primary
		}
	}
	return h.id
}

// step does one thing to one member.
func (x *world) step() error {
	h := x.hosts[x.r.IntN(len(x.hosts))]
	if h.down {
		if x.r.IntN(6) == 0 {
			h.down = false
		}
		return nil
	}
	switch k := x.r.IntN(100); {
	case k < 12 && !h.cut:
		for n := x.r.IntN(6); n >= 0 && h.applied < len(x.log); n-- {
			x.apply(h)
		}
	case k < 34:
		h.now++
		h.replayed = min(h.replayed+1+x.r.IntN(3), len(h.wal))
		x.report(h)
		x.decide(h)
	case k < 46:
		x.obey(h)
	case k < 58:
		x.stream(h, 1+x.r.IntN(3))
	case k < 70:
		x.tell(h, x.hosts[x.r.IntN(len(x.hosts))])
	case k < 76:
		x.commit(h)
	case k < 82:
		if err := x.ack(h); err != nil {
			return err
		}
	case k < 94:
		x.deliver()
	case k < 96:
		if x.r.IntN(6) == 0 && !h.cut {
			x.elect(h)
		}
		// Who is cut from Raft goes on streaming: for long, where that finds a bug.
		heals := 2
		if x.bug != "" {
			heals = 12
		}
		if h.cut && x.r.IntN(heals) == 0 || !h.cut && x.r.IntN(10) == 0 {
			h.cut = !h.cut
			x.say("%d is cut: %v", uint32(h.id), h.cut)
		}
	case k < 97:
		if x.r.IntN(8) == 0 {
			x.crash(h)
		}
	case k < 98:
		if x.r.IntN(8) == 0 {
			x.say("%d: its engine restarts", uint32(h.id))
			x.start(h)
		}
	case k < 99:
		x.overdue()
		if x.bug == "opens early" && h.s.Epoch.Stage == StageForked {
			x.bag = append(x.bag, asked{Open{h.s.Epoch.Number, h.s.Epoch.Primary, h.s.Epoch.SetVersion}, h})
		}
	case k < 100 && x.r.IntN(3) > 0:
		if x.r.IntN(2) == 0 && x.bug == "" {
			x.operate(h)
			break
		}
		return x.leap(h)
	default:
		if x.r.IntN(30) == 0 {
			for _, h := range x.hosts {
				x.crash(h)
			}
		}
	}
	return x.check(h)
}

// operate is what an operator does, and what a server's settings say, now and then.
func (x *world) operate(h *host) {
	s := h.s.Settings
	mode := ModeOn
	switch x.r.IntN(24) {
	case 18, 19, 20, 21, 22, 23:
		x.bag = append(x.bag, asked{Request{h.s.Epoch.Number, x.hosts[x.r.IntN(len(x.hosts))].id, WaySwitchover, uint64(1 + x.r.IntN(40))}, h})
	case 14:
		if x.luck(3) {
			x.bag = append(x.bag, asked{Disable{h.s.Epoch.Number}, h})
		}
	case 15, 16, 17:
		x.enables(h)
	case 9, 10:
		x.bag = append(x.bag, asked{Request{h.s.Epoch.Number, x.hosts[x.r.IntN(len(x.hosts))].id, WayFailover + Way(x.r.IntN(2)), 0}, h})
	case 11, 12:
		x.overrides(h)
	case 13:
		x.bag = append(x.bag, asked{Abort{h.s.Epoch.Number, 0, h.s.Epoch.Ask.Index}, h})
	case 0:
		mode = ModeManual
		fallthrough
	case 1, 2:
		s.SyncCount, s.Durability = uint32(x.r.IntN(3)), Durability(x.r.IntN(2))
		if x.lossy && x.r.IntN(2) == 0 {
			s.Durability = Async
		}
		x.bag = append(x.bag, asked{Adjust{mode, s}, h})
	case 3:
		x.bag = append(x.bag, asked{Quarantine{Member: h.id, Reason: QuarantinedByOperator}, h})
	case 4, 5:
		x.bag = append(x.bag, asked{Clear{h.id}, h})
	case 6:
		x.goBack(h)
	default:
		h.prio = uint32(x.r.IntN(3)) * 50
	}
}

// goBack puts older data back, of one server at a time: where W was 0 nobody may have
// what was acknowledged then.
func (x *world) goBack(h *host) {
	w := min(h.s.Last.Set.W, h.s.Epoch.Set.W, h.s.Settings.SyncCount)
	if h.witness || w == 0 || slices.ContainsFunc(x.hosts, func(h *host) bool { return h.old || h.s.Settings.Durability != Required }) {
		return
	}
	x.crash(h)
	h.wal, h.old, h.back = h.wal[:1+x.r.IntN(len(h.wal))], true, true
	h.flushed, h.replayed = len(h.wal), len(h.wal)
	x.say("%d goes back to %d", uint32(h.id), len(h.wal))
}

// deliver brings a proposal into the log, loses it, or brings it twice.
func (x *world) deliver() {
	if len(x.bag) == 0 {
		return
	}
	i := x.r.IntN(len(x.bag))
	e := x.bag[i].entry
	k := x.r.IntN(12)
	if k > 1 {
		x.log = append(x.log, e)
	}
	if _, ok := e.(Change); ok && x.bug == "" {
		x.stale = append(x.stale, e) // it comes once more, much later
	}
	if k < 11 {
		x.bag = slices.Delete(x.bag, i, i+1)
	}
}
