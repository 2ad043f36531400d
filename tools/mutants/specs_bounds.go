package main

// Bounds that only a long life meets with their usual values: the simulator makes
// them small in half of its runs (sim/fault_small_bounds.go).
var boundMutants = []mutant{
	{
		name: "all-bounds-small", class: "bounds", control: true, doc: "every run has small bounds: nothing is wrong with that",
		edits: []edit{{"sim/decision.go", "		if k.isAway(&s, calm) || few && k.isAwayBeside(&s, calm) {\n", "		if (k.isAway(&s, calm) || few && k.isAwayBeside(&s, calm)) && k.Name != \"small-bounds\" {\n"}},
	},
	{
		name: "expired-requests-commit", class: "bounds", doc: "a request too old to be told from a new one counts as new",
		edits: []edit{
			{"core/machine.go", "	if m.index > cmd.since+m.requestIDs.window {\n", "	if m.index > cmd.since+1<<40 {\n"},
			{"core/append.go", " || next > a.command.GetSince()+c.requestIDs.window:", " || next == 0:"},
			{"core/propose.go", "	if half := c.requestIDs.window / 2; c.machine.index > p.command.GetSince()+half {\n",
				"	if half := c.requestIDs.window / 2; c.machine.index > p.command.GetSince()+1<<40 {\n"},
		},
	},
	{
		name: "window-begins-at-the-snapshot", class: "bounds", doc: "a node that starts from a snapshot remembers its request ids for longer than the others",
		edits: []edit{{"core/machine.go", "		m.requestIDs.add([16]byte(r.GetRequestId()), place{r.GetIndex(), r.GetTerm()})\n",
			"		m.requestIDs.add([16]byte(r.GetRequestId()), place{m.index, r.GetTerm()})\n"}},
	},
	{
		name: "ids-forgotten-early", class: "bounds", doc: "request ids are remembered for half of the window",
		edits: []edit{{"core/request_ids.go", "r.number(r.first).at.index+r.window <= index", "r.number(r.first).at.index+r.window/2 <= index"},
			{"core/propose.go", "	if half := c.requestIDs.window / 2; c", "	if half := c.requestIDs.window; c"}},
	},
	{
		name: "ids-lost-in-the-table", class: "bounds", doc: "a request id that is forgotten takes others with it, which stood behind it in the table",
		edits: []edit{{"core/request_ids.go", "(i-home)&mask >= (i-gap)&mask {", "(i-home)&mask > mask {"}},
	},
	{
		name: "busy-was-appended", class: "bounds", doc: "a leader that is over its bound of uncommitted entries says so of an entry that it has appended",
		edits: []edit{
			{"core/append.go", "		c.tellOffered(as[i], at, corepb.ForwardReply_ACCEPTED)\n",
				"		verdict := corepb.ForwardReply_ACCEPTED\n		if c.log.bytesBetween(min(c.hard.Commit, c.last-1), min(c.last-1, c.log.base().Index+uint64(len(c.log.entries)))) > c.cfg.Limits.UncommittedBytes {\n			verdict = corepb.ForwardReply_BUSY\n		}\n		c.tellOffered(as[i], at, verdict)\n"},
		},
	},
	{
		name: "full-counts-as-appended", class: "bounds", doc: "what the library refuses, as too much is uncommitted, counts as appended",
		edits: []edit{{"core/append.go", "c.rn.Propose(entries); err != nil {\n		return false\n	}\n	for i := range as {\n",
			"c.rn.Propose(entries); err != nil {\n		c.last -= uint64(len(as))\n	}\n	for i := range as {\n"}},
	},
	{
		name: "applied-all-that-is-committed", class: "bounds", doc: "of entries applied in parts, the last part counts as applied with the first",
		edits: []edit{{"core/read.go", "	applied := c.storage.libApplied\n", "	applied := c.hard.Commit\n"}},
	},
	{
		name: "oldest-snapshot-let-go", class: "bounds", doc: "over the bound of snapshots the one before the log goes, and the log stays",
		edits: []edit{{"core/log.go", "	t.marks = slices.Delete(t.marks, closest, closest+1)\n", "	t.marks = slices.Delete(t.marks, 0, 1)\n"}},
	},
	{
		name: "inflight-never-freed", class: "bounds", live: true, doc: "what a member has confirmed counts as on its way to it for ever",
		edits: []edit{{library + "tracker/inflights.go", "	in.bytes -= bytes\n	in.start = idx\n", "	in.start = idx\n"}},
	},
}
