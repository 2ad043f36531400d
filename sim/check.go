package sim

import (
	"slices"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
)

// The checkers. Each looks only at what an event changed, so that all of them
// can look after every event.
const (
	checkPanic          = "panic"              // a broken invariant of the core's or the disk's own
	checkLeader         = "one-leader"         // one leader per term, whom a quorum voted for
	checkLog            = "log-matching"       // same index and term: same log up to there
	checkComplete       = "leader-complete"    // a leader has every entry committed before its term; votes go to logs up to date
	checkCommitted      = "committed-same"     // all commit the same log
	checkApplied        = "applied-same"       // all apply the same entries in the same order
	checkBack           = "went-back"          // term, vote and commit index never do, across a crash either
	checkDurable        = "spoke-too-early"    // what is said of the disk is durable
	checkQuorum         = "commit-on-quorum"   // what is committed is durable on a quorum
	checkAck            = "acknowledged-stays" // what was acknowledged is committed, where it was said to be
	checkRequest        = "request-once"       // a request id commits at most once
	checkOutcome        = "refused-stays-out"  // what was refused never commits
	checkMembers        = "membership"         // one change at a time; all agree
	checkAlive          = "asked-before"       // who votes is changed only if a quorum was alive just before
	checkChange         = "change-answered"    // what an operator is told of a change is so
	checkLease          = "one-lease"          // is_leader() is true on one node at most
	checkPromise        = "promise-kept"       // no vote against a lease that it promised; a lease rests on a quorum's promises
	checkTurn           = "stands-in-turn"     // an election begins after a timeout of silence, or in turn once the leader is closed
	checkBounds         = "bounds"             // queues, messages and logs stay within their bounds
	checkFresh          = "fresh-read"         // a read sees what was acknowledged before it
	checkReads          = "log-read"           // an entry read back is the one committed
	checkLinear         = "linearizable"       // what clients saw has an order
	checkRecover        = "recovered"          // a member that goes on alone keeps all that it had
	checkAvailable      = "available"          // a quorum that is up and connected acknowledges writes
	checkStatus         = "members-shown"      // what a node says of the members is so
	checkRestore        = "restored-same"      // a core made of a checkpoint goes on as the one before, to the byte
	checkVersion        = "version"            // the cluster version: raised when all members know it, the same everywhere, never lowered
	checkLiveness       = "liveness"           // without faults, everything comes right
	checkStart          = "own-directory"      // a server runs on its own replica, and never begins one anew that is gone
	checkDatabase       = "database-same"      // databases apply each entry once, in order, and none is left out
	checkRetain         = "retained"           // nothing that a database needs leaves the logs, and nothing is kept without bound
	checkHistory        = "history-kept"       // a snapshot leaves what the log held of the same history; gaps are filled
	checkAnswer         = "answered-once"      // a request is answered once, by the process that was asked, and at once when it is given up
	checkOrder          = "batch-order"        // proposals of a batch, or of a message, get into the log in their order
	checkServerAck      = "server-acked"       // what a server acknowledged is on every later primary, once
	checkServerOne      = "server-one"         // no two servers may acknowledge at one instant
	checkServerSeen     = "server-seen"        // what was read on a primary is on every later one
	checkServerLineage  = "server-lineage"     // a server streams what its primary has
	checkServerTimeline = "server-timeline"    // a timeline is begun by one server, once
	checkServerWord     = "server-word"        // nothing is given up, and nobody is promoted in manual, without an operator's word in the log before
	checkServerSwitch   = "server-switchover"  // a primary that switches over stops when no commit is under way, has no lease, and in time
	checkServerNeedless = "server-needless"    // no epoch begins while its primary keeps the lease, or only just lost it
	checkServerLive     = "server-live"        // without faults one primary serves, and all others stream from it
	checkServerWhy      = "server-why"         // where nobody serves, or failover is off and a server takes part by a note, a node says why
	checkServerSet      = "server-set"         // what was acknowledged, or seen, is on W of the sync set in force
	checkServer         = "server"             // no server shows pages of two
	checkServerBack     = "server-back"        // data that went back does not report
	checkServerAnew     = "server-anew"        // data is made anew from an epoch that has opened only
	checkServerMember   = "server-member"      // who acknowledges, or is named by the log, is a voter with its data, by the Raft id that it has now
	checkServerApart    = "server-apart"       // a member that takes no part leads no longer than it takes to hand leadership to one that does
	checkServerHand     = "server-quarantine"  // nobody is quarantined who has done as it was ordered
	checkTransition     = "host-order"         // batches come numbered in order, and are on the disk as they were
)

// stopped is no checker: it says that a run was given up, see Options.stop.
const stopped = "stopped"

