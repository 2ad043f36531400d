package main

// A leader that has closed its connections may be alive. These take that for a proof of
// its death, or go wrong about whose turn it is to stand.
var closedMutants = []mutant{
	{
		name: "closed-frees-the-voter", class: "closed leader", doc: "a voter stands at once when its leader has closed its connections, whatever it promised",
		edits: []edit{
			{"core/election.go", "	if c.now < c.promise.until || c.now < c.promise.bootUntil {\n", "	if !c.leaderClosed() && (c.now < c.promise.until || c.now < c.promise.bootUntil) {\n"},
			{"core/closed.go", "	free := max(c.promise.until, c.promise.bootUntil, c.peers.of(c.timer.leader).closedAt)\n", "	free := c.peers.of(c.timer.leader).closedAt\n"},
		},
	},
	{
		name: "closed-frees-the-vote", class: "closed leader", doc: "a voter keeps its promise to a closed leader for itself, and votes for others",
		edits: []edit{
			{"core/voting.go", "	return c.now < c.promise.until && m.GetFrom() != c.promise.to\n", "	return c.now < c.promise.until && m.GetFrom() != c.promise.to && !c.leaderClosed()\n"},
			{library + "raft.go", "			inLease := r.checkQuorum && r.lead != None && r.electionElapsed < r.electionTimeout\n", "			inLease := false\n"},
		},
	},
	{
		name: "closed-halves-the-promise", class: "closed leader", doc: "what was promised to a leader that is closed holds for half of the time",
		edits: []edit{{"core/closed.go", "	p.closed, p.closedAt = in.Closed, c.now\n",
			"	p.closed, p.closedAt = in.Closed, c.now\n	if p.closed && c.promise.to == in.RaftID && c.promise.until > c.now {\n		c.promise.until = c.now + (c.promise.until-c.now)/2\n	}\n"}},
	},
	{
		name: "reset-is-closed", class: "closed leader", doc: "a leader whose connections end counts as closed, though its port is open",
		edits: []edit{{"core/core.go", "		c.rn.ReportUnreachable(in.RaftID)\n", "		c.rn.ReportUnreachable(in.RaftID)\n		c.peerClosed(PeerClosed{RaftID: in.RaftID, Closed: true})\n"}},
	},
	{
		name: "closed-for-ever", class: "closed leader", doc: "that a member is connected again is not heeded",
		edits: []edit{
			{"core/closed.go", "	p.closed, p.closedAt = in.Closed, c.now\n", "	p.closed, p.closedAt = true, c.now\n"},
			{"core/door.go", "	p.closed = false // who speaks is there\n", ""},
		},
	},
	{
		name: "all-stand-at-once", class: "closed leader", doc: "voters that miss a closed leader do not wait for their turns",
		edits: []edit{{"core/closed.go", "	return (c.now-free)/c.turnTicks() == c.rank()\n", "	return (c.now-free)/c.turnTicks() == 0*c.rank()\n"}},
	},
	{
		name: "all-stand-at-last", class: "closed leader", doc: "voters stand in turns, and whose turn has come keeps it",
		edits: []edit{{"core/closed.go", "	return (c.now-free)/c.turnTicks() == c.rank()\n", "	return (c.now-free)/c.turnTicks() <= c.rank()\n"}},
	},
	{
		name: "promise-longer-than-kept", class: "closed leader", doc: "a voter promises for an election timeout, and keeps its promise for half of one",
		edits: []edit{{"core/lease.go", "	return (c.cfg.promiseTicks() - promiseSlackTicks) * c.cfg.TickMillis\n", "	return uint64(c.cfg.ElectionTicks-promiseSlackTicks) * c.cfg.TickMillis\n"}},
	},
	{
		name: "silence-of-half-a-timeout", class: "closed leader", doc: "an election begins when a promise is over, be the leader closed or only silent",
		edits: []edit{{"core/election.go", "	t.deadline = c.now + uint64(c.cfg.ElectionTicks)\n", "	t.deadline = c.now + c.cfg.promiseTicks()\n"}},
	},
}
