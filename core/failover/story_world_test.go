package failover

import "fmt"

// What a script adds to the explorer's world: rounds in which everything that can
// happen does, and entries in words.

// round is a tick for everybody. The order is that of the nodes, so a round is the
// same whenever it is run.
func (x *world) round() error {
	x.keepLeader()
	x.rounds++
	var kept []asked
	for _, e := range x.bag {
		if e.from != nil && e.from.holds {
			kept = append(kept, e)
		} else if x.leader != nil && (e.from == nil || x.follows(e.from)) {
			x.log = append(x.log, e.entry)
		}
	}
	x.bag = kept
	for _, h := range x.hosts {
		if h.down {
			continue
		}
		for x.follows(h) && h.applied < len(x.log) {
			x.apply(h)
		}
		h.now++
		if h.replayed = min(h.replayed, len(h.wal)); !h.slow {
			h.replayed = len(h.wal)
		} else if h.now%3 == 0 && h.replayed < len(h.wal) {
			h.replayed++
		}
		if p := h.m.port; p.Member != 0 {
			o := x.host(p.Member)
			h.m.See(Port{Member: p.Member, Epoch: p.Epoch, Answers: !o.down && !o.cut, Refuses: o.killed, Reset: o.killed}, h.now)
		}
		for _, o := range x.hosts {
			x.tell(h, o)
		}
		if !h.mute {
			x.report(h)
		}
		x.decide(h)
		for n := len(h.orders); n > 0 && !h.stalls && len(h.orders) > 0; n-- {
			x.obey(h)
		}
		if !h.lags {
			x.stream(h, 100)
		}
		if err := x.check(h); err != nil {
			return err
		}
	}
	for _, h := range x.hosts {
		if !h.down && !h.cut && h.s.Epoch.Primary == h.id && !h.recovery && x.hasQuorum(h) {
			h.well = x.rounds
		}
	}
	return nil
}

// follows says whether a node gets the log, and its proposals get into it.
func (x *world) follows(h *host) bool {
	return x.leader != nil && !h.down && !h.cut && (h == x.leader || x.hears(h, x.leader))
}

// begun looks at an epoch that begins. Where rounds are alike for all, that is needless
// while its primary was well less than failover_delay ago, and nothing said that it has
// ended; a round is how late the news of that may be. Who has handed leadership to it,
// and has not followed it for as long, need not wait for more.
func (x *world) begun(by *host, b Begin) {
	x.begins++
	p := by.s.Epoch.Primary
	if x.rounds == 0 || p == 0 || by.s.Epoch.Ask.Way != NotAsked { // or an operator asks
		return
	}
	h := x.host(p)
	if by.gave > 0 && x.rounds-by.gave >= exploreDelay {
		return
	}
	if ago := x.rounds - h.well; ago < exploreDelay && !h.killed && !h.crashed && by.s.Epoch.Stage == StageOpen &&
		by.s.Member(p).Quarantined == NotQuarantined {
		x.needless = fmt.Sprintf("%d begins epoch %d in round %d; %d was well %d rounds ago", by.id, b.Epoch, x.rounds, h.id, ago)
	}
}

// keepLeader elects the first voter that is there, once the leader is not and enough
// others are.
func (x *world) keepLeader() {
	there := 0
	var to *host
	for _, h := range x.hosts {
		if !h.down && !h.cut {
			if there++; to == nil {
				to = h
			}
		}
	}
	switch l := x.leader; {
	case there <= len(x.hosts)/2:
		x.leader = nil
	case l == nil || l.down || l.cut:
		x.elect(to)
	case !x.hasQuorum(l):
		for _, h := range x.hosts {
			if h != l && !h.down && !h.cut && x.hasQuorum(h) {
				x.elect(h)
				return
			}
		}
		x.leader = nil
	}
}

// hasQuorum says whether a node and those whom it can reach are a majority.
func (x *world) hasQuorum(h *host) bool {
	n := 0
	for _, id := range x.voters {
		if o := x.host(id); o == h || x.hears(h, o) {
			n++
		}
	}
	return n > len(x.voters)/2
}

// text says what an entry did.
func text(e Entry, got Applied, s *State) string {
	ids := func(ids []uint64) (l []uint32) {
		for _, id := range ids {
			l = append(l, uint32(id))
		}
		return l
	}
	var t string
	switch e := e.(type) {
	case Enable:
		t = fmt.Sprintf("failover is enabled, epoch %d of %d", e.Epoch, uint32(e.Primary))
	case Disable:
		t = "failover is disabled"
	case Adjust:
		t = fmt.Sprintf("mode %d, %+v", e.Mode, e.Settings)
	case Describe:
		t = fmt.Sprintf("%d is described, boot %d, priority %d", uint32(e.Member), e.Boot, e.Priority)
	case Begin:
		t = fmt.Sprintf("epoch %d begins", e.Epoch)
	case Report:
		t = fmt.Sprintf("%d reports %d/%d for epoch %d", uint32(e.Member), e.Position.Epoch, e.Position.LSN, e.Epoch)
	case Grant:
		t = fmt.Sprintf("epoch %d is granted to %d, with %d of %v", e.Epoch, uint32(e.Primary), e.Set.W, ids(e.Set.Members))
		if got.Void == NotVoid {
			t += fmt.Sprintf(", as timeline %d from %d/%d", s.Epoch.Timeline, s.Epoch.From.Epoch, s.Epoch.From.LSN)
			t += lossText(", given up: ", s.Past[len(s.Past)-1].Loss)
		}
	case Forked:
		t = fmt.Sprintf("epoch %d is forked", e.Epoch)
	case Open:
		t = fmt.Sprintf("epoch %d is open", e.Epoch)
	case Reopen:
		t = fmt.Sprintf("epoch %d: boot %d of %d", e.Epoch, e.Boot, uint32(e.Member))
	case Quarantine:
		t = fmt.Sprintf("%d is quarantined: %v", uint32(e.Member), e.Reason)
	case Clear:
		t = fmt.Sprintf("%d is cleared", uint32(e.Member))
	case Progress:
		t = fmt.Sprintf("epoch %d has flushed up to %d", e.Epoch, e.LSN)
	case Change:
		t = fmt.Sprintf("the sync set of epoch %d is %d of %v, version %d", e.Epoch, e.Set.W, ids(e.Set.Members), e.Version)
	default:
		t = wordText(e)
	}
	if got.Void != NotVoid {
		t += fmt.Sprintf(" (void: %v)", got.Void)
	}
	return t
}
