package main

// Combinations that chance alone meets too seldom: the simulator aims at each with
// a fault of several stages (sim/stage.go).

// lower has the library take messages of lower terms for which the condition holds.
func lower(condition string) edit {
	return edit{library + "raft.go", "	case m.GetTerm() < r.Term:\n		if (r.checkQuorum", "	case m.GetTerm() < r.Term && " + condition + ":\n	case m.GetTerm() < r.Term:\n		if (r.checkQuorum"}
}

var rareMutants = []mutant{
	{
		name: "old-heartbeat-answers-confirm", class: "two lives", doc: "an answer to a heartbeat of an earlier term of the same leader confirms a read",
		edits: []edit{
			lower("r.state == StateLeader && m.GetType() == pb.MsgHeartbeatResp"),
			{"core/read.go", "len(ctx) == 8 && m.GetTerm() == c.hard.Term && binary", "len(ctx) == 8 && binary"},
		},
	},
	{
		name: "old-votes-count", class: "two lives", doc: "votes that were given in an earlier term count in this one",
		edits: []edit{lower("(r.state == StateCandidate && m.GetType() == pb.MsgVoteResp || r.state == StatePreCandidate && m.GetType() == pb.MsgPreVoteResp)")},
	},
	{
		name: "old-appends-count", class: "two lives", doc: "an acknowledgement that its sender gave in an earlier term of the same leader counts in this one", nodes: 5,
		edits: []edit{lower("r.state == StateLeader && m.GetType() == pb.MsgAppResp && !m.GetReject()")},
	},
	{
		name: "old-promises-count", class: "two lives", doc: "a promise that was made in an earlier term of the same leader counts from the round of that number in this one",
		edits: []edit{{"core/door.go", "m.GetType() == pb.MsgHeartbeatResp && m.GetTerm() == c.hard.Term {", "m.GetType() == pb.MsgHeartbeatResp {"}},
	},
	{
		name: "reply-of-another-life", class: "held over", doc: "an answer to a question of the life before answers the one of the same number",
		edits: []edit{{"core/read.go", "!r.asking || p.GetLife() != r.life || p", "!r.asking || p"}},
	},

	{
		name: "slow-disk-answers-in-a-new-term", class: "held over", doc: "what a slow disk acknowledges is sent to the leader of now, in its term",
		edits: []edit{{"core/storage.go", "	if m.GetTo() == c.self {\n		c.step(m)\n		return\n	}\n	c.sendRaft(m)\n",
			"	if m.GetTo() == c.self {\n		c.step(m)\n		return\n	}\n	if m.GetType() == pb.MsgAppResp && !m.GetReject() && c.lead != 0 && c.lead != c.self && m.GetTerm() < c.hard.Term {\n		m.Term, m.To = new(c.hard.Term), new(c.lead)\n	}\n	c.sendRaft(m)\n"}},
	},

	{
		name: "timeout-now-of-an-earlier-term", class: "held over", doc: "a follower campaigns at once when an earlier leader's word that it is to lead comes late",
		edits: []edit{lower("r.state == StateFollower && m.GetType() == pb.MsgTimeoutNow")},
	},
	{
		name: "longer-log-has-the-snapshot", class: "long tail", doc: "a follower whose log reaches to a snapshot counts its own entries up to there as committed",
		edits: []edit{{library + "raft.go", "	if r.raftLog.matchTerm(id) {\n		// TODO", "	if r.raftLog.matchTerm(id) || r.raftLog.lastIndex() >= id.index+8 {\n		// TODO"}},
	},

	{
		name: "disk-keeps-the-tail", class: "long tail", doc: "on the disk, entries of a log that is longer than the leader's snapshot stay behind it",
		edits: []edit{{"sim/disk_log.go", "		d.first, d.log = s.Index+1, d.log[:0]\n",
			"		if len(d.log) > 0 && s.Index >= d.first && s.Index < d.last() {\n			d.log = append([]core.Entry(nil), d.log[s.Index+1-d.first:]...)\n		} else {\n			d.log = d.log[:0]\n		}\n		d.first = s.Index + 1\n"}},
	},
	{
		name: "snapshot-forgets-the-old-voters", class: "joint snapshot", doc: "a snapshot of a joint configuration has its new voters only",
		edits: []edit{{"core/machine.go", "	return &pb.Snapshot{Data: slices.Concat(marshal(state), requestIDs), Metadata: &pb.SnapshotMetadata{\n		ConfState: m.conf,",
			"	conf := m.conf\n	if len(conf.GetVotersOutgoing()) > 0 {\n		conf = &pb.ConfState{Voters: conf.GetVoters(), Learners: slices.Concat(conf.GetLearners(), conf.GetLearnersNext())}\n	}\n	return &pb.Snapshot{Data: slices.Concat(marshal(state), requestIDs), Metadata: &pb.SnapshotMetadata{\n		ConfState: conf,"}},
	},

	{
		name: "install-forgets-the-old-voters", class: "joint snapshot", doc: "a member that gets a snapshot of a joint configuration counts the new voters only",
		edits: []edit{{"core/snapshot.go", "	conf := s.GetMetadata().GetConfState()\n	for _, l := range [][]uint64{conf.GetVoters(), conf.GetLearners(), conf.GetVotersOutgoing(), conf.GetLearnersNext()} {\n",
			"	conf := s.GetMetadata().GetConfState()\n	if len(conf.GetVotersOutgoing()) > 0 {\n		s = proto.Clone(s).(*pb.Snapshot)\n		s.Metadata.ConfState = &pb.ConfState{Voters: conf.GetVoters(), Learners: slices.Concat(conf.GetLearners(), conf.GetLearnersNext())}\n		return s\n	}\n	for _, l := range [][]uint64{conf.GetVoters(), conf.GetLearners(), conf.GetVotersOutgoing(), conf.GetLearnersNext()} {\n"}},
	},
	{
		name: "promise-two-ticks-short", class: "edge of a promise", doc: "a voter keeps its promise for two ticks less than it says",
		edits: []edit{
			{"core/voting.go", "	return c.now < c.promise.until && m.GetFrom() != c.promise.to\n", "	return c.now+4 < c.promise.until && m.GetFrom() != c.promise.to\n"},
			{library + "raft.go", "			inLease := r.checkQuorum && r.lead != None && r.electionElapsed < r.electionTimeout\n", "			inLease := false\n"},
		},
	},
	{
		name: "boot-promise-two-ticks-short", class: "edge of a promise", doc: "a restarted voter keeps the promises of the life before for two ticks less than they may last",
		edits: []edit{{"core/core.go", "		c.promise.bootUntil = c.ticks(d.PromiseMillis) + promiseSlackTicks\n", "		c.promise.bootUntil = max(c.ticks(d.PromiseMillis), 2) - 2\n"}},
	},
	{
		name: "boot-promise-in-ticks-of-now", class: "edge of a promise", doc: "a restarted voter counts promises of the life before by its settings of now",
		edits: []edit{{"core/core.go", "		c.promise.bootUntil = c.ticks(d.PromiseMillis) + promiseSlackTicks\n", "		c.promise.bootUntil = uint64(c.cfg.ElectionTicks)\n"}},
	},
	{
		name: "campaigns-against-its-promise", class: "edge of a promise", doc: "a restarted voter keeps promises of the life before to others, and stands for election itself",
		edits: []edit{{"core/election.go", "	if c.now < c.promise.until || c.now < c.promise.bootUntil {", "	if c.now < c.promise.until {"}},
	},
}
