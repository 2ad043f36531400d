package core

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Members of different builds work together. What a build knows has a number, its
// newest version; it knows all from OldestVersion on. There are two places where two
// builds could misunderstand each other:
//
//   - On a connection. Hello and Welcome say a Range, and the two ends use what both
//     know (Range.Agree). Without a common version they refuse each other.
//   - In the log, which all members must read alike. So the log carries a version of
//     its own, the cluster's (Members.Version): nothing newer is in the log. The
//     leader raises it by an entry once every member, learners too, has announced a
//     newer one. It is never lowered.
//
// A build that does not know the cluster's version takes no part: nobody connects to
// it (Greet), it takes no such entry and no such snapshot (door.go), and the store
// that has either is not opened by it (Persist.Version).
//
// A build that writes a new kind of entry, or a field of State that others must heed,
// has the next NewestVersion, and writes it only where Members.Version is that. For a
// new message it is enough that its recipient knows it (newestOf, conn.version in
// node/transport).
//
//	version 1  builds of before the log carried a version, as commit c947f64
//	version 2  the log may carry a cluster version; a Forward may carry several
//	           commands, and the answer those to several
//	version 3  the log may carry entries of package failover, a snapshot its state; members
//	           tell each other of their servers. A member with failover off takes them, too
const (
	OldestVersion = 1
	NewestVersion = 3

	// forwardsMoreVersion is the first one that knows Forward.more and ForwardReply.more.
	forwardsMoreVersion = 2

	// FailoverVersion is the first one in whose log there may be entries of package
	// failover, and whose members tell each other of their servers.
	FailoverVersion = 3
)

// Range is the versions that a node speaks, both ends included.
type Range struct{ Oldest, Newest uint32 }

// Speaks is the Range of a node whose build knows up to newest: nothing older than
// the cluster's version as of its applied index, so that a build which does not know
// that is refused.
func (m Members) Speaks(newest uint32) Range { return Range{max(m.Version, OldestVersion), newest} }

// Agree is the newest version in both ranges, 0 if there is none.
func (r Range) Agree(o Range) uint32 {
	v := min(r.Newest, o.Newest)
	if v < max(r.Oldest, o.Oldest) {
		return 0
	}
	return v
}

// HelloRange and WelcomeRange are what the other end of a connection speaks.
func HelloRange(h *corepb.Hello) Range {
	return Range{h.GetProtocol(), max(h.GetNewest(), h.GetProtocol())}
}

func WelcomeRange(w *corepb.Welcome) Range {
	return Range{w.GetProtocol(), max(w.GetNewest(), w.GetProtocol())}
}

// TooOld says that a build which speaks r does not know the cluster's version at the
// other end, which speaks o.
func (r Range) TooOld(o Range) bool { return r.Newest < o.Oldest }

// disagreement says for people why two ranges have no common version.
func disagreement(a uint32, ra Range, b uint32, rb Range) string {
	if ra.Newest > rb.Newest {
		a, ra, b, rb = b, rb, a, ra
	}
	return fmt.Sprintf("node %d knows versions up to %d, node %d speaks version %d and newer: install a newer pgraft on node %d",
		a, ra.Newest, b, rb.Oldest, a)
}

// announcement is the newest version that a member's build knows, as its answer to a
// round of the leader's said.
type announcement struct {
	round   uint64
	opened  uint64 // tick in which the round was
	version uint32
}

// hear takes what a member says in its answer to a round. A later round's answer
// counts, as the member may have been restarted with another build; of two lives that
// answer the same round, the older build.
func (a *announcement) hear(round, opened uint64, newest uint32) {
	newest = max(newest, OldestVersion)
	switch {
	case round < a.round:
	case round == a.round:
		a.version = min(a.version, newest)
	default:
		*a = announcement{round, opened, newest}
	}
}

// knownByAll is the newest version that all members know: every one, learners too,
// has said so within an election timeout. 0 if one of them has not.
func (c *Core) knownByAll() uint32 {
	v := c.cfg.Newest
	for _, m := range c.members.List {
		if m.GetRaftId() == c.self {
			continue
		}
		a := c.lease.answered(m.GetRaftId()).said
		if a.round == 0 || c.now-a.opened >= uint64(c.cfg.ElectionTicks) {
			return 0
		}
		v = min(v, a.version)
	}
	return v
}

// raiseVersion appends an entry that raises the cluster version to what all members
// know; false if there is nothing to raise, or not now. It is called when no change of
// the members is under way, and none begins until the entry is applied: so who was
// asked is who will read it. A full disk takes no entry of this kind.
func (c *Core) raiseVersion() bool {
	if c.cfg.Newest <= c.members.Version {
		return false
	}
	v := c.knownByAll()
	if v <= c.members.Version || c.anyFull() {
		return false
	}
	if err := c.rn.Propose([]*pb.Entry{{Data: marshal(&corepb.Command{ClusterVersion: v})}}); err != nil {
		return false
	}
	c.last++
	c.changes.confIndex, c.changes.proposed = c.last, false
	return true
}

func (c *Core) anyFull() bool {
	for _, m := range c.members.List {
		if c.fullHere(m.GetRaftId()) {
			return true
		}
	}
	return false
}

// versionRaised tells the host and the log.
func (c *Core) versionRaised() {
	c.out.MembersChanged, c.failing.changed = true, true
	c.eventIf(c.machine.index > c.replayed, Info, "the cluster is at version %d, from index %d on: builds that do not know it are refused",
		c.members.Version, c.machine.index)
}

// newestOf is the newest version that a member's build knows, as far as this node
// knows; 0 if it does not.
func (c *Core) newestOf(id uint64) uint32 {
	p := c.peers.of(id)
	switch {
	case id == c.self:
		return c.cfg.Newest
	case c.lead == c.self:
		return c.lease.answered(id).said.version
	case p == nil:
		return 0
	case id == c.lead:
		return p.newest
	}
	return p.contact.GetNewest()
}

// announces is what this node says of its build beside a heartbeat and its answer. A
// build of version 1 says nothing.
func (c *Core) announces() uint32 {
	if c.cfg.Newest == OldestVersion {
		return 0
	}
	return c.cfg.Newest
}

// entryVersion is what an entry raises the cluster version to; 0 for all others. It
// looks at entries that were checked.
func entryVersion(e Entry) uint32 {
	v, _, err := ClusterVersion(e)
	if err != nil {
		panic(fmt.Sprintf("checked on receipt, but: %v", err))
	}
	return v
}

// ClusterVersion is what an entry raises the cluster's version to; ok is false for
// all others.
func ClusterVersion(e Entry) (v uint32, ok bool, err error) {
	if e.Kind != EntryNormal || len(e.Data) == 0 {
		return 0, false, nil
	}
	cmd, err := decodeCommand(e.Data)
	if err != nil {
		return 0, false, fmt.Errorf("core: entry %d: %w", e.Index, err)
	}
	return cmd.version, cmd.version != 0, nil
}

// knowsAll refuses a log that this build does not know how to read.
func knowsAll(m *machine, entries []Entry, newest uint32) error {
	if m.members.Version > newest {
		return fmt.Errorf("core: the cluster is at version %d, this pgraft knows up to %d: install a newer one", m.members.Version, newest)
	}
	for _, e := range entries {
		v, _, err := ClusterVersion(e)
		if err == nil && v > newest {
			return fmt.Errorf("core: the log raises the cluster to version %d at index %d, this pgraft knows up to %d: install a newer one", v, e.Index, newest)
		}
	}
	return nil
}
