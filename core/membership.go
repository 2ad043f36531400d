package core

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Membership changes are driven by state, not by who asked: a learner that is
// JOINING is promoted and one that is LEAVING is removed by whoever leads, so a
// change outlives its leader. One entry at a time is in flight (thesis, section
// 4.1, and the bug of 2015: none before the leader's own first entry).
type changes struct {
	waiting []*change
	// promotions are the rounds that learners wait for before they become voters.
	promotions map[uint64]roundWait
	confIndex  uint64 // nothing is proposed before the library has applied this
	proposed   bool   // the entry at confIndex is a change of ours
}

// change is one AddNode, ReplaceNode or RemoveNode that waits for its Reply.
type change struct {
	ids     []uint64       // empty: nobody waits, another member asked
	add     *corepb.Member // nil: a removal. With Replaces set: a replacement
	newest  uint32         // with add: the version that its build knows
	raftID  uint64         // set when the first entry has been proposed, or a removal
	started bool
	wait    roundWait // before it is started
	// handed: this node asked another member to remove it, which may still do so.
	handed bool
}

// leaderDuties proposes the next membership entry that is due. What is asked for
// waits while a member is LEAVING.
func (c *Core) leaderDuties() {
	if c.role != raft.StateLeader || c.removed {
		return
	}
	c.endVainTransfer()
	c.pumpWish()
	if c.role != raft.StateLeader || c.transfer.target != 0 || c.joint() || c.storage.libApplied < c.changes.confIndex {
		c.changes.forgetRounds()
		return
	}
	for _, m := range c.members.List {
		switch {
		case m.GetRole() == corepb.Role_LEAVING && c.failoverKeeps(m.GetRaftId()).code != OK: // for a while
		case m.GetRole() == corepb.Role_LEAVING:
			c.proposeChange(corepb.MemberChange_REMOVE, pb.ConfChangeRemoveNode, &corepb.Member{RaftId: m.GetRaftId()})
			return
		case m.GetRole() == corepb.Role_JOINING && c.caughtUp(m.GetRaftId()) && c.promote(m):
			return
		}
	}
	if c.raiseVersion() {
		return
	}
	for _, ch := range slices.Clone(c.changes.waiting) {
		if !ch.started && c.start(ch) {
			return
		}
	}
}

// forgetRounds drops all answers: those from before a change of the members, or of the
// leader, do not count after it.
func (cs *changes) forgetRounds() {
	cs.promotions = nil
	for _, ch := range cs.waiting {
		ch.wait = roundWait{}
	}
}

// start makes the first step of a change; true if an entry was proposed, or if
// whatever comes later has to wait.
func (c *Core) start(ch *change) bool {
	if ch.add != nil {
		return c.startAdd(ch)
	}
	m := c.members.Get(ch.raftID)
	if m == nil {
		c.answer(ch, OK, "")
		return false
	}
	if r := c.mayRemove(m); r.code != OK {
		c.answerRefusal(ch, r)
		return false
	}
	if ch.raftID == c.self {
		return c.startSelfRemoval(ch)
	}
	if heard := c.hearFor(ch, c.quorumToRemove(ch.raftID)); heard != hears {
		return heard == hearsSoon
	}
	ch.started = c.proposeChange(corepb.MemberChange_DEMOTE, pb.ConfChangeAddLearnerNode, &corepb.Member{RaftId: ch.raftID})
	return ch.started
}

func (c *Core) startAdd(ch *change) bool {
	node := NodeID(ch.add.GetRaftId())
	if a := ch.add.GetAddress(); strings.ToValidUTF8(a, "") != a {
		c.answer(ch, NotPossible, "address %q is not UTF-8", a)
		return false
	}
	if v := max(ch.newest, OldestVersion); v < c.members.Version {
		c.answer(ch, NotPossible, "node %d knows versions up to %d, the cluster is at version %d: install a newer pgraft there first", node, v, c.members.Version)
		return false
	}
	if ch.add.GetReplaces() != 0 && c.answerReplacement(ch) {
		return false
	}
	for _, m := range c.members.List {
		same := m.GetAddress() == ch.add.GetAddress() && m.GetPort() == ch.add.GetPort()
		switch {
		case NodeID(m.GetRaftId()) != node && same:
			c.answer(ch, Conflict, "%s:%d is node %d already", m.GetAddress(), m.GetPort(), NodeID(m.GetRaftId()))
			return false
		case NodeID(m.GetRaftId()) != node:
		case !same:
			c.answer(ch, Conflict, "node %d is a member already, at %s:%d", node, m.GetAddress(), m.GetPort())
			return false
		case !bytes.Equal(m.GetReplicaUuid(), ch.add.GetReplicaUuid()):
			c.answer(ch, NotPossible, "node %d is a member, but not with the data that it has now: remove it, then add it again", node)
			return false
		case ch.add.GetReplaces() != 0 && ch.add.GetReplaces() != m.GetReplaces():
			c.answer(ch, NotPossible, "node %d is a member already, not in the place of node %d", node, NodeID(ch.add.GetReplaces()))
			return false
		case m.GetRole() == corepb.Role_VOTER:
			c.answer(ch, OK, "")
			return false
		default: // joining already: wait with the others
			ch.raftID, ch.started = m.GetRaftId(), true
			return false
		}
	}
	if old := ch.add.GetReplaces(); old != 0 {
		if heard := c.hearFor(ch, c.quorumToReplace(ch.add.GetRaftId(), old)); heard != hears {
			return heard == hearsSoon
		}
	}
	ch.add.RaftId = RaftID(c.members.LastIncarnation+1, node)
	ch.raftID = ch.add.RaftId
	ch.started = c.proposeChange(corepb.MemberChange_ADD, pb.ConfChangeAddLearnerNode, ch.add)
	return ch.started
}

