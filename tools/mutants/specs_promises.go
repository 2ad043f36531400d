package main

// Bugs that once survived because no checker looked where they are: what the log
// holds beside what is applied, a lease in a joint configuration.
var promiseMutants = []mutant{
	{
		name: "new-leader-looks-at-no-log", class: "12", doc: "a new leader does not look for request ids in what former leaders left uncommitted",
		edits: []edit{{"core/core.go", "	c.rememberAppended()\n", "	c.proposed.appended = map[[16]byte]place{}\n"}},
	},
	{
		name: "committed-id-appended-again", class: "12", doc: "a leader appends a request once more that is committed: it is not applied again, but it is in the log twice",
		edits: []edit{{"core/propose.go", "	id := [16]byte(cmd.GetRequestId())\n	if at, ok := c.requests.byID[id]; ok {\n", "	id := [16]byte(cmd.GetRequestId())\n	if at, ok := c.requests.byID[id]; ok && at.index == 0 {\n"}},
	},
	{
		name: "lease-of-the-new-quorum", class: "11", doc: "in a joint configuration the lease rests on the incoming voters alone",
		edits: []edit{{"core/lease.go", "	c.voters(func(ids []uint64) {\n		var few", "	func(f func([]uint64)) { f(c.conf.GetVoters()) }(func(ids []uint64) {\n		var few"}},
	},
	{
		name: "lease-of-both-together", class: "11", doc: "in a joint configuration the lease rests on a majority of all voters, not of each of the two",
		edits: []edit{
			{"core/lease.go", "	c.voters(func(ids []uint64) {\n		var few", "	func(f func([]uint64)) {\n		all := slices.Concat(c.conf.GetVoters(), c.conf.GetVotersOutgoing())\n		slices.Sort(all)\n		f(slices.Compact(all))\n	}(func(ids []uint64) {\n		var few"},
		},
	},
	{
		name: "add-answered-for-a-learner", class: "8", doc: "AddNode is answered OK when the member is a learner",
		edits: []edit{{"core/membership.go", "		case ch.add != nil && m.GetRole() == corepb.Role_VOTER:\n", "		case ch.add != nil:\n"}},
	},
	{
		name: "removal-answered-when-demoted", class: "8", doc: "RemoveNode is answered OK when the member votes no more, and still is one",
		edits: []edit{{"core/membership.go", "		case ch.add == nil && m == nil:\n", "		case ch.add == nil && (m == nil || m.GetRole() == corepb.Role_LEAVING):\n"}},
	},
	{
		name: "replacement-answered-with-both", class: "8", doc: "ReplaceNode is answered OK while the old member still is one",
		edits: []edit{{"core/replace.go", "	switch {\n	case old == nil:\n		c.answer(ch, OK, \"\")\n", "	switch {\n	case old.GetRole() != corepb.Role_VOTER:\n		c.answer(ch, OK, \"\")\n"}},
	},
	{
		name: "transfer-answered-for-anyone", class: "8", doc: "a transfer to one member is answered OK when another leads",
		edits: []edit{{"core/transfer.go", "	if c.transfer.named && ", "	if c.transfer.target == 0 && "}},
	},
	{
		name: "change-refused-and-made", class: "8", doc: "a leader that is deposed answers a change as if nothing had happened, and its successor goes on with it",
		edits: []edit{{"core/membership.go", "			c.answer(ch, Unknown, \"leadership was lost; the change may still be made\")\n", "			c.answer(ch, NotLeader, \"this node no longer leads\")\n"}},
	},
	{
		name: "removal-without-a-quorum", class: "8", doc: "a voter is removed though too few of the others are reachable",
		edits: []edit{{"core/membership.go", "	case up < rest/2+1:\n", "	case up < 1:\n"}},
	},
	{
		name: "self-removal-told-refused", class: "8", doc: "a leader that removes itself answers that it does not lead once it has handed leadership over, and asks its successor all the same",
		edits: []edit{{"core/transfer.go", "	c.transfer.leavingIDs = append(c.transfer.leavingIDs, ch.ids...)\n", "	c.answer(&change{ids: ch.ids}, NotLeader, \"this node no longer leads\")\n"}},
	},
}
