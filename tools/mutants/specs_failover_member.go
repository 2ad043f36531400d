package main

// Bugs in what failover makes of members that come and go, and of a recovery from a lost
// quorum.
var memberMutants = []mutant{
	{
		name: "leaves-while-a-set-names-it", class: "failover", failover: true, doc: "a member that the sync set names may be removed",
		edits: []edit{{"core/failover/apply.go", "	case s.Epoch.Set.Has(id):\n		return VoidNamed\n", ""}},
	},
	{
		name: "primary-leaves", class: "failover", failover: true, doc: "the primary of the last open epoch may be removed",
		edits: []edit{{"core/failover/apply.go", "	case id == s.Last.Primary:\n		return VoidLastPrimary\n", ""}},
	},
	{
		name: "leaves-between", class: "failover", failover: true, doc: "a member may be removed while an epoch has begun and is not open",
		edits: []edit{{"core/failover/apply.go", "	case s.Epoch.Stage != StageOpen:\n		return VoidBetween\n", ""}},
	},
	{
		name: "learner-counts", class: "failover", failover: true, story: "attack_28_learner_reaches_furthest", doc: "a member that is not a voter yet, or no more, may be primary and in the sync set",
		edits: []edit{{"core/failover/state.go", "m.Quarantined == NotQuarantined && slices.Contains(voters, id)", "m.Quarantined == NotQuarantined"}},
	},
	{
		name: "recovery-forgets-who-is-lost", class: "failover", failover: true, doc: "who goes on alone from a lost quorum counts as the last primary, and needs no override",
		edits: []edit{{"core/failover/recover.go", "	s.Last.Primary = is(s.Last.Primary)\n	s.Last.Set = s.Last.Set.renamed(is)\n", "	s.Last.Primary, s.Last.Set = id, Set{}\n"}},
	},
	{
		name: "recovery-keeps-the-epoch", class: "failover", failover: true, doc: "a recovery from a lost quorum leaves the newest epoch as it was, with its sync set",
		edits: []edit{{"core/failover/recover.go", "		s.Epoch = Epoch{Stage: StageBegun, Number: s.Epoch.Number, Changed: index}\n	}\n	s.Epoch.Number += RecoveryEpochs\n", "		s.Epoch.Primary, s.Epoch.Set = is(was), s.Epoch.Set.renamed(is)\n	}\n	_ = index\n"}},
	},
	{
		name: "read-under-another-id", class: "failover", failover: true, doc: "the data directory of a primary that was removed is read as another member's",
		edits: []edit{{"core/failover/primary.go", " && !m.server.Wrote {", " {"}},
	},
	{
		name: "gaps-behind-the-last-not-filled", class: "failover", failover: true, doc: "a follower gets the history files of the last gap of timelines alone", live: true,
		edits: []edit{{"core/failover/host/obey.go", "t > h[i-1].Timeline; t--", "t > h[i-1].Timeline && i == len(h)-1; t--"}},
	},
	{
		name: "tokens-of-a-node-number", class: "failover", failover: true, doc: "the token of a member is the same as that of the one before with its node number",
		edits: []edit{{"core/failover/host/names.go", "number(t.Boot) + \"-\" + number(t.Member)", "number(t.Boot) + \"-\" + number(uint64(uint32(t.Member)))"}},
	},
	{
		name: "recovered-by-the-released-version", class: "failover", failover: true, doc: "a cluster with failover cannot be recovered from a lost quorum", live: true,
		edits: []edit{{"core/recover.go", "m, err := replay(log, newest)", "m, err := replay(log, FailoverVersion-1)"}},
	},
}
