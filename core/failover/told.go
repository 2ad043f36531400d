package failover

import (
	"cmp"
	"slices"
)

// What members tell, and what this node makes of it.

// Tells is what this node tells the other members. It shares memory with the machine: it is to be encoded before the next input.
func (m *Machine) Tells(a Around) Told {
	t := Told{Boot: m.boot, Applied: a.Applied, Server: m.has, Announced: m.announced, Denied: m.denied(), Unproven: m.unproven()}
	if m.has {
		v := &m.server
		t.Untrusted, t.Recovery, t.Stopping, t.Timeline = v.Untrusted, v.Recovery, v.Stopping, v.timeline()
		t.Sealed, t.Replayed, t.ReplayDone = v.Sealed, v.Replayed, v.ReplayDone
		t.End, t.Leaves = v.End, !v.Joined || v.Priority == 0
		if v.Recovery {
			t.Checkpoint = v.Checkpoint
		} else {
			t.Flushed, t.Boots = v.Flushed, v.Boots
		}
		t.Claim, t.Joins = m.claim(a), m.asksToJoin(a)
		if v.Recovery && v.Ended {
			t.Ended = v.Follows.Epoch
		}
	}
	if m.leased > 0 {
		t.Led = (a.Now-m.leased)*m.cfg.TickMillis + 1
	}
	for _, p := range a.Peers {
		if p.Silent != Never {
			t.Heard = append(t.Heard, Heard{p.ID, p.Silent * m.cfg.TickMillis})
		}
	}
	return t
}

func (m *Machine) peer(id uint64) *peer {
	i, ok := slices.BinarySearchFunc(m.peers, id, func(p peer, id uint64) int { return cmp.Compare(p.id, id) })
	if !ok {
		return nil
	}
	return &m.peers[i]
}

// reachable says whether this node has heard a member within an election timeout.
func (m *Machine) reachable(id uint64, a Around) bool {
	return id == m.cfg.Self || m.silent(id, a) < m.cfg.ElectionTicks
}

func (m *Machine) silent(id uint64, a Around) uint64 {
	for _, p := range a.Peers {
		if p.ID == id {
			return p.Silent
		}
	}
	return Never
}

// fresh is what a member that is connected told within an election timeout, nil if it did not.
func (m *Machine) fresh(id uint64, a Around) *Told {
	p := m.peer(id)
	if p == nil || a.Now-p.at >= m.cfg.ElectionTicks || !m.connected(id, a) {
		return nil
	}
	return &p.told
}

// connected says whether a member was heard within an election timeout, and has not closed its
// connections since.
func (m *Machine) connected(id uint64, a Around) bool {
	for _, p := range a.Peers {
		if p.ID == id {
			return p.Silent < m.cfg.ElectionTicks && !p.Closed
		}
	}
	return id == m.cfg.Self
}

// informed says whether a new leader may decide: all who are connected have told it
// what they see since it was elected, or an election timeout has passed.
func (m *Machine) informed(a Around) bool {
	if a.Now-m.ledSince >= m.cfg.ElectionTicks {
		return true
	}
	for _, p := range a.Peers {
		if !m.connected(p.ID, a) {
			continue
		}
		if q := m.peer(p.ID); q == nil || q.at < m.elected {
			return false
		}
	}
	return true
}

// lastHeard is the tick at which anyone last heard another member, as far as this node
// knows; for one who was never heard, that at which this node started.
func (m *Machine) lastHeard(id uint64, a Around) uint64 {
	at := m.start
	if s := m.silent(id, a); s <= a.Now {
		at = max(at, a.Now-s)
	}
	return max(at, m.heardAt(id))
}

// leasedAt is the tick at which another member had the lease last, by what it told; 0: it
// told of none.
func (m *Machine) leasedAt(id uint64) uint64 {
	p := m.peer(id)
	if p == nil || p.told.Led == 0 {
		return 0
	}
	return p.at - min(p.at, m.cfg.ticks(p.told.Led-1))
}

// hears is a voter that hears a member whom this node does not, 0 if there is none.
func (m *Machine) hears(id uint64, a Around) uint64 {
	best, least := uint64(0), m.cfg.ElectionTicks
	for _, p := range m.peers {
		if p.id == id || !slices.Contains(a.Voters, p.id) || m.fresh(p.id, a) == nil {
			continue
		}
		for _, h := range p.told.Heard {
			if ago := m.cfg.ticks(h.Millis) + a.Now - p.at; h.Member == id && ago < least {
				best, least = p.id, ago
			}
		}
	}
	return best
}

// deaf says that a voter does not hear a member: this node knows, or was told lately.
func (m *Machine) deaf(voter, id uint64, a Around) bool {
	if voter == m.cfg.Self {
		return !m.reachable(id, a)
	}
	t := m.fresh(voter, a)
	return t != nil && voter != id && !slices.ContainsFunc(t.Heard, func(h Heard) bool {
		return h.Member == id && m.cfg.ticks(h.Millis) < m.cfg.ElectionTicks
	})
}

// isolated says that so many voters do not hear a member that it cannot lead.
func (m *Machine) isolated(id uint64, a Around) bool {
	n := 0
	for _, v := range a.Voters {
		if m.deaf(v, id, a) {
			n++
		}
	}
	return n >= len(a.Voters)-len(a.Voters)/2
}

// usable says whether a member can be counted on for the next epoch: it is electable
// and there, with a server whose data is what it was.
func (m *Machine) usable(id uint64, a Around) bool {
	there, untrusted := m.there(id, a)
	return there && !untrusted
}

// there says whether a member is electable and there with a server; one whose data is
// untrusted makes it anew from the next primary.
func (m *Machine) there(id uint64, a Around) (there, untrusted bool) {
	if !a.State.Electable(id, a.Voters) {
		return false, false
	}
	if id == m.cfg.Self {
		return m.has, m.server.Untrusted
	}
	t := m.fresh(id, a)
	if t == nil {
		return false, false
	}
	return t.Server, t.Untrusted
}

// replayed says whether a member's replay has come to the end of its WAL.
func (m *Machine) replayed(id uint64, a Around) bool {
	if id == m.cfg.Self {
		return m.has && m.server.ReplayDone
	}
	t := m.fresh(id, a)
	return t != nil && t.ReplayDone
}
