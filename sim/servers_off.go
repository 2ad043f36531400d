package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// Failover that is disabled on a cluster that runs, and what the operator does to have it
// again.

// released takes no part in failover any more. It may die before all of it is done.
func (v *server) released(o failover.Release, acts []host.Act) {
	w := v.n.w
	if v.diesReleased {
		first := slices.IndexFunc(acts, func(a host.Act) bool { _, ok := a.(host.NoteStore); return ok })
		v.does(acts[:first+1]...)
		v.diesReleased, v.halfTold, v.edited = false, true, true
		w.say(v.n, "dies as it is told that failover is off since epoch %d", o.Epoch)
		w.marks.add(markReleaseCut)
		v.dies(v.draws.Below(2) == 0, v.draws.Between(0, 2*time.Second))
		return
	}
	if !v.carriesOut(o, acts) {
		v.halfTold = v.data.Joined != v.store.Joined
		v.edited = v.edited || v.halfTold
		return
	}
	w.say(v.n, "takes no part any more, as failover is off since epoch %d", o.Epoch)
	w.marks.add(markReleased)
	v.out, v.edited, v.halfTold = true, false, false
}

// takesPart notes that the server takes part from now on.
func (v *server) takesPart() {
	v.had = failover.Position{}
	v.does(host.Join(v.notes(), uint32(v.pg.LastTimeline()), v.pg.IsStandby())...)
}

// joins has a server take part again, from what it has now. It has been told of all epochs
// up to one.
func (v *server) joins(epoch uint64) {
	v.n.w.say(v.n, "is to take part in failover again")
	v.takesPart()
	v.out, v.edited, v.halfTold = false, false, false
	v.data.Sealed = max(v.data.Sealed, epoch)
	if s := v.sees(); s.Recovery && !s.Source { // else a seal comes first
		v.startsAnew(host.StartsAnew(v.notes(), &s), &s, "to take part")
	}
}

// enables is the operator who wants failover again: who goes on as the primary, and those who
// can follow it, join; others are cloned. Who is away finds out later. The settings are what
// the operator wants by now, as those of the time before cannot be changed while it is off.
func (x *servers) enables(l *node, s *failover.State) {
	p := x.goesOn(l, s)
	if p == nil || p.n.state != running || p.rejoining || p.apart || p.frozen || !p.out && p.data.Sealed < s.Epoch.Number || p.pg.Phase() == postgres.Down || x.asks {
		return
	}
	if p.pg.InRecovery() {
		x.takesOver(p, s)
		return
	}
	t := p.pg.Timeline()
	if p.out || p.data.JoinedOn != uint32(t) && p.data.EpochOf(uint32(t)) == 0 {
		p.joins(s.Epoch.Number)
		return
	}
	e := failover.Enable{Epoch: s.Epoch.Number + 1, Primary: p.n.identity.RaftID, Boot: p.boot, System: 1, LSN: uint64(p.pg.Flushed()),
		History: p.history(t), Highest: uint32(t), Settings: x.wanted}
	if x.unknown(l, s, p) {
		return
	}
	for _, v := range x.data() {
		if v != p && v.isMember() && x.comesBack(v, p) && !x.unknown(l, s, v) {
			e.Set.Members = append(e.Set.Members, v.n.identity.RaftID)
		}
	}
	slices.Sort(e.Set.Members)
	e.Set.W = min(e.Settings.SyncCount, uint32(len(e.Set.Members)))
	if e.Settings.Durability == failover.Required && e.Set.W < e.Settings.SyncCount {
		return
	}
	x.founding = x.w.now
	x.propose(l, e)
}

// goesOn is the server of the last primary, or where its member is no more, as after a lost
// quorum, that of the first one that is. A primary that is to be removed goes on, too: it
// takes writes until failover is on again, and is removed then. Nobody promotes data that is
// known to be older than it was while another server has its own.
func (x *servers) goesOn(l *node, s *failover.State) *server {
	isVoter := func(v *server) bool {
		return v != nil && !v.blank && slices.Contains(l.voters(), v.n.identity.RaftID)
	}
	if p := x.of(s.Epoch.Primary); isVoter(p) {
		if !p.pg.InRecovery() || p.data.Doubt == failover.NoDoubt {
			return p
		}
		return x.furthest(p, isVoter)
	}
	if i := slices.IndexFunc(x.data(), func(v *server) bool { return isVoter(v) && v.isMember() }); i >= 0 {
		return x.data()[i]
	}
	return nil
}

