package failover

import (
	"cmp"
	"slices"
)

// How the primary changes the sync set: it sees who keeps up, decides, has the decision
// published, so that commits count for both sets, and proposes it once that is so and all
// that was flushed before has reached the set that follows.

// change is a decision to put another set in force.
type change struct {
	number   uint64 // in this engine's life; 0: there is none
	version  uint64 // that the log gives it
	set      Set
	known    bool   // need is: the decision is published, and the names are in force
	need     uint64 // all that was flushed here before
	proposed bool   // it cannot be withdrawn any more
}

// lag is how a member's counted flush position stands to this server's.
type lag struct {
	member uint64
	mark   uint64 // LSN that was flushed here
	at     uint64 // tick at which it was
	keeps  bool   // the member flushed the mark before this one within sync_timeout
}

// look at how far each member of whom a walsender is counted has come. A mark that is
// reached is followed by what is flushed here now.
func (m *Machine) seeLags(a Around) {
	s := a.State
	m.lags = slices.DeleteFunc(m.lags, func(l lag) bool { return s.Member(l.member) == nil })
	for _, x := range s.Members {
		if x.ID == m.cfg.Self || !x.Data {
			continue
		}
		i, ok := slices.BinarySearchFunc(m.lags, x.ID, func(l lag, id uint64) int { return cmp.Compare(l.member, id) })
		if !ok {
			m.lags = slices.Insert(m.lags, i, lag{member: x.ID, mark: m.server.Flushed, at: a.Now})
		}
		l := &m.lags[i]
		switch at, counted := m.counts(x.ID); {
		case counted && at >= l.mark:
			*l = lag{x.ID, m.server.Flushed, a.Now, !m.late(l, a)}
		case !counted || m.late(l, a):
			l.keeps = false
		}
	}
}

// late says that a member has not flushed what was flushed here sync_timeout ago. A
// standby that stands still keeps its connection for long.
func (m *Machine) late(l *lag, a Around) bool {
	return a.Now-l.at >= m.cfg.ticks(a.State.Settings.SyncTimeoutMillis)
}

// counts is how far a member's WAL reaches of which an announced walsender has said that
// it is flushed; false if there is none.
func (m *Machine) counts(id uint64) (at uint64, ok bool) {
	for _, x := range m.server.Senders {
		if x.Token.Member == id && slices.Contains(m.announced, x.Token) {
			at, ok = max(at, x.Flushed), true
		}
	}
	return at, ok
}

// lagging are the members that could be in the set, and do not keep up.
func (m *Machine) lagging(a Around) (ids []uint64) {
	for _, x := range a.State.Members {
		if x.ID != m.cfg.Self && a.State.Electable(x.ID, a.Voters) && !m.keepsUp(x.ID, a) {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// leaves says that a member wants to be in no set: its settings say so. Its description
// is void as long as a set names it.
func (m *Machine) leaves(id uint64) bool {
	p := m.peer(id)
	return p != nil && p.told.Leaves
}

// goal is the set that should be in force: those who keep up, and sync_count of them. With
// required W is never lowered below that; where too few are there for it, nobody leaves. Where
// W has to rise, and too few are there, it is of all whom a set may name.
func (m *Machine) goal(a Around) Set {
	if m.wants {
		return m.want
	}
	s, e := a.State, &a.State.Epoch
	if s.Settings.Durability == Async {
		return Set{}
	}
	var c Set
	var rest, others []uint64 // who is in the set and does not keep up, and who might be in it
	for i := range m.lags {
		l := &m.lags[i]
		in := e.Set.Has(l.member)
		switch {
		case !s.Electable(l.member, a.Voters):
		case !m.late(l, a) && (l.keeps || in) && !m.leaves(l.member) && len(c.Members) < MaxSetMembers:
			c.Members = append(c.Members, l.member)
		case in:
			rest = append(rest, l.member)
		case !m.leaves(l.member):
			others = append(others, l.member)
		}
	}
	n := uint32(len(c.Members))
	if c.W = min(s.Settings.SyncCount, n); s.Settings.Durability == Required {
		c.W = s.Settings.SyncCount
	}
	if n < c.W {
		c.Members = union(c.Members, rest)
	}
	if m.rises(a) {
		if n < c.W { // W may be more than all of them
			c.Members = union(c.Members, others)
			c.Members = c.Members[:min(len(c.Members), MaxSetMembers)]
		}
		return c
	}
	switch {
	case c.W == 0:
		return Set{} // whom it names means nothing
	case len(c.Members) < int(c.W) || len(c.Members) > MaxSetMembers:
		return e.Set // whom it names can be primary no more
	}
	return c
}

// rises says that W is to be more than it is in the log, and required: from the decision on
// no commit is acknowledged by fewer.
func (m *Machine) rises(a Around) bool {
	s := a.State
	return s.Settings.Durability == Required && s.Epoch.Set.W < s.Settings.SyncCount
}

// decide makes a decision where the set is to be another one, and withdraws one that is
// not proposed and not wanted any more.
func (m *Machine) decide(a Around, wanted bool) {
	e, c := &a.State.Epoch, &m.change
	if c.number > 0 && c.version <= e.SetVersion {
		// It is settled. After one that was void, the next one waits its time.
		if c.set.equal(e.Set) {
			m.sent = slices.DeleteFunc(m.sent, func(x sent) bool { return x.kind == kindChange || x.kind == kindOpen })
		}
		*c = change{}
	}
	if c.proposed {
		return
	}
	next := e.Set
	if wanted {
		next = m.goal(a)
	}
	if wanted && !m.rises(a) { // in between fewer would do
		next = e.Set.towards(next, func(id uint64) bool { return a.State.Electable(id, a.Voters) })
	}
	switch {
	case next.equal(e.Set):
		*c = change{}
	case c.number == 0 || !next.equal(c.set):
		m.decisions++
		*c = change{number: m.decisions, version: e.SetVersion + 1, set: next.clone()}
	}
}

// propose brings a decision into the log, again and again until it is settled: the log
// may have taken it whenever it was proposed. Before that the names and shared memory go
// by both sets, and all that was flushed until then, in whatever epoch, has to be on the
// set that follows: nobody asked for that before.
func (m *Machine) propose(a Around, inForce bool, out *Output) {
	e, v, c := &a.State.Epoch, &m.server, &m.change
	switch {
	case c.number == 0:
		return
	case c.proposed:
	case !inForce || v.Decision != c.number:
		c.known = false
		return
	default:
		if !c.known {
			c.known, c.need = true, max(v.Flushed, v.Fork, e.From.LSN)
		}
		if v.Flushed < c.need || !m.fills(c.set, c.need) || !a.Leads || !a.Lease {
			return
		}
	}
	if m.due(kindChange, a) {
		c.proposed = true
		out.Propose = append(out.Propose, Change{e.Number, m.cfg.Self, m.boot, c.version, c.set})
	}
}

// fills says whether W of a set have flushed an LSN.
func (m *Machine) fills(c Set, need uint64) bool {
	return len(c.Members)-len(m.behind(c, need)) >= int(c.W)
}

// counting is the set that the names stand for. Where fewer may be named than a commit is to
// wait for, the names are of all of them: F3 waits for more.
func (m *Machine) counting(e *Epoch) Set {
	if m.change.number > 0 {
		next := m.change.set
		next.W = min(next.W, uint32(len(next.Members)))
		return e.Set.joint(next)
	}
	return e.Set
}
