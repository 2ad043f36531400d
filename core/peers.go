package core

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/pgraft/pgraft/core/corepb"
)

// What this node hears of the other members: by itself, from the library if it leads,
// and otherwise from the leader, which tells all of them with its heartbeats.

// peer is what this node knows of another member beside Raft's own progress.
type peer struct {
	id        uint64
	heard     bool
	lastHeard uint64          // tick
	round     uint64          // as its follower: the lease round last answered
	contact   *corepb.Contact // as the leader's follower: what the leader says of it
	contactAt uint64          // tick
	full      bool            // its disk is, as it says
	takesNone bool            // as the leader it says that it takes no proposals
	leaves    bool            // it has asked to be removed
	alarm     Alarm           // as the leader: what it has said of itself
	newest    uint32          // as the leader's follower: the newest version that the leader knows
	closed    bool            // see PeerClosed
	closedAt  uint64          // tick
}

// peers are in no particular order: who is to be walked in one is in machine.members.
// There are so few that looking through them costs less than a map does.
type peers []*peer

// of is what is known of a member; nil: nothing.
func (ps peers) of(id uint64) *peer {
	for _, p := range ps {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (c *Core) peer(id uint64) *peer {
	p := c.peers.of(id)
	if p == nil {
		p = &peer{id: id}
		c.peers = append(c.peers, p)
	}
	return p
}

func (c *Core) forgetPeer(id uint64) {
	c.failing.partakers = slices.DeleteFunc(c.failing.partakers, func(p partaker) bool { return p.id == id })
	c.peers = slices.DeleteFunc(c.peers, func(p *peer) bool { return p.id == id })
}

// neverHeard stands for a silence that began before this node knows of it.
const neverHeard = ^uint64(0)

// silentMillis is the time since this node heard from a member.
func (c *Core) silentMillis(id uint64) uint64 {
	p := c.peers.of(id)
	if p == nil || !p.heard {
		return neverHeard
	}
	return (c.now - p.lastHeard) * c.cfg.TickMillis
}

// reachable says that a member was heard from within an election timeout.
func (c *Core) reachable(id uint64) bool {
	return id == c.self || c.silentMillis(id) < uint64(c.cfg.ElectionTicks)*c.cfg.TickMillis
}

// contacts is what a leader tells all members about each of them. It is good until the
// next call.
func (c *Core) contacts() []*corepb.Contact {
	l, n := c.sent.contacts, 0
	progress := c.progress()
	for _, m := range c.members.List {
		id := m.GetRaftId()
		if id == c.self {
			continue
		}
		l = someContact(l, n)
		k := l[n]
		k.RaftId, k.SilentMillis, k.Match = id, c.silentMillis(id), progress.of(id).match
		k.Alarm, k.Full = corepb.Alarm(c.alarmOf(id)), c.fullHere(id)
		if c.announces() != 0 {
			k.Newest = c.newestOf(id)
		}
		n++
	}
	if c.full {
		l = someContact(l, n)
		l[n].RaftId, l[n].Match, l[n].Full = c.self, c.last, true
		n++
	}
	c.sent.contacts = l
	return l[:n:n]
}

func (c *Core) noteContacts(env *corepb.Envelope) {
	c.peer(env.GetFrom()).newest = max(env.GetLeaseRound().GetNewest(), OldestVersion)
	contacts := env.GetLeaseRound().GetContacts()
	for i, k := range contacts {
		if c.members.Get(k.GetRaftId()) != nil && k.GetRaftId() != c.self {
			p := c.peer(k.GetRaftId())
			p.contact, contacts[i], p.contactAt = k, p.contact, c.now // see incoming
		}
	}
}

type progress struct {
	id, match, next uint64
	replicating     bool
}

// progresses are in no particular order; a map would cost more than looking.
type progresses []progress

// of is a member's, zero if the library has none.
func (ps progresses) of(id uint64) progress {
	for _, p := range ps {
		if p.id == id {
			return p
		}
	}
	return progress{}
}

// progress is the library's view of every member's log, on a leader.
func (c *Core) progress() progresses {
	if c.role != raft.StateLeader {
		return nil
	}
	ps := make(progresses, 0, len(c.members.List))
	c.rn.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		ps = append(ps, progress{id, p.Match, p.Next, p.State == tracker.StateReplicate})
	})
	return ps
}