// furthest is the standby with the greatest position of those whose data is their own, once
// all of them can be looked at; instead where there is none.
func (x *servers) furthest(instead *server, may func(*server) bool) *server {
	best := instead
	for _, v := range x.data() {
		switch {
		case !may(v) || v.data.Doubt != failover.NoDoubt:
		case v.n.state != running || v.rejoining || v.pg.Phase() == postgres.Down:
			return nil
		case !v.pg.InRecovery() || v.pg.Promotes():
			return v
		case best == instead || best.reaches().Compare(v.reaches()) < 0:
			best = v
		}
	}
	return best
}

// reaches is the position of the server's WAL, as it is shown to the operator.
func (v *server) reaches() failover.Position {
	at := v.endsAt()
	return failover.Position{Epoch: v.data.EpochOf(at.Timeline), LSN: at.LSN}
}

// unknown says that the log does not have a server as one that may be primary yet. The
// operator ends a quarantine: the data was looked at.
func (x *servers) unknown(l *node, s *failover.State, v *server) bool {
	id := v.n.identity.RaftID
	m := s.Member(id)
	if m != nil && m.Quarantined != failover.NotQuarantined && !x.asks {
		x.propose(l, failover.Clear{Member: id})
	}
	return m == nil || m.Quarantined != failover.NotQuarantined || !m.Joined || !slices.Contains(l.voters(), id)
}

// takesOver makes a standby a plain primary, on a timeline that is new to the log.
func (x *servers) takesOver(p *server, s *failover.State) {
	switch {
	case !p.pg.Reads() || p.pg.Promotes():
	case p.pg.Astray(): // it ended before the timeline began
		last := uint32(p.pg.LastTimeline())
		for _, t := range p.histories() {
			if t > last {
				p.does(host.RemoveHistory{Timeline: t})
			}
		}
		p.pg.CrashRestart()
	case p.pg.Conninfo() != postgres.Conninfo{} || p.pg.Receives():
		p.pg.SetConninfo(postgres.Conninfo{})
	case !p.pg.IsStopping():
		t := max(s.Timelines, uint32(p.pg.LastTimeline())) + 1
		x.w.say(p.n, "its server is promoted to timeline %d by the operator", t)
		p.data.Joined, p.store.Joined, p.out = false, false, true // it joins once it is there
		x.handled = true
		at := p.endsAt()
		for n := at.Timeline + 1; n < t; n++ {
			p.does(host.WriteHistory{History: append(p.history(postgres.TLI(at.Timeline)), failover.Branch{Timeline: n, Begin: at.LSN})})
		}
		p.pg.Promote()
	}
}

// comesBack says that a server streams from the one that goes on, and has joined on its
// timeline. One that has diverged, or lacks WAL that is gone there, is cloned.
func (x *servers) comesBack(v, p *server) bool {
	if v.n.state != running || v.rejoining || v.apart || v.frozen || v.pg.Phase() == postgres.Down || !v.pg.InRecovery() || !v.out && v.data.Sealed < p.data.Sealed || v.pg.Promotes() {
		return false
	}
	t, at := p.pg.Timeline(), v.pg.ValidEnd(postgres.ByHistory)
	if v.mem.Lacks || failover.Relate(v.history(at.TLI), uint64(at.End), p.history(t)) != failover.Prefix {
		v.n.w.say(v.n, "is to be cloned by the operator, as failover is off")
		v.out, v.named = true, p
		v.data.Joined, v.store.Joined = false, false
		v.leaves(cloned)
		return false
	}
	if id, _ := v.pg.Receiving(); id != int(p.n.id) {
		v.streamsPlainly(p.n.id)
		return false
	}
	if at.TLI == t && (v.out || v.data.JoinedOn != uint32(t) && v.data.EpochOf(uint32(t)) == 0) {
		v.joins(p.data.Sealed)
	}
	return at.TLI == t && !v.out
}

// plain says that a server takes writes without failover, which was on before.
func (v *server) plain() bool {
	return v.in.enabled && v.pg.Phase() == postgres.Production && !v.shared.Failover && !v.byHand
}

// foundingTime is for how long the operator waits for failover that was enabled again.
const foundingTime = 8 * time.Second

// disables is the operator who gives up what does not open: an enabling that was believed
// lost, say, whose primary is on another timeline by now.
func (x *servers) disables(s *failover.State, l *node) {
	switch {
	case s.Mode != failover.ModeFounding || x.serving() != nil:
		x.founding = x.w.now
	case x.w.now-x.founding > foundingTime && !x.asks && len(s.Past) > 1:
		x.w.say(l, "failover does not open, and is disabled by the operator")
		x.propose(l, failover.Disable{Epoch: s.Epoch.Number})
	}
}
