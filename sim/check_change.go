package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// madeChange is a first step of a membership change, as a leader appended it.
type madeChange struct {
	at     time.Duration
	index  uint64
	step   corepb.MemberChange_Step
	member *corepb.Member
}

// asks says whether a change is what a's operator asked for.
func (a *adminRequest) asks(m *madeChange) bool {
	switch {
	case m.at < a.began || a.kind == adminTransfer:
		return false
	case m.step == corepb.MemberChange_DEMOTE:
		return a.kind == adminRemove && a.goes == m.member.GetRaftId()
	case core.NodeID(m.member.GetRaftId()) != a.target.id || !bytes.Equal(m.member.GetReplicaUuid(), a.replica[:]):
		return false
	case a.kind == adminReplace:
		return a.goes == m.member.GetReplaces()
	case a.isWrong():
		return false
	}
	return a.kind == adminAdd && m.member.GetReplaces() == 0
}

// isWrong says that what a asked for cannot be.
func (a *adminRequest) isWrong() bool {
	return a.wrong && (a.unless == 0 || a.node.core == nil || a.node.core.Members().Get(a.unless) != nil)
}

// begins: a leader adds and demotes only whom an operator asked it to, and does
// not when the operator was told that nothing happened. A voter is demoted, or
// replaced, only when the leader has heard from a quorum of those that stay.
// Whatever follows from the first step, any leader does by itself.
func (c *checks) begins(n *node, e *core.Entry) {
	ch, ok, err := core.Change(*e)
	if err != nil || !ok {
		return // oneChange says what is wrong with it
	}
	m := madeChange{c.w.now, e.Index, ch.GetStep(), ch.GetMember()}
	switch m.step {
	case corepb.MemberChange_DEMOTE:
		c.staysUp(n, m.member.GetRaftId(), 0)
	case corepb.MemberChange_REPLACE:
		c.caughtUp(n, m.member.GetRaftId())
		c.staysUp(n, m.member.GetReplaces(), m.member.GetRaftId())
		return
	case corepb.MemberChange_PROMOTE:
		c.caughtUp(n, m.member.GetRaftId())
		return
	case corepb.MemberChange_ADD:
	default:
		return
	}
	c.changes = append(c.changes, m)
	if !c.askedFor(&m) {
		c.w.fail(checkChange, "%v appends %v of node %d at %d, and no operator asked for it, or one that was told that nothing happened",
			n, m.step, core.NodeID(m.member.GetRaftId()), e.Index)
	}
}

// askedFor says whether an operator that was not refused asked for a change.
func (c *checks) askedFor(m *madeChange) bool {
	return slices.ContainsFunc(c.w.operator.ever, func(a *adminRequest) bool { return !a.refused && a.asks(m) })
}

// learnerLag is how many entries a learner may lack on its disk when it becomes a
// voter.
const learnerLag = 64

// caughtUp: a learner becomes a voter only when it answers and has nearly the whole
// log: so adding one that cannot be reached never costs the quorum.
func (c *checks) caughtUp(n *node, id uint64) {
	d, silent := c.replica(id), n.silentTicks(id)
	if d == nil || d.had > d.last() {
		return // an old copy of what it had
	}
	if d.last()+learnerLag < n.seen.last() || silent > uint64(n.timing.ElectionTicks) {
		c.w.fail(checkChange, "%v makes node %d a voter, which has %d of %d entries and was silent for %d ticks", n, core.NodeID(id), d.last(), n.seen.last(), silent)
	}
}

// staysUp: without a voter, with another in its place if there is one, the leader
// has heard from a quorum within an election timeout.
func (c *checks) staysUp(n *node, goes, comes uint64) {
	all := n.core.Members() // n.members may be of before this step
	if m := all.Get(goes); m.GetRole() != corepb.Role_VOTER {
		return
	}
	rest, up := 0, 0
	for _, m := range all.List {
		id := m.GetRaftId()
		if id == goes || m.GetRole() != corepb.Role_VOTER && id != comes {
			continue
		}
		rest++
		if id == n.identity.RaftID || n.silentTicks(id) <= uint64(n.timing.ElectionTicks) {
			up++
		}
	}
	if !majority(up, rest) {
		c.w.fail(checkChange, "%v takes node %d out of the voters, and has heard from %d of the other %d within an election timeout",
			n, core.NodeID(goes), up, rest)
	}
}

