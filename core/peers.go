package core

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/pgraft/pgraft/core/corepb"
)

// What this node hears of the other members: by itself, from the library if it leads,
// and otherwise from the leader, which tells all of them with its heartbeats.

// peer is what this node knows of another member beside Raft's own progress.
type peer struct {
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

func (c *Core) peer(id uint64) *peer {
	p := c.peers[id]
	if p == nil {
		p = &peer{}
		c.peers[id] = p
	}
	return p
}

// neverHeard stands for a silence that began before this node knows of it.
const neverHeard = ^uint64(0)

// silentMillis is the time since this node heard from a member.
func (c *Core) silentMillis(id uint64) uint64 {
	p := c.peers[id]
	if p == nil || !p.heard {
		return neverHeard
	}
	return (c.now - p.lastHeard) * c.cfg.TickMillis
}

// reachable says that a member was heard from within an election timeout.
func (c *Core) reachable(id uint64) bool {
	return id == c.self || c.silentMillis(id) < uint64(c.cfg.ElectionTicks)*c.cfg.TickMillis
}

// contacts is what a leader tells all members about each of them.
func (c *Core) contacts() []*corepb.Contact {
	l := make([]*corepb.Contact, 0, len(c.members.List))
	progress := c.progress()
	for _, m := range c.members.List {
		id := m.GetRaftId()
		if id == c.self {
			continue
		}
		k := &corepb.Contact{RaftId: id, SilentMillis: c.silentMillis(id), Match: progress.of(id).match,
			Alarm: corepb.Alarm(c.alarmOf(id)), Full: c.fullHere(id)}
		if c.announces() != 0 {
			k.Newest = c.newestOf(id)
		}
		l = append(l, k)
	}
	if c.full {
		l = append(l, &corepb.Contact{RaftId: c.self, Match: c.last, Full: true})
	}
	return l
}

func (c *Core) noteContacts(env *corepb.Envelope) {
	c.peer(env.GetFrom()).newest = max(env.GetLeaseRound().GetNewest(), OldestVersion)
	for _, k := range env.GetLeaseRound().GetContacts() {
		if c.members.Get(k.GetRaftId()) != nil && k.GetRaftId() != c.self {
			p := c.peer(k.GetRaftId())
			p.contact, p.contactAt = k, c.now
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