// Checks lists the checkers by name.
func Checks() []string {
	return []string{checkPanic, checkLeader, checkLog, checkComplete, checkCommitted, checkApplied, checkBack, checkDurable,
		checkQuorum, checkAck, checkRequest, checkOutcome, checkMembers, checkAlive, checkChange, checkLease, checkPromise, checkTurn, checkBounds, checkFresh, checkReads, checkLinear, checkRecover, checkAvailable, checkStatus, checkRestore, checkVersion,
		checkLiveness, checkStart, checkTransition, checkDatabase, checkRetain, checkHistory, checkAnswer, checkOrder,
		checkServerAck, checkServerOne, checkServerSeen, checkServerLineage, checkServerTimeline, checkServerWord, checkServerSwitch, checkServerNeedless, checkServerLive, checkServerWhy, checkServerSet, checkServer, checkServerBack, checkServerAnew, checkServerMember, checkServerApart, checkServerHand}
}

// slot is an entry of somebody's log: its term, and the hash of the log up to it.
type slot struct {
	term  uint64
	chain digest
}

// seen is what the checkers know of a node: the log as its core wants it to be
// on the disk, and what they last saw.
type seen struct {
	base   uint64 // the log begins after it
	slots  []slot // slots[0] is base's own
	confs  []uint64
	mark   uint64 // newest snapshot
	seq    uint64 // newest batch
	term   uint64
	commit uint64
	role   core.Role
	pos    int       // how many of the entries applied by anyone it has applied
	gave   candidacy // whom its newest vote went to
	// Snapshots of its own since its log began, and their bytes: see reachedMarks.
	marks     int
	markBytes uint64
	// The members before a step, and the joint configuration then and now.
	before          core.Members
	applied         uint64 // by its core, before a step
	wasJoint, joint *jointChange
	baseJoint       *jointChange // the one that the log begins in
}

func (s *seen) last() uint64 { return s.base + uint64(len(s.slots)) - 1 }

// at returns the slot of index i, which must be in base..last.
func (s *seen) at(i uint64) *slot { return &s.slots[i-s.base] }

func (s *seen) has(i uint64) bool { return len(s.slots) > 0 && i >= s.base && i <= s.last() }

// checks is what is known of the one true log.
type checks struct {
	w            *World
	cluster      [16]byte // its uuid; servers that founded another are not looked at
	first        []slot   // by index: the first log that had it
	others       map[slotKey]digest
	committed    []committed     // by index
	leaders      []uint64        // by term: Raft id, 0 = none known
	order        []appliedEntry  // as first applied by anyone
	contents     []digest        // of a database, by how many of order it has applied
	byKey        map[int][]int   // key -> positions in applied of its writes
	votes        map[vote]uint64 // whom a replica voted for
	candidates   map[candidacy]candidate
	replicas     []replica
	agreed       map[uint64]digest // by index of the last membership entry
	newest       core.Members
	acked        uint64 // the last index that a client was told of
	newestAt     uint64 // index of the last membership entry that anyone applied
	members      []membership
	changes      []madeChange // in the order of appending
	promises     []made
	joints       map[slotKey]*jointChange // by membership entry; nil: after it there is none
	raise        raise
	availability availability
	logEnds      []logEnd
	walEnds      []walEnd
	recovery     recovery
	lostKeys     map[int]bool // of what a recovery from a lost majority cost
	damaged      []*directory // with a record that fails its checksum
}

type slotKey struct{ index, term uint64 }

type committed struct {
	slot
	leaderTerm uint64 // of the node that committed it first
}

type vote struct{ replica, term uint64 }

// membership is who belongs to the cluster from an index on.
type membership struct {
	from uint64
	at   time.Duration // when the first node knew
	core.Members
}

// replica is what a member ever had on its disk: the directory can get lost
// later, but what it acknowledged was there.
type replica struct {
	id  uint64
	dir *directory
}

// foreign says that the node's directory belongs to another cluster: one that
// somebody founded by mistake.
func (n *node) foreign() bool {
	return n.identity.Invited() && n.identity.ClusterUUID != n.w.checks.cluster
}

// found notes which cluster this run is about.
func (c *checks) found(n *node) {
	c.cluster = n.identity.ClusterUUID
	c.agreed, c.votes, c.byKey, c.others = map[uint64]digest{}, map[vote]uint64{}, map[int][]int{}, map[slotKey]digest{}
	c.members = []membership{{0, c.w.now, n.members}}
	c.started(n, core.Durable{Snapshot: n.disk.dir.snapshot, HardState: n.disk.dir.hard})
}

// before remembers what a step may change.
func (c *checks) before(n *node) {
	n.seen.before, n.seen.wasJoint, n.seen.applied = n.members, n.seen.joint, n.status.Applied
	n.newest = stepTaken{n.identity.RaftID, c.w.now}
}