// mayRemove refuses a removal that the cluster would not survive, as far as this node
// knows without asking.
func (c *Core) mayRemove(m *corepb.Member) refusal {
	if id := m.GetRaftId(); c.isVoter(id) && len(c.votersBeside(id)) == 0 {
		return refusal{code: LastVoter, text: fmt.Sprintf("node %d is the last voter", NodeID(id))}
	}
	if r := c.failoverKeeps(m.GetRaftId()); r.code != OK {
		return r
	}
	return c.refuses(c.quorumToRemove(m.GetRaftId()), c.reachable)
}

// hearFor waits for the answers that ch needs. If too few come, it answers ch.
func (c *Core) hearFor(ch *change, n quorumNeed) hearing {
	heard := c.hear(&ch.wait, n)
	if heard == hearsNot {
		c.answerRefusal(ch, c.refuses(n, c.answered(&ch.wait)))
	}
	return heard
}

// proposeChange appends a membership entry that changes one member; false if
// the library took none.
func (c *Core) proposeChange(step corepb.MemberChange_Step, t pb.ConfChangeType, m *corepb.Member) bool {
	return c.proposeEntry(&corepb.MemberChange{Step: step, Member: m}, &pb.ConfChangeSingle{Type: t.Enum(), NodeId: new(m.GetRaftId())})
}

// proposeEntry: two changes at once make the library go through a joint
// configuration, which it leaves by itself.
func (c *Core) proposeEntry(ch *corepb.MemberChange, singles ...*pb.ConfChangeSingle) bool {
	cc := &pb.ConfChangeV2{Changes: singles, Context: marshal(ch)}
	if err := c.rn.ProposeConfChange(cc); err != nil {
		return false
	}
	c.last++
	c.changes.confIndex, c.changes.proposed = c.last, true
	return true
}

// noticeRefusal sees whether the library made an empty entry of a change: it
// does so silently. The change is tried again.
func (c *Core) noticeRefusal(e *pb.Entry) {
	if c.role != raft.StateLeader || !c.changes.proposed || e.GetIndex() != c.changes.confIndex {
		return
	}
	c.changes.proposed = false
	if refusedByLibrary(e) {
		c.event(Warning, "the library refused the membership change at index %d", e.GetIndex())
		c.restartChanges()
	}
}

// restartChanges has the first entries of changes proposed anew. One whose first entry
// is applied goes on by itself: what is left of it is driven by state.
func (c *Core) restartChanges() {
	for _, ch := range c.changes.waiting {
		ch.started = ch.started && c.underWay(ch)
	}
	c.changes.forgetRounds()
}

// underWay says that the first entry of a change is applied.
func (c *Core) underWay(ch *change) bool {
	m := c.members.Get(ch.raftID)
	if ch.add != nil {
		return m != nil
	}
	return m == nil || m.GetRole() == corepb.Role_LEAVING
}

// changeApplied tells the log, the removed member and whoever waits. A node that starts
// does not log again what it applies again.
func (c *Core) changeApplied(a applied) {
	id := a.change.GetMember().GetRaftId()
	news := c.machine.index > c.replayed
	if a.refused != "" {
		c.eventIf(news, Info, "membership change not made: %s", a.refused)
		c.restartChanges()
		return
	}
	c.out.MembersChanged, c.failing.changed = true, true
	if a.change.GetStep() == corepb.MemberChange_RECOVER {
		c.eventIf(news, Warning, "the majority was lost for good: node %d went on as a cluster of its own, at index %d", NodeID(id), c.machine.index)
		return
	}
	c.eventIf(news, Info, "node %d %s, at index %d", NodeID(id), stepText(a.change), c.machine.index)
	if a.change.GetStep() == corepb.MemberChange_REMOVE {
		if id == c.self {
			c.becomeRemoved("its log says so")
			return
		}
		if c.role == raft.StateLeader {
			c.send(&corepb.Envelope{To: id, Body: &corepb.Envelope_Removed{Removed: &corepb.Removed{}}})
		}
		c.forgetPeer(id)
	}
	c.answerChanges()
}

func stepText(ch *corepb.MemberChange) string {
	switch ch.GetStep() {
	case corepb.MemberChange_ADD:
		return "was added as a learner"
	case corepb.MemberChange_PROMOTE:
		return "became a voter"
	case corepb.MemberChange_REPLACE:
		return fmt.Sprintf("became a voter in the place of node %d", NodeID(ch.GetMember().GetReplaces()))
	case corepb.MemberChange_DEMOTE:
		return "became a learner, to be removed"
	}
	return "was removed"
}

// jointLeft is called when the library's own entry is applied.
func (c *Core) jointLeft() {
	c.changes.confIndex = max(c.changes.confIndex, c.machine.index)
	c.eventIf(c.machine.index > c.replayed, Debug, "left the joint configuration at index %d", c.machine.index)
}
