package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// availability is what the checker of it remembers.
type availability struct {
	group   []sound       // voters that are a quorum, up and connected
	since   time.Duration // since when
	from    uint64        // the membership entry that they go by
	asked   time.Duration // when one of them was first asked for a write after the last acknowledged
	askings int           // how often, since then
	stirred time.Duration // when one of them last asked for a vote, or took another role
}

// sound is a node in one life of it.
type sound struct {
	node *node
	life uint32
}

const (
	// availableElections is after how many election timeouts a write has to be
	// acknowledged, however often a vote is split.
	availableElections = 16
	// quietElections is after how many without a vote being asked for: a node does so
	// within two, and one that promised something before it was started within three.
	quietElections = 5
	// availableAskings is how many writes have to have been asked for by then: each is
	// given up after some time.
	availableAskings = 2
)

// available: while a quorum of the voters is up and connected, with disks that work,
// and no other voter gets at some of them only, writes are acknowledged: the first
// within some election timeouts, whatever happens to the others.
func (c *checks) available() {
	a, w := &c.availability, c.w
	group := c.soundQuorum()
	if !slices.Equal(group, a.group) || a.from != c.newestAt {
		a.group, a.from, a.since, a.askings = group, c.newestAt, w.now, 0
	}
	if len(group) == 0 || a.askings < availableAskings || w.now > w.lastOps() {
		return
	}
	longest := time.Duration(0) // of the election timeouts, and of what was promised
	for _, x := range group {
		longest = max(longest, time.Duration(x.node.timing.ElectionTicks)*x.node.tick(), time.Duration(x.node.disk.dir.promise)*time.Millisecond)
	}
	waits := w.now - max(a.asked, a.since)
	if waits > availableElections*longest || min(waits, w.now-a.stirred) > quietElections*longest {
		c.w.fail(checkAvailable, "%v and others of %d, a quorum, are up and connected since %v, and acknowledge no write since %v: %d were asked for",
			group[0].node, len(group), a.since, a.asked, a.askings)
	}
}

// stirs: a node asks for a vote, or takes another role.
func (c *checks) stirs(n *node) {
	if slices.Contains(c.availability.group, sound{n, n.life}) {
		c.availability.stirred = c.w.now
	}
}

// asksWrite and acknowledges: a client asks n for a write, and gets its answer.
func (c *checks) asksWrite(n *node) {
	a := &c.availability
	if !slices.Contains(a.group, sound{n, n.life}) {
		return
	}
	if a.askings == 0 {
		a.asked = c.w.now
	}
	a.askings++
}

func (c *checks) acknowledges(n *node) {
	a := &c.availability
	if !slices.Contains(a.group, sound{n, n.life}) {
		return
	}
	if a.askings > 0 && len(a.group) < len(c.newest.List) {
		c.w.marks.add(markAvailable)
	}
	a.askings = 0
}

// soundQuorum are voters that are a quorum and can all talk to each other, and that
// no other voter can trouble; nil if there is none, or a change is under way.
func (c *checks) soundQuorum() (group []sound) {
	if !c.w.operator.formed || !c.membershipRests() || slices.ContainsFunc(c.w.strikes, func(s *strike) bool { return s.kind.sent != nil }) {
		return nil // the last: it may keep a message
	}
	for _, m := range c.newest.List {
		n := c.w.nodes[core.NodeID(m.GetRaftId())-1]
		if g := c.soundWith(n); len(g) > len(group) {
			group = g
		}
	}
	in := func(id uint64) bool {
		return slices.ContainsFunc(group, func(x sound) bool { return x.node.identity.RaftID == id })
	}
	if !quorum(c.newest, nil, in) {
		return nil
	}
	for _, m := range c.newest.List {
		if x := c.w.nodes[core.NodeID(m.GetRaftId())-1]; !in(m.GetRaftId()) && x.state == running && x.paused == 0 &&
			slices.ContainsFunc(group, func(g sound) bool { return c.w.link(x, g.node).cut == 0 && c.w.link(g.node, x).cut == 0 }) {
			return nil
		}
	}
	return group
}

// soundWith are n and those that can talk to n and to each other.
func (c *checks) soundWith(n *node) (group []sound) {
	if !c.sound(n) {
		return nil
	}
	for _, m := range c.newest.List {
		x := c.w.nodes[core.NodeID(m.GetRaftId())-1]
		if x == n || c.sound(x) && n.talksTo(x) && !slices.ContainsFunc(group, func(g sound) bool { return !g.node.talksTo(x) }) {
			group = append(group, sound{x, x.life})
		}
	}
	return group
}

// sound says that n is a voter by the newest membership, and knows it, that its
// process runs with a build that can read all logs, that its disk works and does not
// count as full, and that its host takes over entries at once.
func (c *checks) sound(n *node) bool {
	d := &n.disk
	return n.state == running && n.paused == 0 && n.clock.asleep == 0 && !n.foreign() && !n.warned &&
		n.status.Applied >= c.newestAt && c.newest.Get(n.identity.RaftID).GetRole() == corepb.Role_VOTER && c.newest.Get(n.identity.RaftID) != nil &&
		n.knows() >= c.raise.asked && !n.status.Full && n.applyDelay == 0 && len(n.untaken) == 0 && d.slow == 0 && d.full == 0 && d.stall == 0 && (!d.busy || d.until < c.w.now+time.Second)
}

// talksTo says that messages between two nodes arrive both ways, and soon.
func (n *node) talksTo(x *node) bool {
	return n.protocol == x.protocol && n.connected(x) && x.connected(n) && n.w.link(n, x).clear() && n.w.link(x, n).clear()
}

func (n *node) connected(x *node) bool {
	p := n.peer(x.identity.RaftID)
	if p == nil {
		return false
	}
	// A machine that was lost leaves a connection that the other end takes for open.
	c := p.best()
	return c != nil && c.aOpen && c.bOpen && c.al == c.a.life && c.bl == c.b.life
}

// clear says that no fault is in force that keeps messages.
func (l *link) clear() bool {
	return l.cut == 0 && l.reject == 0 && l.slow == 0 && l.small == 0 && l.narrow == 0 && l.snapCut == 0 && l.loss.perMillion == 0 &&
		l.reorder.perMillion == 0 && l.extra == 0 && l.heldUntil <= l.from.w.now
}
