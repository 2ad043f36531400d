package core

import (
	"go.etcd.io/raft/v3"

	"github.com/pgraft/pgraft/core/corepb"
)

// Role is what a member is at the moment.
type Role uint8

const (
	RoleFollower Role = iota
	RoleCandidate
	RoleLeader
	RoleLearner
	RoleRemoved
)

func (r Role) String() string {
	return [...]string{"Follower", "Candidate", "Leader", "Learner", "Removed"}[r]
}

// Status is what a core knows of itself. Reading it changes nothing.
type Status struct {
	RaftID  uint64
	Role    Role
	Lead    uint64 // Raft id of the leader, 0 = none known
	Term    uint64
	Commit  uint64
	Applied uint64 // by the replicated state machine
	Last    uint64 // last log index
	// Readable is up to which index the log store holds what is committed: behind it
	// there may be an older leader's entries still.
	Readable uint64
	// Gone is up to which index what this node's log lacks in gaps is in no member's
	// log any more, as all of them said; 0: nothing is.
	Gone uint64
	Tick uint64 // ticks since the start
	// Campaigns is how many elections this node has called since the
	// start, without those that a leader asked it for.
	Campaigns uint64
	// The lease runs for LeaseTicks ticks from the moment of the tick number
	// LeaseFrom; there is none if LeaseTicks is 0.
	LeaseFrom  uint64
	LeaseTicks uint64
	Alarm      Alarm  // about this node
	Full       bool   // the disk is
	Version    uint32 // of the cluster, as of Applied
	Newest     uint32 // version that this build knows
}

// Status is cheap: call it after every Step.
func (c *Core) Status() Status {
	s := Status{RaftID: c.self, Role: RoleFollower, Lead: c.lead, Term: c.hard.Term, Commit: c.hard.Commit,
		Applied: c.machine.index, Last: c.last, Tick: c.now, Campaigns: c.timer.campaigns, LeaseFrom: c.lease.from, LeaseTicks: c.lease.ticks, Alarm: c.alarm(),
		Full: c.full, Version: c.members.Version, Newest: c.cfg.Newest, Readable: c.readable(), Gone: c.retain.Gone()}
	switch {
	case c.removed:
		s.Role, s.Lead = RoleRemoved, 0
	case c.role == raft.StateLeader:
		s.Role = RoleLeader
	case c.role == raft.StateCandidate || c.role == raft.StatePreCandidate:
		s.Role = RoleCandidate
	case !c.isVoter(c.self):
		s.Role = RoleLearner
	}
	return s
}

// Members is the membership as of the applied index.
func (c *Core) Members() Members { return c.members }

// MemberStatus is what this node knows of a member: by itself if it leads,
// otherwise by what the leader said last.
type MemberStatus struct {
	Member       *corepb.Member
	Match        uint64 // last log index known to be the leader's
	Next         uint64 // next index to send; 0 unless this node leads
	Replicating  bool   // the leader streams entries to it; false unless this node leads
	SilentMillis uint64 // since the leader heard from it (or this node, from the leader)
	Full         bool   // its disk is, as it said last
	Newest       uint32 // version that its build knows; 0: not known
	Heard        bool   // false: never, as far as this node knows
	Alarm        Alarm  // about it
}

// MemberStatuses is ordered by node id.
func (c *Core) MemberStatuses() []MemberStatus {
	l := make([]MemberStatus, 0, len(c.members.List))
	progress := c.progress()
	for _, m := range c.members.List {
		id := m.GetRaftId()
		s := MemberStatus{Member: m, SilentMillis: c.silentMillis(id), Alarm: c.alarmOf(id), Full: c.fullHere(id), Newest: c.newestOf(id)}
		switch {
		case id == c.self:
			s.Match, s.SilentMillis = c.last, 0
			if c.role != raft.StateLeader && c.lead != 0 {
				s.SilentMillis = c.silentMillis(c.lead)
			}
		case c.role == raft.StateLeader:
			p := progress.of(id)
			s.Match, s.Next, s.Replicating = p.match, p.next, p.replicating && c.reachable(id)
		case id == c.lead:
			s.Match = c.last
		default:
			if p := c.peers.of(id); p != nil && p.contact != nil {
				s.Match = p.contact.GetMatch()
				s.SilentMillis = p.contact.GetSilentMillis()
				if s.SilentMillis != neverHeard {
					s.SilentMillis += (c.now - p.contactAt) * c.cfg.TickMillis
				}
			}
		}
		if s.Heard = s.SilentMillis != neverHeard; !s.Heard {
			s.SilentMillis = 0
		}
		l = append(l, s)
	}
	return l
}
