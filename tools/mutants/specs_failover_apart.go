package main

// Bugs in what a member does that takes no part in failover, as it leads, and at the instant between
// a new timeline's first record and the end of recovery.
var apartMutants = []mutant{
	{
		name: "apart-leads-on", class: "failover", failover: true, doc: "a member that takes no part leads on",
		edits: []edit{{"core/failover_apart.go", "	if to != 0 {\n", "	if false && to != 0 {\n"}},
	},
	{
		name: "apart-hands-to-who-is-away", class: "failover", failover: true, doc: "a member that takes no part hands leadership to the primary, whether that is there or not",
		edits: []edit{{"core/failover_apart.go", "	if !c.takesPart(to) {\n", "	if to == 0 {\n"}},
	},
	{
		name: "apart-believes-for-ever", class: "failover", failover: true, doc: "a member that has told of its server once counts as one that takes part",
		edits: []edit{{"core/failover_apart.go", "			return c.now-p.at < uint64(c.cfg.ElectionTicks)\n", "			return true\n"}},
	},
	{
		name: "reports-between", class: "failover", failover: true, doc: "a server is reported while its promotion is ending",
		edits: []edit{{"core/failover/host/report.go", "	return m.Promoting != 0 && s.Recovery &&", "	return false && m.Promoting != 0 && s.Recovery &&"}},
	},
}
