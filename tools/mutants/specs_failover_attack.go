package main

// Bugs that a reading of failover with nothing else in mind has found. What no simulated
// minute reaches is killed by a story of core/failover.
var attackMutants = []mutant{
	{
		name: "reads-before-the-log-is-known", class: "failover", failover: true, story: "store_lost", doc: "the first primary's server is read before its node knows the entry that enabled failover",
		edits: []edit{{"core/failover/primary.go", "	if !a.Current && p.Epoch == 0 && s.fork(m.server.timeline()) == nil {\n		return false // the log may have an epoch for it, and not be known that far yet\n	}\n", ""}},
	},
	{
		name: "one-note-unfenced", class: "failover", failover: true, story: "store_lost", doc: "a server of which one note is lost counts as a plain one until the log is known",
		edits: []edit{{"core/failover/primary.go", "(m.server.Joined || m.server.OneNote || !m.has)", "(m.server.Joined || !m.has)"}},
	},
	{
		name: "progress-of-another-rule", class: "failover", failover: true, story: "attack_63_late_progress", doc: "with async an entry of how far WAL reaches counts though another rule was in force since it was proposed",
		edits: []edit{{"core/failover/apply_async.go", " || e.Since != s.Last.Since", ""}},
	},
	{
		name: "progress-before-the-limit", class: "failover", failover: true, story: "async_before_the_limit", doc: "with async the log is told how far WAL reached before each commit goes by the limit",
		edits: []edit{{"core/failover/async.go", " || r.Progress == 0 && v.Decision < m.limited", ""}},
	},
	{
		name: "release-sealed-first", class: "failover", failover: true, live: true, doc: "a server that is told that failover is off notes the seal first",
		edits: []edit{{"core/failover/host/obey.go", "	n.Store.Joined = false\n	n.Data.Joined, n.Data.Sealed = false, o.Epoch\n	return []Act{PutNames{}, NoteStore{n.Store}, NoteData{n.Data}}\n",
			"	n.Data.Sealed = o.Epoch\n	sealed := n.Data\n	n.Data.Joined, n.Store.Joined = false, false\n	return []Act{PutNames{}, NoteData{sealed}, NoteStore{n.Store}, NoteData{n.Data}}\n"}},
	},
	{
		name: "release-not-given-again", class: "failover", failover: true, live: true, doc: "a server that died as it was told that failover is off is not told again",
		edits: []edit{{"core/failover/off.go", "(m.server.Joined || m.server.OneNote) && m.server.Sealed", "m.server.Joined && m.server.Sealed"}},
	},
	{
		name: "override-of-a-forgotten-fork", class: "failover", failover: true, live: true, story: "override_of_a_forgotten_fork", doc: "an override for WAL on a fork that the log keeps no more of is taken",
		edits: []edit{{"core/failover/word.go", "	case s.forkOf(s.Report(e.Target).Position.Epoch) == nil:\n		return VoidHistory // of which the log keeps no more: no grant could rest on it\n", ""}},
	},
	{
		name: "proof-of-a-deposed-primary", class: "failover", failover: true, story: "attack_37_proof_of_a_deposed_primary", doc: "data in doubt is trusted at what the primary of the newest epoch that the node knows has flushed, whatever the log says by now",
		edits: []edit{
			{"core/failover/member.go", "	case !a.Current:\n		out.Why = Why{Reason: LogUnread, Members: []uint64{m.cfg.Self}}\n	case v.Untrusted && !mine", "	case v.Untrusted && !mine"},
			{"core/failover/mend.go", "	if me == nil || me.Boot != m.boot || r.proof > 0 || !a.Current || e.Stage", "	if me == nil || r.proof > 0 || e.Stage"},
			{"core/failover/mend.go", " && t.Boots >= me.Known {", " {"},
		},
	},
	{
		name: "joined-is-believed", class: "failover", failover: true, story: "founding_on_other_wal", doc: "WAL with which a server joined is its owner's, and nobody compares it",
		edits: []edit{{"core/failover/counted.go", "|| noted; ok && v.Wrote {", "|| noted; ok {"}},
	},
	{
		name: "unproven-is-announced", class: "failover", failover: true, story: "founding_on_other_wal", doc: "a follower is announced though the primary has no more of the WAL that it has to show",
		edits: []edit{
			{"core/failover/primary.go", " && (seen.have || c.Record.From == 0) {", " {"},
			{"core/failover/told.go", ", Unproven: m.unproven()}", "}"},
		},
	},
	{
		name: "fork-that-gave-up-proves", class: "failover", failover: true, story: "override_fork_proves_nothing", doc: "WAL of a fork is enough for a grant, though an override or async granted it",
		edits: []edit{{"core/failover/proven.go", "		if f.Override || f.Short {\n			return false\n		}\n", ""}},
	},
	{
		name: "open-fork-proves", class: "failover", failover: true, doc: "WAL of the last open epoch's fork is enough for a grant, though that epoch has acknowledged since",
		edits: []edit{{"core/failover/proven.go", "	if f == nil || f.Epoch <= s.Last.Number {\n", "	if f == nil || f.Epoch < s.Last.Number {\n"}},
	},
}
