package main

// Bugs in how the primary changes the sync set (core/failover), and in how the fence, as the
// simulator has it (sim/server_fence.go), counts while it does.
var failoverSetMutants = []mutant{
	{
		name: "set-before-its-commit", class: "failover", failover: true, doc: "a set counts alone from its proposal on, not from its commit",
		edits: []edit{
			{"core/failover/primary.go", "	if m.change.number > 0 {\n		next", "	if m.change.proposed {\n		x.Set = m.change.set\n	} else if m.change.number > 0 {\n		next"},
			{"core/failover/change.go", "	if m.change.number > 0 {\n		next := m.change.set\n", "	if m.change.proposed {\n		return m.change.set\n	}\n	if m.change.number > 0 {\n		next := m.change.set\n"},
		},
	},
	{
		name: "set-pending-ignored", class: "failover", failover: true, doc: "while a set is to follow, the fence and the names go by the old one alone",
		edits: []edit{
			{"core/failover/fence.go", "f.Pending && f.Next < f.NextW, ", ""},
			{"sim/server_fence.go", "(s.Next == nil || next >= s.Next.W)", "(s.Next == nil || next > 0 || next == 0)"},
			{"core/failover/change.go", "		return e.Set.joint(next)\n", "		return e.Set\n"},
		},
	},
	{
		name: "set-names-of-the-new-one", class: "failover", failover: true, doc: "while a set is to follow, the names are of that one, also where the old one is stricter",
		edits: []edit{{"core/failover/change.go", "		return e.Set.joint(next)\n", "		return m.change.set\n"}},
	},
	{
		name: "set-names-of-the-old-one", class: "failover", failover: true, doc: "while a set is to follow, the names are of the old one, also where the new one is stricter",
		edits: []edit{{"core/failover/change.go", "		return e.Set.joint(next)\n", "		return e.Set\n"}},
	},
	{
		name: "set-names-not-waited-for", class: "failover", failover: true, doc: "a set is proposed before the names of the change are in force",
		edits: []edit{{"core/failover/change.go", "	case !inForce || v.Decision != c.number:", "	case v.Decision != c.number:"}},
	},
	{
		name: "set-not-published-first", class: "failover", failover: true, doc: "what has to be on the set that follows is what was flushed when it was decided, not when that was published",
		edits: []edit{
			{"core/failover/change.go", "	case !inForce || v.Decision != c.number:", "	case false:"},
			{"core/failover/change.go", "		*c = change{number: m.decisions, version: e.SetVersion + 1, set: next.clone()}\n", "		*c = change{number: m.decisions, version: e.SetVersion + 1, set: next.clone(), known: true, need: m.server.Flushed}\n"},
		},
	},
	{
		name: "set-without-catching-up", class: "failover", failover: true, doc: "a set is proposed whatever of the WAL before it has",
		edits: []edit{{"core/failover/change.go", "		if v.Flushed < c.need || !m.fills(c.set, c.need) || !a.Leads", "		if !a.Leads"}},
	},
	{
		name: "set-withdrawn-when-proposed", class: "failover", failover: true, doc: "a set that was proposed is withdrawn",
		edits: []edit{{"core/failover/change.go", "	if c.proposed {\n		return\n	}\n	next := e.Set", "	next := e.Set"}},
	},
	{
		name: "set-not-proposed-again", class: "failover", failover: true, live: true, doc: "a set whose proposal is lost is never proposed again",
		edits: []edit{{"core/failover/change.go", "	case c.proposed:\n	case !inForce", "	case c.proposed:\n		return\n	case !inForce"}},
	},
	{
		name: "set-of-an-engine-before", class: "failover", failover: true, doc: "an engine that starts again alone serves without the log's word, and what the one before proposed takes effect",
		edits: []edit{
			{"core/failover/apply_set.go", "	case e.Boot != s.Epoch.Boot:\n		return VoidOldBoot\n", ""},
			{"core/failover/primary.go", "e.Stage == StageOpen && e.Boot == m.boot && m.has", "e.Stage == StageOpen && m.has"},
			{"core/failover/primary.go", "	if e.Boot == m.boot {\n		return true\n	}\n	out.Why", "	if e.Boot <= m.boot {\n		return true\n	}\n	out.Why"},
		},
	},
	{
		name: "set-not-judged-by", class: "failover", failover: true, doc: "the next epoch is judged by the set with which the last one opened",
		edits: []edit{{"core/failover/apply_set.go", "	if s.Epoch.Stage == StageOpen {\n		s.Last.Set = e.Set.clone()\n	}\n", ""}},
	},
	{
		name: "set-names-come-late", class: "failover", failover: true, doc: "an order for names is carried out however late it comes",
		edits: []edit{{"core/failover/host/obey.go", "o.Epoch <= n.Data.Sealed || late {", "o.Epoch <= n.Data.Sealed || late && !late {"}},
	},
	{
		name: "set-lowers-what-is-required", class: "failover", failover: true, doc: "W falls with who is away, whatever durability says",
		edits: []edit{
			{"core/failover/change.go", "s.Settings.Durability == Required {\n		c.W = s.", "s.Settings.Durability > Preferred {\n		c.W = s."},
			{"core/failover/apply_set.go", "	settings.SyncCount = min(settings.SyncCount, s.Epoch.Set.W)\n", "	settings.SyncCount = 0\n"},
		},
	},
	{
		name: "set-rises-when-it-can", class: "failover", failover: true, doc: "required is asked for while too few keep up, and commits are acknowledged by fewer until they do",
		edits: []edit{{"core/failover/change.go", "	if m.rises(a) {\n		if n < c.W {", "	if s.Settings.Durability == Required {\n		c.W = min(c.W, max(n, e.Set.W))\n	}\n	if false {\n		if n < c.W {"}},
	},
	{
		name: "set-keeps-who-leaves", class: "failover", failover: true, live: true, doc: "the primary does not take out a member that wants to be in no set",
		edits: []edit{{"core/failover/change.go", " && !m.leaves(l.member) && ", " && "}},
	},
	{
		name: "async-any-report", class: "failover", failover: true, doc: "with async any report with WAL of the last open epoch is near enough",
		edits: []edit{{"core/failover/apply_async.go", "	return on && p.LSN+r.Lag/2 >= r.Progress\n", "	return on\n"}},
	},
	{
		name: "async-not-recorded", class: "failover", failover: true, doc: "what a failover gives up is not in the history",
		edits: []edit{{"core/failover/apply_epoch.go", "		past.GivenUp, past.Kept = s.Last.Limit(), kept\n", "		_, _ = s.Last.Limit(), kept\n"}},
	},
	{
		name: "enabled-with-commits-under-way", class: "failover", failover: true, story: "enable_with_a_commit_under_way", doc: "failover is enabled while commits are under way that know of no set",
		edits: []edit{{"core/failover/primary.go", "	case a.State.Mode == ModeFounding && m.reign.founded == 0:\n", "	case a.State.Mode == ModeFounding && m.reign.founded == 0 && !inForce:\n"}},
	},
	{
		name: "async-fork-counts", class: "failover", failover: true, doc: "a fork that async granted counts for more than what it lacks, though no epoch opened on it",
		edits: []edit{{"core/failover/word.go", "(f.Override || f.Short) && parent != nil", "f.Override && parent != nil"}},
	},
	{
		name: "async-counts-what-diverged", class: "failover", failover: true, doc: "what is kept is counted behind where the last open epoch began",
		edits: []edit{{"core/failover/word.go", "	return Position{w.Epoch, min(w.LSN, limit)}\n", "	return Position{w.Epoch, max(w.LSN, 0*limit)}\n"}},
	},
}
