package main

// What leaves the logs, and how a member gets what its own log does not hold: package
// retain, and what its host does.
var retainMutants = []mutant{
	{
		name: "silent-needs-nothing", class: "needed", doc: "a member that has said nothing yet is taken to need nothing",
		edits: []edit{{"core/retain/needs.go", "		if !told && own.From != 0 && !own.Importable {\n", "		if !told && own.From == 1<<63 {\n"}},
	},
	{
		name: "own-log-not-kept-if-importable", class: "needed", doc: "a node whose database can be filled from a state does not keep its own log for it",
		edits: []edit{{"core/retain/needs.go", "	from := own.From\n	for _, id := range others {\n", "	from := own.From\n	if own.Importable {\n		from = 0\n	}\n	for _, id := range others {\n"}},
	},
	{
		name: "needs-told-to-one", class: "needed", doc: "what a database needs is told to one member only",
		edits: []edit{{"core/retain/needs.go", "	for _, id := range m.members {\n		m.send(id,", "	for _, id := range m.members[:min(1, len(m.members))] {\n		m.send(id,"}},
	},
	{
		name: "late-need-counts", class: "needed", doc: "what a member said earlier takes the place of what it said later",
		edits: []edit{{"core/retain/needs.go", "	if i >= 0 && next.life != 0 && next.round <= all[i].round {\n		return\n	}\n", ""}},
	},
	{
		name: "need-of-the-life-before-counts", class: "needed", doc: "what a life of a member said that is over takes the place of what the one after it says",
		edits: []edit{{"core/retain/needs.go", "			told[id] = need(s)\n", "			told[id] = need(s[len(s)-1:])\n"}},
	},
	{
		name: "need-ends-before-the-flush", class: "needed", doc: "a database says that it needs no more what it has committed and not flushed",
		edits: []edit{{"sim/database.go", "	return d.flushed.index + 1\n", "	return d.now.index + 1\n"}},
	},
	{
		name: "limits-decide-at-start", class: "needed", doc: "a host lets its store drop entries before its core has said what may go",
		edits: []edit{{"sim/database.go", "	limits.from = core.FoundingIndex\n", ""}},
	},
	{
		name: "removed-needs-for-ever", class: "kept", doc: "what a removed member needed is kept for ever",
		edits: []edit{
			{"core/retain/needs.go", "	from := From(n.own, m.members, told)\n",
				"	for id, s := range n.said {\n		told[id] = need(s)\n	}\n	from := From(n.own, slices.Sorted(maps.Keys(told)), told)\n"},
			{"core/retain/machine.go", "	m.needs.forget(m.members)\n", ""},
		},
	},
	{
		name: "need-only-goes-down", class: "kept", doc: "what is kept is never let go again in a life",
		edits: []edit{{"core/retain/needs.go", "	n.retained, n.ordered = from, true\n",
			"	if n.ordered && n.retained != 0 && from > n.retained {\n		return\n	}\n	n.retained, n.ordered = from, true\n"}},
	},
	{
		name: "history-over-a-gap", class: "handed out", doc: "entries behind a gap are given and taken as if they followed",
		edits: []edit{
			{"sim/keeper.go", "		if e == nil {\n			break\n		}\n		es = append", "		if e == nil {\n			continue\n		}\n		es = append"},
			{"core/retain/fetch.go", "		if e.GetIndex() != want || want > last {\n", "		if want > last {\n"},
		},
	},
	{
		name: "answer-to-another-question", class: "handed out", doc: "an answer to an earlier question for entries answers a later one",
		edits: []edit{{"core/retain/fetch.go", "	if !x.answeredBy(from, h.GetQuestion()) || x.after != h.GetAfter() || len", "	if x.asked != from || len"}},
	},
	{
		name: "answer-of-another-kind", class: "handed out", doc: "a late answer to what a gap lacks answers a reader's question, to whom it gives nothing",
		edits: []edit{{"core/retain/fetch.go", " && (question == 0 || question == x.question)\n", "\n"}},
	},
	{
		name: "part-taken-twice", class: "handed out", doc: "a part of a state that arrives once more is taken for the next one",
		edits: []edit{{"core/retain/ask_state.go", "	if x.asked != from || x.got != p.GetOffset() {\n", "	if x.asked != from {\n"}},
	},
	{
		name: "import-goes-back", class: "handed out", doc: "a database is filled from a state that is older than it is",
		edits: []edit{{"sim/database_fetch.go", " || c.index <= d.now.index:\n", ":\n"}},
	},
	{
		name: "lost-entries-kept", class: "handed out", doc: "a database goes along with a member that goes on alone, however far it has come",
		edits: []edit{{"core/recover.go", "	if p == ProgressRecovered && recovered != 0 && index >= recovered {\n", "	if p == ProgressRecovered && recovered != 0 && index>>62 != 0 {\n"}},
	},
	{
		name: "silent-member-waited-for", class: "handed out", live: true, doc: "a member that does not answer is waited for for ever",
		edits: []edit{{"core/retain/fetch.go", "x.asked != 0 && a.Now-x.at >= a.ticks(HistoryMillis) {", "x.asked != 0 && a.Now-x.at >= a.ticks(HistoryMillis<<20) {"}},
	},
	{
		name: "silence-means-no", class: "needed", doc: "a member that does not answer is taken not to have the entries",
		edits: []edit{{"core/retain/fetch.go", "		x.silent = append(x.silent, x.asked)\n", ""}},
	},

	{
		name: "keep-one-too-many", class: "history", doc: "a node keeps one entry more than it had applied under a leader's snapshot",
		edits: []edit{{"core/retained.go", "		keep = c.machine.index\n", "		keep = min(c.machine.index+1, c.last, s.GetMetadata().GetIndex()-1)\n"}},
	},
	{
		name: "keep-the-whole-log", class: "history", doc: "a node keeps all that its log holds under a leader's snapshot",
		edits: []edit{{"core/retained.go", "		keep = c.machine.index\n", "		keep = min(c.last, s.GetMetadata().GetIndex()-1)\n"}},
	},
	{
		name: "keep-nothing", class: "history", doc: "a leader's snapshot takes the place of the whole log",
		edits: []edit{{"core/retained.go", "		keep = c.machine.index\n", "		keep = 0\n"}},
	},
	{
		name: "gap-forgotten-at-restart", class: "history", doc: "a node that starts anew does not know what its log lacks",
		edits: []edit{{"core/core.go", "	c.retainGaps(d)\n", ""}},
	},
	{
		name: "silence-means-gone", class: "history", doc: "what a silent member may hold is taken to be in no log",
		edits: []edit{{"core/retain/fill.go", "		f.asked, f.may = 0, true\n", "		f.asked = 0\n"}},
	},
	{
		name: "gap-asked-for-once", class: "history", live: true, doc: "a member that does not answer is not asked again for what a gap lacks, and nobody else is",
		edits: []edit{{"core/retain/fill.go", "		f.asked, f.may = 0, true\n", ""}},
	},
	{
		name: "chunk-not-counted", class: "history", doc: "a chunk that is stored is taken to be longer by one entry than it is",
		edits: []edit{{"core/retain/fill.go", "		if g.From = last + 1; g.From > g.To {\n", "		if g.From = last + 2; g.From > g.To {\n"}},
	},
}