// told: what an operator was told of a change is so. OK is what the members that
// are committed show; a refusal means that nothing was appended.
func (c *checks) told(a *adminRequest, r core.Reply) {
	n := a.node
	switch {
	case n.foreign() || r.Code == core.Unknown || a.kind == adminFailover:
	case r.Code != core.OK:
		c.toldRefused(a, r)
	case a.isWrong():
		c.w.fail(checkChange, "%v says that a change was made that cannot be, of %v", n, a.target)
	case a.wrong: // it was right by then
	case a.kind == adminTransfer:
		c.toldTransferred(a)
	default:
		if a.kind != adminRemove && !c.wasVoter(a) {
			c.w.fail(checkChange, "%v says that node %d is a member that votes, and since it was asked the members do not show that", n, a.target.id)
		}
		if goes := c.newest.Get(a.goes); goes != nil && a.kind != adminAdd {
			c.w.fail(checkChange, "%v says that node %d was removed, and it is a member: %v", n, core.NodeID(a.goes), goes.GetRole())
		}
	}
}

// wasVoter says whether, at some instant since a was asked, its target was a voter
// with the address and the replica that it was asked to be added with.
func (c *checks) wasVoter(a *adminRequest) bool {
	for i := len(c.members) - 1; i >= 0; i-- {
		m := c.members[i].Node(a.target.id)
		if m.GetRole() == corepb.Role_VOTER && m != nil && m.GetAddress() == a.target.address && bytes.Equal(m.GetReplicaUuid(), a.replica[:]) {
			return true
		}
		if c.members[i].at <= a.began {
			return false
		}
	}
	return false
}

func (c *checks) toldTransferred(a *adminRequest) {
	if a.target == a.node {
		return // it led when it was asked, or it would not have said OK
	}
	for t := a.term + 1; t < uint64(len(c.leaders)); t++ {
		if l := c.leaders[t]; l != 0 && (a.target == nil && l != a.node.identity.RaftID || a.target != nil && core.NodeID(l) == a.target.id) {
			return
		}
	}
	c.w.fail(checkChange, "%v says that it handed leadership of term %d to %v, which has not led since", a.node, a.term, a.target)
}

// toldRefused looks at what was appended since a was asked. NotPossible is also the
// answer to a change that was made and is no longer so, or not as it was asked for.
func (c *checks) toldRefused(a *adminRequest, r core.Reply) {
	a.refused = true
	for i := range c.changes {
		m := &c.changes[i]
		if !a.asks(m) || c.askedFor(m) {
			continue
		}
		is := c.newest.Get(m.member.GetRaftId())
		if c.isVoid(a.node, m, is) {
			continue
		}
		if r.Code == core.NotPossible && m.step == corepb.MemberChange_ADD && is.GetRole() != corepb.Role_JOINING {
			continue
		}
		c.w.fail(checkChange, "%v says %s (%s), and since it was asked %v of node %d was appended at %d", a.node,
			codeNames[r.Code], r.Text, m.step, core.NodeID(m.member.GetRaftId()), m.index)
	}
}

// staysOut: who was removed never comes back under the same Raft id.
func (c *checks) staysOut(n *node, was, is core.Members) {
	for _, m := range is.List {
		if id := m.GetRaftId(); was.Get(id) == nil && was.WasRemoved(id) {
			c.w.fail(checkChange, "%v has node %d as a member again with incarnation %d, which was removed", n, core.NodeID(id), core.Incarnation(id))
		}
	}
}

// hears notes that n's core takes a message of a member. A node that was away can
// hear from a member's next incarnation while it knows only the one before.
func (n *node) hears(from uint64) {
	if h := n.heardFrom(from); h != nil {
		h.tick = n.status.Tick
		return
	}
	n.heard = append(n.heard, heard{from, n.status.Tick})
}

// heard is when a node heard last from a member, by its ticks.
type heard struct{ from, tick uint64 }

// heardFrom is nil for a member from which n never heard.
func (n *node) heardFrom(id uint64) *heard {
	for i := range n.heard {
		if n.heard[i].from == id {
			return &n.heard[i]
		}
	}
	return nil
}

// quietTicks is for how many ticks n has heard nothing from anyone.
func (n *node) quietTicks() uint64 {
	last := uint64(0)
	for _, h := range n.heard {
		last = max(last, h.tick)
	}
	return n.status.Tick - last
}

// silentTicks is for how many ticks n has heard nothing from a member.
func (n *node) silentTicks(id uint64) uint64 {
	if h := n.heardFrom(id); h != nil {
		return n.status.Tick - h.tick
	}
	return 1 << 40
}
