package main

// Bugs in an operator's word, in switchovers, and in failover that is disabled and enabled
// again.
var switchMutants = []mutant{
	{
		name: "override-not-recorded", class: "failover", failover: true, doc: "what an override gives up does not get into the history",
		edits: []edit{{"core/failover/apply_epoch.go", "	past.Loss = lost\n", ""}},
	},
	{
		name: "switchover-waits-for-who-froze", class: "failover", failover: true, story: "21_switchover_member_freezes", live: true, doc: "no commit begins for all of a switchover's time, as a member of the set stands still",
		edits: []edit{{"core/failover/switch.go", "m.cfg.ticks(k.Millis) || held || told == nil", "m.cfg.ticks(k.Millis) || held && !held || told == nil"}},
	},
	{
		name: "override-before-the-log", class: "failover", failover: true, doc: "whom an operator wants gets the epoch with commits given up, before an override is in the log",
		edits: []edit{
			{"core/failover/apply_epoch.go", "if s.Epoch.Overrides != e.Primary || !s.Epoch.Loss.Covers(&lost) {", "if s.chosen() != e.Primary {"},
			{"core/failover/word_leader.go", "	x := s.Epoch.Overrides\n", "	x := s.chosen()\n"},
			{"core/failover/word_leader.go", "	lost := s.Loss(x, a.Voters)\n	if !s.Epoch.Loss.Covers(&lost) {\n		return false\n	}\n", ""},
		},
	},
	{
		name: "override-gives-up-more", class: "failover", failover: true, doc: "an override gives up what it does not name",
		edits: []edit{
			{"core/failover/apply_epoch.go", "s.Epoch.Overrides != e.Primary || !s.Epoch.Loss.Covers(&lost) {", "s.Epoch.Overrides != e.Primary {"},
			{"core/failover/word_leader.go", "	lost := s.Loss(x, a.Voters)\n	if !s.Epoch.Loss.Covers(&lost) {\n		return false\n	}\n", ""},
			{"core/failover/word.go", "	if l := s.Loss(e.Target, at.Voters); !e.Loss.Covers(&l) {\n		return VoidUnnamed\n	}\n", ""},
			{"sim/fault_operator_word.go", "Loss: st.Loss(id, l.voters())}", "}"},
		},
	},
	{
		name: "manual-ignored", class: "failover", failover: true, doc: "in manual anybody gets an epoch",
		edits: []edit{
			{"core/failover/word.go", "	return s.Mode == ModeOn || id == s.Last.Primary || s.Mode == ModeManual && id == s.chosen()", "	return s.Mode != ModeFounding || id == s.Last.Primary"},
			{"core/failover/time.go", "	case s.Mode != ModeOn && !usable(s.Last.Primary) &&", "	case s.Mode == ModeFounding && !usable(s.Last.Primary) &&"},
		},
	},
	{
		name: "stops-with-commits-under-way", class: "failover", failover: true, doc: "a primary that switches over stops before commits that had begun are acknowledged",
		edits: []edit{{"core/failover/switch.go", "	case v.Quiet != k.Index:\n", ""}},
	},
	{
		name: "commits-begin-in-a-switchover", class: "failover", failover: true, story: "21_switchover_waits_for_commits", doc: "F1 does not wait for a switchover",
		edits: []edit{{"core/failover/fence.go", "f.Lease && !f.Switchover:", "f.Lease:"}},
	},
	{
		name: "stops-with-the-lease", class: "failover", failover: true, doc: "a primary that switches over stops as the leader",
		edits: []edit{
			{"core/failover/switch.go", "	case a.Leads:\n		m.give(k.Target, a, m.cfg.ElectionTicks, out)\n	case a.Leader != m.cfg.Self:\n", "	default:\n"},
			{"core/failover/host/obey.go", " || s.Lease {", " {"},
		},
	},
	{
		name: "switchover-never-given-up", class: "failover", failover: true, doc: "a switchover that takes too long, or whose target is away, goes on",
		edits: []edit{{"core/failover/switch.go", "		if m.due(kindAbort, a) {", "		if false {"}},
	},
	{
		name: "begins-before-the-stop", class: "failover", failover: true, story: "attack_44_switchover_is_in_the_log", doc: "the leader begins the epoch after a switchover as soon as it leads",
		edits: []edit{{"core/failover/switch.go", "	case m.look(a) == crashed || m.handedOn(a):", "	case e.Primary != m.cfg.Self:"}},
	},
	{
		name: "former-primary-unfenced", class: "failover", failover: true, doc: "where failover was disabled, a primary of before writes as it hears of that",
		edits: []edit{{"core/failover/off.go", "	return m.untold(s) && !goesOn\n", "	return m.untold(s) && !goesOn && false\n"}},
	},
	{
		name: "epoch-numbers-forgotten", class: "failover", failover: true, doc: "failover that is enabled again begins with epoch 1", live: true,
		edits: []edit{{"core/failover/off.go", "	e := Epoch{Number: s.Epoch.Number, Primary", "	e := Epoch{Primary"}},
	},
	{
		name: "timelines-forgotten", class: "failover", failover: true, doc: "failover that is enabled again gives numbers of timelines again",
		edits: []edit{
			{"core/failover/apply.go", "	s.Timelines = max(s.Timelines, parent, e.Highest)\n", "	s.Timelines = max(parent, e.Highest)\n"},
			{"core/failover/off.go", "	if last <= s.Timelines && s.Epoch.Number > 0 &&", "	if last <= 0 && s.Epoch.Number > 0 &&"},
		},
	},
	{
		name: "never-told-that-it-is-off", class: "failover", failover: true, doc: "no server is told that failover was disabled", live: true,
		edits: []edit{{"core/failover/off.go", "		out.Orders = append(out.Orders, Release{e.Number, m.boot, m.server.Recovery})\n", "		_ = e\n"}},
	},
}
