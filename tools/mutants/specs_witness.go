package main

// Bugs that one kind of fault shows, and hardly another: each is the reason why that
// kind is there. RESULTS.md has what finds them alone.
var witnessMutants = []mutant{
	// downgrade
	{
		name: "raise-not-in-the-store", class: "version", doc: "the entry that raises the cluster version leaves the store open for any build",
		edits: []edit{{"core/storage.go", "		for i := range p.Entries {\n			p.Version = max(p.Version, entryVersion(p.Entries[i]))\n		}\n", ""}},
	},
	{
		name: "several-as-announced", class: "version", doc: "several commands go to a leader in one message, as its build once said that it knows them",
		edits: []edit{{"core/send.go", "bool { return c.members.Version >= forwardsMoreVersion }", "bool { return c.newestOf(c.lead) >= forwardsMoreVersion }"}},
	},

	// aged, with crash
	{
		name: "old-snapshot-believed", class: "9", doc: "a snapshot that comes late, and is older than the log, is installed",
		edits: []edit{{library + "raft.go", "	if s.GetMetadata().GetIndex() <= r.raftLog.committed {\n", "	if s.GetMetadata().GetIndex() == r.raftLog.committed {\n"}},
	},

	// small-retention
	{
		name: "reload-forgets-the-needs", class: "needed", doc: "new limits of a store take the place of what has to be kept, too",
		edits: []edit{{"sim/fault_away.go", "		d.retention.entries, d.retention.bytes = r.entries, r.bytes\n", "		*d.retention = r\n"}},
	},

	// database-stops
	{
		name: "idle-database-needs-nothing", class: "needed", doc: "a database that has said nothing new for 15 seconds is taken to need nothing",
		edits: []edit{
			{"core/retain/needs.go", "	m.needs.given, m.needs.own = true, n\n", "	m.needs.given, m.needs.own = true, n\n	m.needs.round |= 15\n"},
			{"core/retain/needs.go", "		m.tell(a)\n	}\n}\n", "		if m.tell(a); m.needs.round&15 > 2 {\n			m.needs.own.From = 0\n			m.retain()\n		}\n	}\n}\n"},
		},
	},

	// needs-lost
	{
		name: "need-ages", class: "needed", doc: "what a member needs counts no more when it is there and has not said so again for ten seconds",
		edits: []edit{{"core/retain/machine.go", "	m.tellWhenDue(a)\n",
			"	for _, id := range m.members {\n		if s := m.needs.said[id]; len(s) > 0 && a.Reachable(id) && a.Now-s[len(s)-1].heard > a.ticks(2*TellMillis) {\n			m.needs.said[id] = []said{{heard: a.Now}}\n			m.retain()\n		}\n	}\n	m.tellWhenDue(a)\n"}},
	},

	// export-fails
	{
		name: "failed-export-is-the-last", class: "handed out", live: true, doc: "once its host could not export a state, a member has none exported any more",
		edits: []edit{{"core/retain/give_state.go", "	g.exporting = false\n	m.drop()\n", "	if size == 0 {\n		return\n	}\n	g.exporting = false\n	m.drop()\n"}},
	},
	{
		name: "cut-state-goes-on", class: "handed out", doc: "what came of a state that was cut stays in front of the one that another member gives",
		edits: []edit{{"sim/database_fetch.go", "	if p.Offset == 0 {\n		d.part = d.part[:0]\n	}\n	if p.Offset != uint64(len(d.part)) || p.Offset+", "	if p.Offset+"}},
	},
	{
		name: "parts-of-two-exports", class: "handed out", doc: "where a state was cut, it goes on with the first part of another member's",
		edits: []edit{
			{"core/retain/ask_state.go", "		x.ticket, x.total, x.got = 0, 0, 0\n", "		x.ticket, x.total = 0, 0\n"},
			{"core/retain/ask_state.go", "x.asked != from || x.got != p.GetOffset() {", "x.asked != from || x.ticket != 0 && x.got != p.GetOffset() {"},
		},
	},
}
