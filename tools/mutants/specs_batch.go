package main

// Batches of inputs that are got wrong: their order, what of them settles when, and what
// becomes of messages that stand for several (class batch).
var batchMutants = []mutant{
	{
		name: "batch-append-reversed", class: "batch", doc: "the proposals of a batch are appended last to first",
		edits: []edit{
			{"core/append.go", "	for rest := c.appends; len(rest) > 0; {\n", "	slices.Reverse(c.appends)\n	for rest := c.appends; len(rest) > 0; {\n"},
			{"core/append.go", "import (\n", "import (\n	\"slices\"\n\n"},
		},
	},
	{
		name: "batch-places-reversed", class: "batch", doc: "the proposals of a batch are told each other's places in the log",
		edits: []edit{{"core/append.go", "		entries[i] = &pb.Entry{Data: as[i].data}\n", "		entries[len(as)-1-i] = &pb.Entry{Data: as[i].data}\n"}},
	},
	{
		name: "batch-done-with-its-first", class: "batch", doc: "all proposals that were appended with one are answered when that one commits",
		edits: []edit{{"core/propose.go", "		c.finishAt(p, a.at)\n",
			`		c.finishAt(p, a.at)
		for _, x := range slices.Clone(c.proposed.order) {
			if x.at.term == a.at.term && x.at.index > a.at.index && x.sentAt == p.sentAt {
				c.finishAt(x, x.at)
			}
		}
`}},
	},
	{
		name: "batch-accepts-what-is-under-way", class: "batch", doc: "the first append that is on the disk is acknowledged up to the last that was handed to it",
		edits: []edit{{"core/storage.go", "			c.respond(m)\n",
			"			if m.GetType() == pb.MsgAppResp && !m.GetReject() && m.GetIndex() < c.last {\n				m.Index = new(c.last)\n			}\n			c.respond(m)\n"}},
	},
	{
		name: "answer-to-the-next-message", class: "batch", doc: "an answer that waits for the disk goes to whoever sent the message that came last",
		edits: []edit{{"core/wire_read.go", "			m.From = new(n)\n", "			m.vote, m.From = n, &m.vote\n"}},
	},
	{
		name: "append-loses-its-middle", class: "batch", doc: "of two appends that become one, the first loses its last entry, and those of the second move up",
		edits: []edit{{"core/send.go", "		entries = append(entries, m.GetEntries()...)\n",
			`		entries = entries[:len(entries)-1]
		for _, e := range m.GetEntries() {
			entries = append(entries, &pb.Entry{Index: new(a.GetIndex() + 1 + uint64(len(entries))), Term: e.Term, Type: e.Type, Data: e.Data})
		}
`}},
	},
	{
		name: "append-over-a-gap", class: "batch", doc: "two appends become one although the second does not go on where the first ends",
		edits: []edit{{"core/send.go", "	case m.GetIndex() != index || m.GetLogTerm() != term:\n		return false\n", ""},
			{"core/send.go", "		entries = append(entries, m.GetEntries()...)\n",
				`		for _, e := range m.GetEntries() {
			entries = append(entries, &pb.Entry{Index: new(a.GetIndex() + 1 + uint64(len(entries))), Term: e.Term, Type: e.Type, Data: e.Data})
		}
`},
			{"core/send.go", "	index, term, size := a.GetIndex(), a.GetLogTerm(), entryBytes(m.GetEntries())\n	if n := len(a.GetEntries()); n > 0 {\n		index, term = a.GetEntries()[n-1].GetIndex(), a.GetEntries()[n-1].GetTerm()\n	}\n",
				"	size := entryBytes(m.GetEntries())\n"}},
	},
	{
		name: "append-commits-what-follows", class: "batch", doc: "an append that another one joins says that its own last entry is committed",
		edits: []edit{{"core/send.go", "	g.bytes += size\n	return true\n}\n\n// joinResponse",
			"	if n := len(entries); n > 0 {\n		g.raft.Commit = new(entries[n-1].GetIndex())\n	}\n	g.bytes += size\n	return true\n}\n\n// joinResponse"}},
	},
	{
		name: "response-loses-the-refusal", class: "batch", doc: "a refusal that follows an acceptance becomes an acceptance of its index",
		edits: []edit{
			{"core/send.go", " || r.GetReject() || m.GetReject() ||", " || r.GetReject() ||"},
			{"core/send.go", "		g.raft = m\n	}\n	return true\n", "		g.raft = m\n		m.Reject = nil\n	}\n	return true\n"},
		},
	},
	{
		name: "batch-published-as-before", class: "batch", doc: "what is published with a batch is the status of before: a role and a lease that were lost in it still stand",
		edits: []edit{
			{"core/host.go", "	out := c.Step(in)\n", "	was := c.Status()\n	out := c.Step(in)\n"},
			{"core/host.go", "	s := c.Status()\n	h.Publish", "	s := c.Status()\n	if _, ok := in.(Batch); ok {\n		s = was\n	}\n	h.Publish"},
		},
	},
	{
		name: "batch-lease-as-before", class: "batch", doc: "a lease that ends in a batch is published until the next step",
		edits: []edit{
			{"core/host.go", "	out := c.Step(in)\n", "	was := c.Status()\n	out := c.Step(in)\n"},
			{"core/host.go", "	s := c.Status()\n	h.Publish", "	s := c.Status()\n	if _, ok := in.(Batch); ok && s.LeaseTicks == 0 {\n		s.LeaseFrom, s.LeaseTicks = was.LeaseFrom, was.LeaseTicks\n	}\n	h.Publish"},
		},
	},
	{
		name: "batch-request-twice", class: "batch", doc: "a request id that is twice in a batch is appended twice",
		edits: []edit{
			{"core/propose.go", "	} else if p != nil {\n", "	} else if p != nil && !c.batch.on {\n"},
			{"core/append.go", "		if at.index == 0 { // it waits itself\n			c.appendWaiting()\n			c.offer(a)\n			return\n		}\n		c.tellOffered(a, at, corepb.ForwardReply_ACCEPTED)\n		return\n",
				"		if at.index != 0 {\n			c.tellOffered(a, at, corepb.ForwardReply_ACCEPTED)\n			return\n		}\n"},
		},
	},
	{
		name: "batch-joined-answered-twice", class: "batch", doc: "a request that comes twice in one batch is answered once too often",
		edits: []edit{{"core/propose.go", "		p.ids = append(p.ids, in.ID)\n",
			"		if p.ids = append(p.ids, in.ID); c.batch.on {\n			p.ids = append(p.ids, in.ID)\n		}\n"}},
	},
	{
		name: "batch-gives-up-first", class: "batch", doc: "what is given up in a batch is looked for before the rest of the batch is taken",
		edits: []edit{
			{"core/batch.go", "	c.batch = batching{on: true}\n", "	c.batch = batching{on: true}\n	for _, in := range inputs {\n		if x, ok := in.(Cancel); ok {\n			c.take(x)\n		}\n	}\n"},
			{"core/batch.go", "		if c.batch.loud {\n			c.settleInBatch()\n		}\n", "		if _, ok := in.(Cancel); ok {\n			continue\n		}\n		if c.batch.loud {\n			c.settleInBatch()\n		}\n"},
		},
	},
	{
		name: "batch-busy-was-appended", class: "batch", doc: "if the proposals of a batch do not all fit, those that do are appended, and refused all the same",
		edits: []edit{{"core/append.go", "				if a := rest[i]; n == 1 || !c.appendAtOnce(rest[i:i+1]) {\n", "				if a := rest[i]; n == 1 || c.appendAtOnce(rest[i:i+1]) || true {\n"}},
	},
	{
		name: "unsynced-before-synced", class: "batch", doc: "a batch that needs no sync is answered at once, while the sync of those before it is under way",
		edits: []edit{{"sim/disk.go", "	d.queue = append(d.queue, b...)\n	d.kick()\n",
			"	d.queue = append(d.queue, b...)\n	if n := d.node; !needsSync(b) && d.busy {\n		n.report(core.Persisted{Seq: b[len(b)-1].Seq})\n	}\n	d.kick()\n"}},
	},
	{
		name: "first-write-answers-all", class: "batch", doc: "the end of a write answers for the batches that came meanwhile too",
		edits: []edit{{"sim/disk.go", "		seq := d.writing[len(d.writing)-1].Seq\n		d.unsynced",
			"		seq := d.writing[len(d.writing)-1].Seq\n		if k := len(d.queue); k > 0 {\n			seq = d.queue[k-1].Seq\n		}\n		d.unsynced"}},
	},
	{
		name: "unsynced-beside-a-commit", class: "batch", doc: "what is stored beside a new commit index is taken for a commit index alone",
		edits: []edit{{"core/storage.go", "	p := Persist{Sync: sync}\n", "	p := Persist{Sync: sync && m.GetCommit() == before}\n"}},
	},
	{
		name: "answer-before-what-it-rests-on", class: "batch", doc: "an answer that needs nothing stored itself does not wait for the batches before it",
		edits: []edit{{"core/storage.go", "	if n := len(c.storage.batches); n > 0 {\n		b := &c.storage.batches[n-1]\n		b.responses = append(b.responses, ms...)\n		return\n	}\n", ""}},
	},
	{
		name: "commit-index-with-an-old-term", class: "batch", doc: "a commit index that has waited is written, with the term and vote beside it, once they are old",
		edits: []edit{{"core/storage.go", "	if p.HardState == nil && c.storage.due != (HardState{}) {\n		p.HardState = new(c.storage.due)\n	}\n	c.storage.due = HardState{}\n",
			"	if p.HardState == nil && c.storage.due != (HardState{}) {\n		p.HardState, c.storage.due = new(c.storage.due), HardState{}\n	}\n"}},
	},
	{
		name: "forward-more-reversed", class: "batch", doc: "of several commands in one message the first stands first, and the others last to first",
		edits: []edit{{"core/door.go", "		for _, cmd := range f.GetMore() {\n			if !yield(cmd) {\n", "		for i := range f.GetMore() {\n			if cmd := f.GetMore()[len(f.GetMore())-1-i]; !yield(cmd) {\n"}},
	},
	{
		name: "forward-more-to-anyone", class: "batch", doc: "several commands leave in one message for a build that looks at the first",
		edits: []edit{{"core/send.go", "return c.members.Version >= forwardsMoreVersion }", "return c.members.Version >= OldestVersion }"}},
	},
}
