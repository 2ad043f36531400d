package main

// Bugs that once survived because no checker looked where they are: what the log
// holds beside what is applied, a lease in a joint configuration.
var promiseMutants = []mutant{
	{
		name: "new-leader-looks-at-no-log", class: "12", doc: "a new leader does not look for request ids in what former leaders left uncommitted",
		edits: []edit{{"core/leading.go", "	c.rememberAppended()\n", "	c.proposed.appended = map[[16]byte]place{}\n"}},
	},
	{
		name: "late-ticks-made-up", class: "11", doc: "ticks that were missed while a node was at work, or stood still, follow the next one at once",
		edits: []edit{
			{"sim/clock.go", "	pending bool          // fired while the process stood still: one is kept\n", "	pending bool\n	missed  int\n"},
			{"sim/clock.go", "			n.w.marks.add(markTickDropped)\n", "			n.clock.missed++\n"},
			{"sim/clock.go", "	n.step(core.Tick{})\n", "	n.step(core.Tick{})\n	for ; n.clock.missed > 0 && n.state == running; n.clock.missed-- {\n		n.step(core.Tick{})\n	}\n"},
		},
	},
	{
		name: "committed-id-appended-again", class: "12", doc: "a leader appends a request once more that is committed: it is not applied again, but it is in the log twice",
		edits: []edit{{"core/append.go", "	if at, ok := c.requestIDs.find(id); ok {\n", "	if at, ok := c.requestIDs.find(id); ok && at.index == 0 {\n"}},
	},
	{
		name: "lease-of-the-new-quorum", class: "11", doc: "in a joint configuration the lease rests on the incoming voters alone",
		edits: []edit{{"core/lease.go", "	c.voters(func(ids []uint64) {\n		var few", "	func(f func([]uint64)) { f(c.conf.GetVoters()) }(func(ids []uint64) {\n		var few"}},
	},
	{
		name: "lease-of-both-together", class: "11", doc: "in a joint configuration the lease rests on a majority of all voters, not of each of the two",
		edits: []edit{
			{"core/lease.go", "	c.voters(func(ids []uint64) {\n		var few", "	func(f func([]uint64)) {\n		all := slices.Concat(c.conf.GetVoters(), c.conf.GetVotersOutgoing())\n		slices.Sort(all)\n		f(slices.Compact(all))\n	}(func(ids []uint64) {\n		var few"},
		},
	},
	{
		name: "add-answered-for-a-learner", class: "8", doc: "AddNode is answered OK when the member is a learner",
		edits: []edit{{"core/membership_calls.go", "		case ch.add != nil && m.GetRole() == corepb.Role_VOTER:\n", "		case ch.add != nil:\n"}},
	},
	{
		name: "removal-answered-when-demoted", class: "8", doc: "RemoveNode is answered OK when the member votes no more, and still is one",
		edits: []edit{{"core/membership_calls.go", "		case ch.add == nil && m == nil:\n", "		case ch.add == nil && (m == nil || m.GetRole() == corepb.Role_LEAVING):\n"}},
	},
	{
		name: "replacement-answered-with-both", class: "8", doc: "ReplaceNode is answered OK while the old member still is one",
		edits: []edit{{"core/membership_calls.go", "	switch {\n	case old == nil:\n		c.answer(ch, OK, \"\")\n", "	switch {\n	case old.GetRole() != corepb.Role_VOTER:\n		c.answer(ch, OK, \"\")\n"}},
	},
	{
		name: "transfer-answered-for-anyone", class: "8", doc: "a transfer to one member is answered OK when another leads",
		edits: []edit{{"core/transfer.go", "	if c.transfer.named && ", "	if c.transfer.target == 0 && "}},
	},
	{
		name: "change-refused-and-made", class: "8", doc: "a leader that is deposed answers a change as if nothing had happened, and its successor goes on with it",
		edits: []edit{{"core/membership_calls.go", "			c.answer(ch, Unknown, \"leadership was lost; the change may still be made\")\n", "			c.answer(ch, NotLeader, \"this node no longer leads\")\n"}},
	},
	{
		name: "removal-without-a-quorum", class: "8", doc: "a voter is removed though too few of the others are reachable",
		edits: []edit{{"core/hear.go", "		if q := Majority(len(ids)); have < q && r.code == OK {\n", "		if q := Majority(len(ids)); have < 1 && r.code == OK {\n"}},
	},
	{
		name: "learner-votes-at-once", class: "8", doc: "a learner becomes a voter before it has the log, and whether it answers or not",
		edits: []edit{{"core/promote.go", "	return c.reachable(id) && match+promoteLag >= c.last && match > 0\n", "	return match+promoteLag >= 0\n"}},
	},
	{
		name: "self-removal-told-refused", class: "8", doc: "a leader that removes itself answers that it does not lead once it has handed leadership over, and asks its successor all the same",
		edits: []edit{{"core/removed.go", "	c.transfer.leavingIDs = append(c.transfer.leavingIDs, ch.ids...)\n", "	c.answer(&change{ids: ch.ids}, NotLeader, \"this node no longer leads\")\n"}},
	},
	{
		name: "recovery-without-the-tail", class: "own", doc: "a member that goes on alone drops what it has and does not know to be committed",
		edits: []edit{{"core/recover.go", "entry := Entry{Index: m.index + 1, ", "entry := Entry{Index: max(d.HardState.Commit, d.Snapshot.Index) + 1, "}},
	},
	{
		name: "recovery-in-a-term-that-was", class: "own", doc: "a member goes on alone in a term that it may have voted in",
		edits: []edit{{"core/recover.go", "Term: max(m.term, d.HardState.Term) + 1, ", "Term: m.term + 1, "}},
	},
	{
		name: "recovery-keeps-the-others", class: "own", doc: "a member that goes on alone still lists those who are gone",
		edits: []edit{{"core/apply_change.go", "List: []*corepb.Member{ch.GetMember()}}\n", "List: append(slices.DeleteFunc(slices.Clone(m.members.List), func(x *corepb.Member) bool { return NodeID(x.GetRaftId()) == NodeID(self) }), ch.GetMember())}\n"}},
	},
	{
		name: "checkpoint-without-the-promise", class: "own", doc: "a core made of a checkpoint does not know until when it promised to elect nobody else",
		edits: []edit{{"core/checkpoint.go", "{&p.to, &p.until, &p.bootUntil,", "{&p.to, &p.bootUntil,"}},
	},
	{
		name: "checkpoint-without-the-timer", class: "own", doc: "a core made of a checkpoint draws other election timeouts",
		edits: []edit{{"core/checkpoint.go", "	k.Uint(&c.timer.random)\n", ""}},
	},
	{
		name: "checkpoint-without-what-was-heard", class: "own", doc: "a core made of a checkpoint does not know when it heard from the others",
		edits: []edit{{"core/checkpoint.go", "	k.Uint(&p.lastHeard)\n", ""}},
	},
	{
		name: "status-of-what-was-sent", class: "own", doc: "a leader shows what it has sent to a member as what the member has",
		edits: []edit{{"core/status.go", "			s.Match, s.Next, s.Replicating = p.match,", "			s.Match, s.Next, s.Replicating = max(p.match, p.next-1),"}},
	},
	{
		name: "status-of-a-silent-member", class: "own", doc: "a leader shows entries going to a member that it does not reach",
		edits: []edit{{"core/status.go", "p.replicating && c.reachable(id)", "p.replicating"}},
	},
	{
		name: "status-does-not-age", class: "own", doc: "a follower that is cut off shows the others' silence as the leader last told it",
		edits: []edit{{"core/status.go", "					s.SilentMillis += (c.now - p.contactAt) * c.cfg.TickMillis\n", ""}},
	},
	{
		name: "promise-for-too-long", class: "15", live: true, doc: "a promise is kept ten times as long as it was made for: without its leader a cluster waits so long",
		edits: []edit{{"core/lease.go", "p.to, p.until = env.GetTo(), c.now+c.cfg.promiseTicks()", "p.to, p.until = env.GetTo(), c.now+20*c.cfg.promiseTicks()"}},
	},
	{
		name: "leader-waits-for-all", class: "15", live: true, doc: "a leader takes no entry while a voter is out of reach",
		edits: []edit{{"core/append.go", "	case c.transfer.target != 0 || c.removed ||", "	case slices.ContainsFunc(c.conf.GetVoters(), func(id uint64) bool { return !c.reachable(id) }):\n		c.tellOffered(a, place{}, corepb.ForwardReply_NOT_LEADER)\n	case c.transfer.target != 0 || c.removed ||"}, {"core/append.go", "import (\n", "import (\n	\"slices\"\n\n"}},
	},
	{
		name: "confirmed-by-its-successor", class: "10", doc: "a node that leads no longer asks the next leader, and takes the answer as a confirmation of its own leadership",
		edits: []edit{{"core/read.go", "		if x.kind == readConfirm {\n			c.reply(x.id, NotLeader, \"this node no longer leads\")\n		}\n		return x.kind == readConfirm\n", "		return false\n"}},
	},
	{
		name: "read-before-the-host", class: "10", doc: "a read is answered when its index is applied in the core, and the host has not taken that over",
		edits: []edit{{"core/read.go", "	applied := c.storage.libApplied\n", "	applied := c.machine.index\n"}},
	},
	{
		name: "removed-answers-no-reads", class: "15", live: true, doc: "a node that learns that it is removed leaves the reads that wait without an answer",
		edits: []edit{{"core/removed.go", "	c.failReads(RemovedMember, removedText)\n", ""}},
	},
	{
		name: "removed-answers-no-transfer", class: "15", live: true, doc: "a node that learns that it is removed leaves whoever asked for that without an answer",
		edits: []edit{{"core/transfer.go", "	for _, id := range c.transfer.leavingIDs {\n		c.reply(id, OK, \"\")\n	}\n	c.transfer = transfer{}\n", "	c.transfer = transfer{}\n"}},
	},
	{
		name: "member-at-any-address", class: "8", doc: "a member is added under an address that another one has",
		edits: []edit{{"core/membership.go", "		case NodeID(m.GetRaftId()) != node && same:\n			c.answer(ch, Conflict, \"%s:%d is node %d already\", m.GetAddress(), m.GetPort(), NodeID(m.GetRaftId()))\n			return false\n", ""}},
	},
	{
		name: "member-with-any-data", class: "14", doc: "a member is told to be added though its data is not what it was added with",
		edits: []edit{{"core/membership.go", "		case !bytes.Equal(m.GetReplicaUuid(), ch.add.GetReplicaUuid()):\n", "		case node == 0 && !bytes.Equal(m.GetReplicaUuid(), ch.add.GetReplicaUuid()):\n"}},
	},
	{
		name: "recovery-stays-joint", class: "own", doc: "a member that goes on alone in the middle of a replacement still counts the outgoing voters",
		edits: []edit{{"core/apply_change.go", "	m.leaveJoint(conf)\n	cc :=", "	cc :="}},
	},
}
