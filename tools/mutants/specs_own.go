package main

import "slices"

// idsNotChecked has request ids looked at by nobody.
var idsNotChecked = []edit{
	{"core/machine.go", "	if at, ok := m.requestIDs.find(a.requestID); ok {\n", "	if at, ok := m.requestIDs.find(a.requestID); ok && at.index == m.index {\n"},
	{"core/append.go", "	if at, ok := c.proposed.appended[id]; ok {\n", "	if at, ok := c.proposed.appended[id]; ok && at.index == 0 {\n"},
}

// Reads, the lease, request ids (classes 10 to 12), and what else pgraft has of
// its own.
var ownMutants = []mutant{
	{
		name: "read-by-the-library-lease", class: "10", doc: "reads rest on the library's lease: clocks, not a round",
		edits: []edit{{"core/config.go", "raft.ReadOnlySafe", "raft.ReadOnlyLeaseBased"}},
	},
	{
		name: "read-without-a-round", class: "10", doc: "a leader answers reads from its commit index, without asking anyone",
		edits: []edit{{"core/read.go", "		c.rn.ReadIndex(binary.BigEndian.AppendUint64(nil, r.question))\n",
			"		c.readConfirmed(raft.ReadState{Index: c.hard.Commit, RequestCtx: binary.BigEndian.AppendUint64(nil, r.question)})\n"}},
	},
	{
		name: "read-in-a-new-term", class: "10", doc: "a new leader serves reads before it has committed an entry of its own",
		edits: []edit{
			{"core/read.go", " && len(r.next) > 0 && c.machine.term == c.hard.Term {", " && len(r.next) > 0 {"},
			{library + "raft.go", "	return r.raftLog.zeroTermOnOutOfBounds(r.raftLog.term(r.raftLog.committed)) == r.Term\n", "	return true\n"},
		},
	},
	{
		name: "read-of-an-earlier-round", class: "10", doc: "an answer to an earlier question serves a later read",
		edits: []edit{{"core/read.go", " || p.GetRound() != r.round {", " {"}},
	},
	{
		name: "read-before-applied", class: "10", doc: "a read is answered before its index is applied here",
		edits: []edit{{"core/read.go", "		case x.index > applied:\n			return false\n", "		case x.index > applied+1:\n			return false\n"}},
	},
	{
		name: "lease-kept-in-transfer", class: "11", doc: "the lease is not given up before TimeoutNow",
		edits: []edit{{"core/transfer.go", "	c.forfeitLease()\n", ""}},
	},
	{
		name: "lease-back-after-transfer", class: "11", doc: "a transfer that comes to nothing gives the lease back in the same term",
		edits: []edit{{"core/transfer.go", "	c.abdicate(\"its lease ended with a transfer that came to nothing\")\n", "	c.lease.forfeit = 0\n"}},
	},
	{
		name: "lease-from-the-answer", class: "11", doc: "a promise counts from its arrival, not from the question",
		edits: []edit{{"core/lease.go", "	if c.role != raft.StateLeader || !ok {\n		return\n	}\n", "	if c.role != raft.StateLeader || !ok {\n		return\n	}\n	opened = c.now\n"}},
	},
	{
		name: "restart-forgets-promises", class: "11", doc: "a restarted node votes and campaigns at once",
		edits: []edit{{"core/core.go", "	if d.PromiseMillis > 0 {\n", "	if d.PromiseMillis > 1<<40 {\n"}},
	},
	{
		name: "promise-before-stored", class: "11", doc: "a promise is made before the disk knows how long it lasts",
		edits: []edit{{"core/lease.go", "		return &c.sent.promise // it promises nothing, and is there\n", ""}},
	},
	{
		name: "promise-not-kept", class: "11", doc: "a voter promises, and votes as it likes",
		edits: []edit{
			{"core/voting.go", "	return c.now < c.promise.until && m.GetFrom() != c.promise.to\n", "	return false\n"},
			{library + "raft.go", "			inLease := r.checkQuorum && r.lead != None && r.electionElapsed < r.electionTimeout\n", "			inLease := false\n"},
		},
	},
	{
		name: "no-margin-for-clocks", class: "11", doc: "the lease leaves no room for clocks that differ and ticks that come late",
		edits: []edit{{"core/lease.go", "	driftPercent = 10\n", "	driftPercent = 0\n"}, {"core/lease.go", "	lateTicks = 1\n", "	lateTicks = 0\n"}},
	},
	{
		name: "lease-of-a-minority", class: "11", doc: "one promise too few is enough for the lease",
		edits: []edit{{"core/lease.go", "grants[:Majority(len(ids))]", "grants[:max(1, len(ids)/2)]"}},
	},
	{
		name: "lease-of-two", class: "11", doc: "the lease rests on two promises, as in the three nodes that it was tried with",
		edits: []edit{{"core/lease.go", "grants[:Majority(len(ids))]", "grants[:min(Majority(len(ids)), 2)]"}},
	},
	{
		name: "lease-of-a-later-round", class: "11", doc: "the lease is counted from the newest promise that it rests on, not from the oldest",
		edits: []edit{{"core/lease.go", "	l.from, l.ticks = from, 0\n	if until > c.now {\n		l.ticks = until - from\n", "	l.from, l.ticks = c.now, 0\n	if until > c.now {\n		l.ticks = until - from\n"}},
	},
	{
		name: "lease-published-last", class: "11", doc: "the host sends before it publishes that the lease is gone",
		edits: []edit{
			{"core/host.go", "	h.Publish(s, h.Clock().LeaseEnd(s, c.cfg.TickMillis))\n", ""},
			{"core/host.go", "	if out.MembersChanged {\n", "	h.Publish(s, h.Clock().LeaseEnd(s, c.cfg.TickMillis))\n	if out.MembersChanged {\n"},
		},
	},
	{
		name: "removal-by-what-was-heard", class: "own", doc: "a change of who votes goes by what was heard within an election timeout, and asks nobody",
		edits: []edit{{"core/hear.go", "		return id == c.self || w.round != 0 && c.lease.answered(id).answered >= w.round\n", "		return c.reachable(id)\n"}},
	},
	{
		name: "removal-by-old-answers", class: "own", doc: "an answer to any round of the term counts, however old",
		edits: []edit{{"core/hear.go", " && c.lease.answered(id).answered >= w.round\n", " && c.lease.answered(id).answered > 0\n"}},
	},
	{
		name: "removal-counts-the-removed", class: "own", doc: "the member to be removed counts among those that remain",
		edits: []edit{{"core/hear.go", "	return quorumNeed{after: c.votersBeside(id),\n", "	return quorumNeed{\n"}},
	},
	{
		name: "request-ids-by-local-time", class: "12", doc: "each node forgets request ids after a time of its own",
		edits: []edit{{"core/core.go", "	c.now++\n	if c.removed {\n", "	c.now++\n	if c.now%64 == 0 {\n		c.requestIDs.forget(c.machine.index + requestWindow)\n	}\n	if c.removed {\n"}},
	},
	{
		name: "request-ids-not-in-snapshot", class: "12", doc: "a snapshot lacks the request ids",
		edits: []edit{{"core/machine.go", "	requestIDs := m.requestIDs.encode()\n", "	requestIDs := m.requestIDs.encode()[:0]\n"}},
	},
	{
		name: "request-ids-not-checked", class: "12", doc: "a request id that is in the log is appended and committed again",
		edits: idsNotChecked,
	},
	{
		name: "one-try-is-one-message", class: "12", doc: "the same, with clients that never send a request again: nothing but the network says it twice",
		edits: append(slices.Clone(idsNotChecked),
			edit{"sim/client.go", "retry: c.draws.Below(4) > 0, requestID", "retry: c.draws.Below(4) > 4, requestID"}),
	},
	{
		name: "acknowledged-when-appended", class: "own", doc: "a client is answered when the leader has put its entry into the log",
		edits: []edit{{"core/propose.go", "		p.at = place{r.GetIndex(), r.GetTerm()}\n", "		c.finishAt(p, place{r.GetIndex(), r.GetTerm()})\n"}},
	},
	{
		name: "own-proposal-done-when-appended", class: "own", doc: "a leader's own client is answered when the entry is in the leader's log",
		edits: []edit{{"core/append.go", "		a.own.at, a.own.sent = at, v != corepb.ForwardReply_NOT_LEADER // busy: again in time\n",
			"		a.own.at, a.own.sent = at, v != corepb.ForwardReply_NOT_LEADER\n		if v == corepb.ForwardReply_ACCEPTED {\n			c.finishAt(a.own, at)\n		}\n"}},
	},
	{
		name: "removed-refuses-what-it-sent", class: "own", doc: "a node that is removed answers what it had sent to a leader as if nothing had happened",
		edits: []edit{{"core/propose.go", "		c.finish(p, Unknown, \"%s before the outcome was known\", text)\n", "		c.finish(p, RemovedMember, \"%s\", text)\n"}},
	},
	{
		name: "large-entries-are-taken", class: "own", doc: "an entry over the bound is replicated",
		edits: []edit{{"core/propose.go", "len(in.Data) > c.cfg.MaxEntryBytes", "len(in.Data) > 2*c.cfg.MaxEntryBytes"}},
	},
	{
		name: "snapshots-come-late", class: "own", doc: "the log after the newest snapshot grows over its bound",
		edits: []edit{{"core/snapshot.go", "n-c.storage.marked < c.cfg.SnapshotEntries &&", "n-c.storage.marked < 2*c.cfg.SnapshotEntries &&"}},
	},
	{
		name: "given-up-is-refused", class: "own", doc: "a proposal that may still commit is answered as if nothing had happened",
		edits: []edit{{"core/cancel.go", "		if c.giveUp(&p.ids, id, \"given up\") {\n",
			"		if i := slices.Index(p.ids, id); i >= 0 {\n			p.ids = slices.Delete(p.ids, i, i+1)\n			c.reply(id, Busy, \"given up\")\n"}},
	},
	{
		name: "incarnation-used-again", class: "own", doc: "a node that is added again gets the Raft id that it had",
		edits: []edit{{"core/apply_change.go", "		m.members.LastIncarnation = Incarnation(id)\n", "		m.members.LastIncarnation = max(m.members.LastIncarnation, min(Incarnation(id), 3))\n"},
			{"core/apply_change.go", " || Incarnation(id) <= m.members.LastIncarnation {", " || Incarnation(id) < m.members.LastIncarnation {"}},
	},
	{
		name: "known-commit-without-term", class: "own", doc: "a candidate believes a commit index without comparing the term of the entry there",
		edits: []edit{
			{"core/known_commit.go", "	if term, err := c.log.Term(k.GetIndex()); err != nil || term != k.GetTerm() {\n", "	term, err := c.log.Term(k.GetIndex())\n	if err != nil {\n"},
			{"core/known_commit.go", "	if !c.log.changesMembers(c.hard.Commit, k.GetIndex()) {\n		return\n	}\n", ""},
			// The library compares the term, too.
			{"core/known_commit.go", "LogTerm: new(k.GetTerm()),", "LogTerm: new(term),"},
		},
	},
	{
		name: "joint-commit-by-one-quorum", class: "own", doc: "in a joint configuration the new quorum commits alone",
		edits: []edit{{library + "quorum/joint.go", "	if idx0 < idx1 {\n		return idx0\n	}\n	return idx1\n", "	if idx0 > idx1 && len(c[1]) == 0 {\n		return idx1\n	}\n	return idx0\n"}},
	},
	{
		name: "joint-vote-by-one-quorum", class: "own", doc: "in a joint configuration the new quorum elects alone",
		edits: []edit{{library + "quorum/joint.go", "	if r1 == r2 {\n", "	if r1 == r2 || len(c[1]) > 0 {\n"}},
	},
	{
		name: "replace-without-joint", class: "own", doc: "a voter is replaced in one simple change",
		edits: []edit{{library + "confchange/confchange.go", "	if n := symdiff(incoming(c.Tracker.Voters), incoming(cfg.Voters)); n > 1 {\n", "	if n := symdiff(incoming(c.Tracker.Voters), incoming(cfg.Voters)); n > 9 {\n"},
			{library + "raft.go", "} else if autoLeave, ok := cc.EnterJoint(); ok {", "} else if autoLeave, ok := cc.EnterJoint(); ok && len(cc.Changes) > 2 {"}},
	},
	{
		name: "transfer-never-ends", class: "own", live: true, doc: "a leader whose transfer came to nothing stays, without a lease",
		edits: []edit{{"core/transfer.go", "	c.abdicate(\"its lease ended with a transfer that came to nothing\")\n", ""}},
	},
	{
		name: "snapshot-never-reported", class: "own", live: true, doc: "the library does not hear what became of a snapshot",
		edits: []edit{{"core/snapshot.go", "	c.rn.ReportSnapshot(in.RaftID, st)\n", "	_ = st\n"}},
	},
	{
		name: "cut-snapshot-not-reported", class: "own", live: true, doc: "the library does not hear that a snapshot did not arrive",
		edits: []edit{{"core/snapshot.go", "	if !in.OK {\n		st = raft.SnapshotFailure\n	}\n", "	if !in.OK {\n		return\n	}\n"}},
	},
	{
		name: "proposals-not-retried", class: "own", live: true, doc: "a forwarded proposal is sent once",
		edits: []edit{{"core/propose.go", " && (!p.sent || c.now-p.sentAt >= uint64(c.cfg.ElectionTicks)) {", " && !p.sent {"}},
	},
	{
		name: "read-not-asked-again", class: "own", live: true, doc: "a lost question to the leader is not asked again",
		edits: []edit{{"core/read.go", "	if r.asking && c.now-r.askedAt >= uint64(c.cfg.ElectionTicks) {\n		r.askAgain()\n	}\n", ""}},
	},
	{
		name: "refused-change-forgotten", class: "own", live: true, doc: "a membership change that was refused is not tried again",
		edits: []edit{{"core/membership.go", "		ch.started = ch.started && c.underWay(ch)\n", "		_ = ch\n"}},
	},
	{
		name: "commit-not-learned", class: "own", live: true, nodes: 2, doc: "a candidate does not learn what others know to be committed",
		edits: []edit{{"core/door.go", "	c.commitKnown(env.GetKnownCommit())\n", ""}},
	},
}