// started takes over what a node's core starts from.
func (c *checks) started(n *node, d core.Durable) {
	if n.foreign() || c.cluster == [16]byte{} {
		return
	}
	if len(d.Entries) > 0 || d.HardState.Term > 1 {
		c.w.marks.add(markRestarted)
	}
	c.register(n)
	if slices.Contains(c.damaged, n.disk.dir) {
		c.w.fail(checkDurable, "%v starts from a directory with a damaged record, with a log that ends at %d", n, n.disk.dir.last())
	}
	s := &n.seen
	*s = seen{term: n.status.Term, commit: n.status.Commit, slots: s.slots[:0], confs: s.confs[:0],
		gave: candidacy{d.HardState.Vote, d.HardState.Term}}
	c.startLog(n, d)
	c.follow(n)
	c.restarted(n, d)
	c.members0(n)
}

// register ties a Raft id to the directory that its promises stand in.
func (c *checks) register(n *node) {
	id := n.identity.RaftID
	i := slices.IndexFunc(c.replicas, func(r replica) bool { return r.id == id })
	if i < 0 {
		c.replicas = append(c.replicas, replica{id, n.disk.dir})
	} else {
		c.replicas[i].dir = n.disk.dir
	}
}

func (c *checks) replica(id uint64) *directory {
	for i := range c.replicas {
		if c.replicas[i].id == id {
			return c.replicas[i].dir
		}
	}
	return nil
}

// lost is called before a node's directory goes away: what it held stays known.
func (c *checks) lost(n *node) {
	for i := range c.replicas {
		if c.replicas[i].dir == n.disk.dir {
			c.replicas[i].dir = n.disk.dir.clone()
		}
	}
}

// persist looks at a batch that a core hands out.
func (c *checks) persist(n *node, b *core.Persist) {
	if n.foreign() {
		return
	}
	seen := &n.seen
	if b.Seq != seen.seq+1 {
		c.w.fail(checkTransition, "%v hands out batch %d after %d", n, b.Seq, seen.seq)
	}
	seen.seq = b.Seq
	if b.HardState != nil {
		c.gives(n, b.HardState)
	}
	c.appended(n, b)
	c.w.reachedMarks(n, b)
	if b.PromiseMillis > 0 {
		c.w.marks.add(markPromiseStored)
	}
}

// sent looks at a message that leaves a core.
func (c *checks) sent(n *node, s *core.Send, i *wireInfo) {
	if n.foreign() {
		return
	}
	c.messageBound(n, s, i)
	if i.body != bodyRaft || i.reject {
		return
	}
	switch i.kind {
	case pb.MsgPreVote:
		c.stirs(n)
		c.inTurn(n)
	case pb.MsgAppResp:
		c.spoken(n, core.Send{To: s.To}, i)
	case pb.MsgVoteResp:
		c.spoken(n, core.Send{To: s.To}, i)
		c.kept(n, s.To, i)
	case pb.MsgVote:
		c.spoken(n, core.Send{To: s.To}, i)
		c.stirs(n)
		c.stands(n, i)
		c.kept(n, s.To, i)
	case pb.MsgHeartbeatResp:
		if i.promise > 0 {
			c.promised(n, s, i)
		}
	}
}

// stepped looks at a node after each of its steps.
func (c *checks) stepped(n *node) {
	if n.foreign() {
		return
	}
	c.published(n)
	c.countsItself(n)
	c.versionKept(n)
	c.bounds(n)
}

// published looks at the status that n showed.
func (c *checks) published(n *node) {
	seen, s := &n.seen, &n.status
	c.follow(n)
	if s.Term < seen.term || s.Commit < seen.commit {
		c.w.fail(checkBack, "%v went from term %d, commit %d to term %d, commit %d", n, seen.term, seen.commit, s.Term, s.Commit)
	}
	if s.Role != seen.role {
		c.roleChanged(n, seen.role)
	}
	if s.Commit > seen.commit {
		c.commitMoved(n)
	}
	seen.term, seen.commit, seen.role = s.Term, s.Commit, s.Role
}

func (c *checks) roleChanged(n *node, was core.Role) {
	c.stirs(n)
	switch {
	case n.status.Role == core.RoleLeader:
		c.w.marks.add(markElected)
		c.oneLeader(n)
		c.elected(n)
		c.leaderComplete(n)
	case was == core.RoleLeader:
		c.w.marks.add(markDeposed)
	case n.status.Role == core.RoleRemoved:
		c.w.marks.add(markKnowsRemoved)
	}
}

// died is called in place of stepped for a node that died in its step. Once its
// batches were queued, messages of the step may be on their way: that it leads, and
// what it committed and applied, counts as if it had lived.
func (c *checks) died(n *node) {
	if n.foreign() || n.core.Status().Applied != n.status.Applied || n.seen.seq != n.emitted {
		return
	}
	c.published(n)
	c.sameMembers(n, n.core.Members())
}

// stopped is called when a node's process ends.
func (c *checks) stopped(n *node) {
	if n.holdsLease() {
		c.w.marks.add(markLeaseOutlived)
	}
}

// atEnd looks at the whole run.
func (c *checks) atEnd() {
	c.live()
	c.outcomes()
	c.linear()
	c.databasesInTheEnd()
	c.needsAreHeard()
	c.gapsInTheEnd()
	c.serversInTheEnd()
}
