package main

// Elections, the log, membership, snapshots (classes 5, 6, 8, 9, 13 to 15).
var raftMutants = []mutant{
	{
		name: "commits-older-terms", class: "5", doc: "an entry of an older term is committed once a quorum has it",
		edits: []edit{{library + "log.go",
			"if at.term != 0 && at.index > l.committed && l.matchTerm(at) {",
			"if at.term != 0 && at.index > l.committed {"}},
	},
	{
		name: "commits-the-term-before", class: "5", doc: "an entry of the term just before is committed once a quorum has it",
		edits: []edit{{library + "log.go",
			"if at.term != 0 && at.index > l.committed && l.matchTerm(at) {",
			"if at.term != 0 && at.index > l.committed && (l.matchTerm(at) || l.matchTerm(entryID{term: at.term - 1, index: at.index})) {"}},
	},
	{
		name: "longer-log-wins", class: "6", doc: "logs are compared by length only",
		edits: []edit{{library + "log.go",
			"return their.term > our.term || their.term == our.term && their.index >= our.index",
			"return their.index >= our.index"}},
	},
	{
		name: "newer-term-wins", class: "6", doc: "logs are compared by their last term only",
		edits: []edit{{library + "log.go",
			"return their.term > our.term || their.term == our.term && their.index >= our.index",
			"return their.term >= our.term"}},
	},
	{
		name: "term-or-length-wins", class: "6", doc: "a longer log wins over one with a newer last term",
		edits: []edit{{library + "log.go",
			"return their.term > our.term || their.term == our.term && their.index >= our.index",
			"return their.term > our.term || their.index >= our.index"}},
	},
	{
		name: "old-append-believed", class: "own", doc: "an append that came late takes the commit index back",
		edits: []edit{
			{library + "log.go", "	if l.committed < tocommit {\n		if l.lastIndex()", "	if l.committed != tocommit {\n		if l.lastIndex()"},
			{library + "raft.go", "	if a.prev.index < r.raftLog.committed {\n", "	if a.prev.index < r.raftLog.committed && m.GetTerm() != r.Term {\n"},
			{library + "raft.go", "	r.raftLog.commitTo(m.GetCommit())\n	r.send(&pb.Message{To: m.From, Type: pb.MsgHeartbeatResp",
				"	r.raftLog.commitTo(max(m.GetCommit(), r.raftLog.committed))\n	r.send(&pb.Message{To: m.From, Type: pb.MsgHeartbeatResp"},
		},
	},
	{
		name: "lost-append-stays-lost", class: "own", live: true, doc: "a follower that answers heartbeats is not sent again what it may have missed, unless it is a learner",
		edits: []edit{{library + "raft.go", "		pr.MsgAppFlowPaused = false\n\n		// NB: if the follower is paused", "		if pr.IsLearner {\n			pr.MsgAppFlowPaused = false\n		}\n\n		// NB: if the follower is paused"}},
	},
	{
		name: "two-changes-at-once", class: "8", doc: "a membership change is proposed before the one before it is applied",
		edits: []edit{
			{"core/membership.go", " || c.storage.libApplied < c.changes.confIndex {", " {"},
			{library + "raft.go", "alreadyPending := r.pendingConfIndex > r.raftLog.applied", "alreadyPending := false"},
		},
	},
	{
		name: "change-before-own-entry", class: "8", doc: "the bug of 2015: a new leader changes the members before it has committed an entry of its own",
		edits: []edit{
			{"core/leading.go", "	c.changes.confIndex = c.last // the library allows no change before this is applied\n", ""},
			{library + "raft.go", "r.pendingConfIndex = r.raftLog.lastIndex()\n\n", "r.pendingConfIndex = 0\n\n"},
		},
	},
	{
		name: "change-once-committed", class: "8", doc: "a membership change follows the one before it when that is committed, applied or not",
		edits: []edit{
			{"core/membership.go", " || c.storage.libApplied < c.changes.confIndex {", " || c.hard.Commit < c.changes.confIndex {"},
			{library + "raft.go", "alreadyPending := r.pendingConfIndex > r.raftLog.applied", "alreadyPending := r.pendingConfIndex > r.raftLog.committed"},
		},
	},
	{
		name: "snapshot-without-members", class: "9", doc: "a snapshot lacks the voters",
		edits: []edit{{"core/machine.go", "		ConfState: m.conf, Index: new(m.index), Term: new(m.term)}}", "		ConfState: &pb.ConfState{}, Index: new(m.index), Term: new(m.term)}}"}},
	},
	{
		name: "snapshot-one-off", class: "9", doc: "a snapshot says one index less than it holds",
		edits: []edit{{"core/machine.go", "		ConfState: m.conf, Index: new(m.index), Term: new(m.term)}}", "		ConfState: m.conf, Index: new(m.index - 1), Term: new(m.term)}}"}},
	},
	{
		name: "snapshot-with-old-members", class: "9", doc: "a snapshot carries the voters of the snapshot before it",
		edits: []edit{{"core/snapshot.go", "	s := c.machine.snapshot()\n	c.log.mark(s, c.cfg.Limits.MarkBytes)\n",
			"	s := c.machine.snapshot()\n	s.Metadata.ConfState = c.log.marks[len(c.log.marks)-1].GetMetadata().GetConfState()\n	c.log.mark(s, c.cfg.Limits.MarkBytes)\n"}},
	},
	{
		name: "snapshot-makes-a-voter", class: "9", doc: "a new member counts itself a voter from the snapshot on",
		edits: []edit{{"core/snapshot.go", "	s.Metadata.ConfState.Learners = append(s.Metadata.ConfState.Learners, id)\n",
			"	s.Metadata.ConfState.Voters = append(s.Metadata.ConfState.Voters, id)\n"}},
	},
	{
		name: "hears-the-removed", class: "13", doc: "messages of a removed member are taken while its connection lasts",
		edits: []edit{{"core/door.go", "	if c.removed || c.members.WasRemoved(in.From) {\n", "	if c.removed {\n"}},
	},
	{
		name: "greets-the-removed", class: "13", doc: "a removed member may connect, and is heard",
		edits: []edit{
			{"core/door.go", "	if c.removed || c.members.WasRemoved(in.From) {\n", "	if c.removed {\n"},
			{"core/identity.go", "	case m == nil && members.WasRemoved(from):\n", "	case m == nil && from == 1:\n"},
		},
	},
	{
		name: "wiped-node-is-invited", class: "14", doc: "a node that lost its directory is let back in under its old id",
		edits: []edit{
			{"core/identity.go", "	case len(hello.GetToReplica()) != 0 && !bytes.Equal(hello.GetToReplica(), self.ReplicaUUID[:]):\n", "	case self.Invited() && len(hello.GetToReplica()) != 0 && !bytes.Equal(hello.GetToReplica(), self.ReplicaUUID[:]):\n"},
			{"core/identity.go", "	case len(m.GetReplicaUuid()) != 0 && !bytes.Equal(m.GetReplicaUuid(), hello.GetFromReplica()):\n", "	case m.GetRaftId() == 0:\n"},
			{"sim/peers.go", "		(len(m.GetReplicaUuid()) == 0 || bytes.Equal(m.GetReplicaUuid(), h.welcome.GetReplica()))\n", "		len(h.welcome.GetReplica()) > 0\n"},
		},
	},
	{
		name: "copied-directory-runs", class: "14", doc: "a node runs on a directory that is another node's, or another's copy",
		edits: []edit{
			{"core/takeover.go", "	case f.Identity.NodeID != self.NodeID:\n", "	case f.Identity.NodeID == 0:\n"},
			{"core/takeover.go", "	case f.Marker != nil && f.Marker.ReplicaUUID != f.Identity.ReplicaUUID:\n", "	case f.Marker != nil && f.Identity.NodeID == 0:\n"},
			{"core/identity.go", "	case hello.GetToNode() != self.NodeID:\n", "	case hello.GetToNode() == 0:\n"},
		},
	},
	{
		name: "copied-directory-runs-unmarked", class: "14", doc: "a node runs on another node's directory if no marker says that it had its own",
		edits: []edit{{"core/takeover.go", "	case f.Identity.NodeID != self.NodeID:\n", "	case f.Identity.NodeID != self.NodeID && f.Marker != nil:\n"}},
	},
	{
		name: "emptied-directory-is-new", class: "14", doc: "a node whose directory is empty is taken for a new one, whatever its marker says",
		edits: []edit{
			{"core/takeover.go", "	case f.Holds == HoldsNothing && f.Marker != nil:\n", "	case f.Holds == HoldsNothing && f.MarkerDamaged:\n"},
			{"core/takeover.go", "	case f.Identity == nil && f.Marker != nil:\n", "	case f.Identity == nil && f.Marker != nil && f.Holds == HoldsStore:\n"},
		},
	},
	{
		name: "lost-node-votes", class: "14", doc: "a node that learned that it lost entries goes on voting",
		edits: []edit{
			{"core/door.go", "	if c.lost && (m.GetType() == pb.MsgVote || m.GetType() == pb.MsgPreVote) {\n", "	if false {\n"},
			{"core/election.go", "	if stands && !c.lost && c.isVoter(c.self) {\n", "	if stands && c.isVoter(c.self) {\n"},
			{"core/storage.go", "	if c.lost && elects(m) {\n		return\n	}\n", ""},
			{"core/door.go", "	if c.lost && (m.GetType() == pb.MsgTimeoutNow || elects(m)) {\n", "	if c.lost && m.GetType() == pb.MsgTimeoutNow {\n"},
		},
	},
	{
		name: "no-pre-vote", class: "15", live: true, doc: "elections begin without asking first",
		edits: []edit{{"core/config.go", "		PreVote:                   true,\n", "		PreVote:                   false,\n"}},
	},
	{
		name: "learner-refuses-to-vote", class: "15", live: true, doc: "a member that does not know yet that it is a voter refuses its vote",
		edits: []edit{{library + "raft.go", "		if canVote && r.raftLog.isUpToDate(candLastID) {\n", "		if canVote && !r.isLearner && r.raftLog.isUpToDate(candLastID) {\n"}},
	},
}
