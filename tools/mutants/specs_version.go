package main

// The cluster version: when it is raised, and who may read the log from then on.
var versionMutants = []mutant{
	{
		name: "version-raised-by-those-who-said", class: "version", doc: "a member that has announced no version is not waited for",
		edits: []edit{{"core/version.go", "		if a.round == 0 || c.now-a.opened >= uint64(c.cfg.ElectionTicks) {\n			return 0\n		}\n",
			"		if a.round == 0 || c.now-a.opened >= uint64(c.cfg.ElectionTicks) {\n			continue\n		}\n"}},
	},
	{
		name: "version-raised-by-a-quorum", class: "version", doc: "the version is raised to what a majority of the voters knows",
		edits: []edit{{"core/version.go", "	v := c.knownByAll()\n",
			"	v, know := c.cfg.Newest, 1\n	for _, a := range c.lease.answers {\n		if a.said.version >= v && c.isVoter(a.from) {\n			know++\n		}\n	}\n	if know <= len(c.conf.GetVoters())/2 {\n		return false\n	}\n"}},
	},
	{
		name: "version-of-a-former-life", class: "version", doc: "what a member has announced counts, whatever it is restarted with",
		edits: []edit{
			{"core/version.go", "		a.version = min(a.version, newest)\n", "		a.version = max(a.version, newest)\n"},
			{"core/version.go", "	default:\n		*a = announcement{round, opened, newest}\n", "	default:\n		*a = announcement{round, opened, max(newest, a.version)}\n"},
		},
	},
	{
		name: "version-without-learners", class: "version", doc: "learners are not asked what they know",
		edits: []edit{{"core/version.go", "		if m.GetRaftId() == c.self {\n			continue\n		}\n		a := ", "		if m.GetRaftId() == c.self || m.GetRole() != corepb.Role_VOTER {\n			continue\n		}\n		a := "}},
	},
	{
		name: "version-lowered-by-a-snapshot", class: "version", doc: "a snapshot does not say which version the cluster is at",
		edits: []edit{{"core/machine.go", "		ClusterVersion:  m.needs(),\n", ""}},
	},
	{
		name: "version-lowered-by-a-recovery", class: "version", doc: "a member that goes on alone is at the first version again",
		edits: []edit{{"core/apply_change.go", "		Version: m.members.Version, List:", "		Version: OldestVersion, List:"}},
	},
	{
		name: "version-not-in-the-store", class: "version", doc: "the store of a member that got a snapshot is opened by any build",
		edits: []edit{{"core/storage.go", "		p.Version = c.machine.needs()\n", ""}},
	},
	{
		name: "version-asked-of-nobody", class: "version", doc: "who is added or greeted need not know the cluster's version, and connections of before stay",
		edits: []edit{
			{"core/membership.go", "	if v := max(ch.newest, OldestVersion); v < c.members.Version {\n", "	if v := max(ch.newest, OldestVersion); v < OldestVersion {\n"},
			{"core/version.go", "return Range{max(m.Version, OldestVersion), newest}", "return Range{OldestVersion, newest}"},
			{"sim/version.go", "			if c != nil && c.knows(n) < n.members.Version {\n", "			if c != nil && c.knows(n) < 1 {\n"},
			{"sim/peers.go", " || h.c.bKnows < n.members.Version:", ":"},
		},
	},
}
