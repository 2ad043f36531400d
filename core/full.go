package core

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// A node whose disk is full (DiskFull) takes no users' data, and goes on with all
// that needs little room: it votes and promises as the disk allows, takes heartbeats
// and entries of Raft's own, and answers. What a leader sends it is dropped at the
// door, as by a network that loses messages; once there is room, it catches up.
//
// As leader it hands leadership to a voter that has room. If none has, or if too few
// have for a quorum, it takes no proposals, and says so with its heartbeats: they are
// refused where they are made, before any copy of them is under way, so that nothing
// can happen to what was refused.

// diskFull takes what the host says of its disk.
func (c *Core) diskFull(in DiskFull) {
	if c.full == in.Full {
		return
	}
	c.full = in.Full
	if c.full {
		c.event(Debug, "no entries are taken: the disk is full")
		c.handOverWhenFull()
	} else {
		c.event(Debug, "entries are taken again")
	}
}

// handOverWhenFull tries once in an election timeout: a new leader only once it knows
// who has room.
func (c *Core) handOverWhenFull() {
	if !c.full || c.role != raft.StateLeader || c.removed || c.transfer.target != 0 ||
		c.fullAskedAt > 0 && c.now-c.fullAskedAt < uint64(c.cfg.ElectionTicks) {
		return
	}
	if to := c.successor(c.reachable); to != 0 && !c.fullHere(to) {
		c.fullAskedAt = c.now
		c.startTransfer(to)
	}
}

// carriesData says whether a message has something that takes much room.
func carriesData(m *pb.Message) bool {
	switch m.GetType() {
	case pb.MsgSnap:
		return true
	case pb.MsgApp:
		return slices.ContainsFunc(m.GetEntries(), func(e *pb.Entry) bool {
			return e.GetType() == pb.EntryNormal && len(e.GetData()) > 0
		})
	}
	return false
}

// withheld says that m is not sent, as its recipient would drop it.
func (c *Core) withheld(m *pb.Message) bool {
	p := c.peers.of(m.GetTo())
	if p == nil || !p.full || !carriesData(m) {
		return false
	}
	if m.GetType() == pb.MsgSnap {
		c.rn.ReportSnapshot(m.GetTo(), raft.SnapshotFailure)
	}
	return true
}

// takesNone says that this node, which leads, takes no proposals: its own disk is
// full, or those of so many voters that what is left and reachable is no quorum.
func (c *Core) takesNone() bool {
	none := c.full
	c.voters(func(ids []uint64) {
		full, room := 0, 0
		for _, id := range ids {
			switch {
			case c.fullHere(id):
				full++
			case id == c.self || c.reachable(id):
				room++
			}
		}
		none = none || full > 0 && room < Majority(len(ids))
	})
	return none
}

// noRoom says whether a proposal made here could come to nothing for want of room, and
// if so whose disks are full.
func (c *Core) noRoom() (text string, none bool) {
	switch {
	case c.full, c.role == raft.StateLeader && c.takesNone():
	case c.role != raft.StateLeader && c.lead != 0 && c.peer(c.lead).takesNone:
	default:
		return "", false
	}
	var full []string
	for _, m := range c.members.List {
		id := m.GetRaftId()
		if c.fullHere(id) {
			full = append(full, fmt.Sprint(NodeID(id)))
		}
	}
	switch len(full) {
	case 0: // the leader has not said whose
		return "too many members have a full disk", true
	case 1:
		return "the disk of node " + full[0] + " is full", true
	default:
		return "the disks of nodes " + enumerate(full) + " are full", true
	}
}

// fullHere says whether a member's disk is full, as far as this node knows.
func (c *Core) fullHere(id uint64) bool {
	if id == c.self {
		return c.full
	}
	p := c.peers.of(id)
	if p == nil {
		return false
	}
	if c.role == raft.StateLeader {
		return p.full
	}
	return p.contact.GetFull()
}

// sayFull puts into a heartbeat whether the leader takes proposals, and into its answer
// whether this node's disk is full.
func (c *Core) sayFull(env *corepb.Envelope) {
	switch env.GetRaft().GetType() {
	case pb.MsgHeartbeat:
		env.Full = c.role == raft.StateLeader && c.takesNone()
	case pb.MsgHeartbeatResp:
		env.Full = c.full
	}
}

// noteFull takes that from a message of this node's term.
func (c *Core) noteFull(env *corepb.Envelope, m *pb.Message) {
	switch p := c.peer(m.GetFrom()); {
	case m.GetTerm() != c.hard.Term:
	case m.GetType() == pb.MsgHeartbeat:
		p.takesNone = env.GetFull()
	case m.GetType() == pb.MsgHeartbeatResp:
		p.full = env.GetFull()
	}
}
