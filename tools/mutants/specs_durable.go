package main

import "fmt"

// queueOf has the oldest of more than n batches under way taken for stored.
func queueOf(n int) []edit {
	const tick = "	c.now++\n"
	return []edit{{"core/core.go", tick + "	if c.removed {\n",
		tick + fmt.Sprintf("	if len(c.storage.batches) > %d {\n		c.persisted(c.storage.batches[0].seq)\n	}\n	if c.removed {\n", n)}}
}

// What is said before it is durable, and disks that lie (classes 1 to 4 and 7).
var durableMutants = []mutant{
	{
		name: "vote-leaves-before-sync", class: "1", doc: "the library sends a granted vote without waiting for the disk",
		edits: []edit{{library + "raft.go",
			"if m.GetType() == pb.MsgAppResp || m.GetType() == pb.MsgVoteResp || m.GetType() == pb.MsgPreVoteResp {",
			"if m.GetType() == pb.MsgAppResp || m.GetTo() == r.id || m.GetType() == pb.MsgPreVoteResp {"}},
	},
	{
		name: "core-releases-votes-early", class: "1", doc: "the core lets vote responses go with the batch, not after it",
		edits: []edit{{"core/storage.go",
			"	c.emit(p, m.GetResponses())\n",
			`	var later []*pb.Message
	for _, r := range m.GetResponses() {
		if r.GetType() == pb.MsgVoteResp && r.GetTo() != c.self {
			c.sendRaft(r)
		} else {
			later = append(later, r)
		}
	}
	c.emit(p, later)
`}},
	},
	{
		name: "vote-called-before-sync", class: "1", doc: "a candidate calls for votes before its own is durable, as the library does by itself",
		edits: []edit{{"core/voting.go",
			"		b := &c.storage.batches[len(c.storage.batches)-1] // the term and vote, of the same Ready\n		b.responses = append(b.responses, ms...)\n",
			"		for _, m := range ms {\n			c.sendRaft(m)\n		}\n"}},
	},
	{
		name: "term-needs-no-sync", class: "1", doc: "a batch with only a term and a vote is answered without a sync",
		edits: []edit{{"core/storage.go",
			"p := Persist{Sync: sync}",
			"p := Persist{Sync: sync && len(m.GetEntries()) > 0}"}},
	},
	{
		name: "disk-drops-vote", class: "2", doc: "the disk stores the term and not the vote",
		edits: []edit{{"sim/disk.go", "		d.hard = *h\n", "		d.hard = core.HardState{Term: h.Term, Commit: h.Commit}\n"}},
	},
	{
		name: "restart-forgets-vote", class: "2", doc: "the core starts with the stored term and without the stored vote",
		edits: []edit{{"core/core.go",
			"	log.hard = hardState(d.HardState)\n",
			"	d.HardState.Vote = 0\n	log.hard = hardState(d.HardState)\n"}},
	},
	{
		name: "vote-only-with-new-term", class: "2", doc: "a vote given after the term was stored is not stored any more",
		edits: []edit{{"sim/disk.go", "		d.hard = *h\n",
			"		if h.Term == d.hard.Term {\n			d.hard.Commit = h.Commit\n		} else {\n			d.hard = *h\n		}\n"}},
	},
	{
		name: "ack-leaves-before-sync", class: "3", doc: "the library acknowledges entries without waiting for the disk",
		edits: []edit{{library + "raft.go",
			"if m.GetType() == pb.MsgAppResp || m.GetType() == pb.MsgVoteResp || m.GetType() == pb.MsgPreVoteResp {",
			"if m.GetTo() == r.id || m.GetType() == pb.MsgVoteResp || m.GetType() == pb.MsgPreVoteResp {"}},
	},
	{
		name: "core-answers-all-batches", class: "3", doc: "the answer to one batch releases what waits for later ones",
		edits: []edit{{"core/storage.go",
			"n < len(c.storage.batches) && c.storage.batches[n].seq <= seq; n++",
			"n < len(c.storage.batches) && seq > 0; n++"}},
	},
	{
		name: "entries-need-no-sync", class: "3", doc: "the disk syncs terms and votes, and answers for entries at once",
		edits: []edit{{"sim/disk.go",
			"func(b core.Persist) bool { return b.Sync })",
			"func(b core.Persist) bool { return b.Sync && len(b.Entries) == 0 })"}},
	},
	{
		name: "queue-of-four", class: "3", doc: "of more than four batches under way the oldest is taken for stored",
		edits: queueOf(4),
	},
	{
		name: "queue-of-eighty", class: "3", doc: "of more than 80 batches under way the oldest is taken for stored",
		edits: queueOf(80),
	},
	{
		name: "leader-counts-itself-early", class: "3", doc: "a leader counts its own copy of an entry before it is synced",
		edits: []edit{{"core/storage.go",
			"	c.emit(p, m.GetResponses())\n",
			`	var later []*pb.Message
	for _, r := range m.GetResponses() {
		if r.GetType() == pb.MsgAppResp && r.GetTo() == c.self {
			defer c.step(r)
		} else {
			later = append(later, r)
		}
	}
	c.emit(p, later)
`}},
	},
	{
		name: "sync-error-ignored", class: "4", doc: "a sync fails, and the batch is answered all the same",
		edits: []edit{
			{"sim/disk.go", "	case d.syncErr && sync:\n		d.syncErr = false\n		n.fail(errSync)\n", ""},
			{"sim/disk.go", "		if sync {\n			d.settle(len(d.unsynced))\n		}\n",
				"		if sync && !d.syncErr {\n			d.settle(len(d.unsynced))\n		}\n		d.syncErr = d.syncErr && !sync\n"},
		},
	},
	{
		name: "sync-retried-and-believed", class: "4", doc: "after a failed sync the next one succeeds, and nothing reaches the disk any more",
		edits: []edit{
			{"sim/disk.go", "	writeErr bool // the next write fails\n", "	writeErr bool // the next write fails\n	poisoned bool\n"},
			{"sim/disk.go", "		d.syncErr = false\n		n.fail(errSync)\n", "		d.syncErr, d.poisoned = false, true\n		n.w.arrange(event{at: n.w.now, kind: evDisk, node: n, life: n.life})\n"},
			{"sim/disk.go", "		if sync {\n", "		if sync && !d.poisoned {\n"},
			{"sim/disk.go", "	d.stall, d.syncErr, d.writeErr, d.waits = 0, false, false, false\n", "	d.stall, d.syncErr, d.writeErr, d.waits, d.poisoned = 0, false, false, false, false\n"},
		},
	},
	{
		name: "write-error-skips-batch", class: "4", doc: "a failed write loses its batch, and the node goes on",
		edits: []edit{{"sim/disk.go", "		d.writeErr = false\n		n.fail(errWrite)\n",
			"		d.writeErr = false\n		seq := d.writing[len(d.writing)-1].Seq\n		d.writing, d.busy = d.writing[:0], false\n		n.input(core.Persisted{Seq: seq})\n		d.kick()\n"}},
	},
	{
		name: "disk-full-acknowledged", class: "4", doc: "a batch that finds no room is answered, and not written",
		edits: []edit{{"sim/disk.go", "		d.waits = true\n",
			"		seq := d.writing[len(d.writing)-1].Seq\n		d.writing, d.busy = d.writing[:0], false\n		n.input(core.Persisted{Seq: seq})\n		d.kick()\n"}},
	},
	{
		name: "disk-full-drops-batch", class: "4", doc: "a batch that found no room is not written once there is some; what follows it is",
		edits: []edit{{"sim/disk.go", "		d.waits = false\n		w.arrange(event{at: w.now + d.latency.Between(0, lookForRoom), kind: evDisk, node: d.node, life: d.node.life})\n",
			"		d.writing, d.waits, d.busy = d.writing[:0], false, false\n		d.kick()\n"}},
	},
	{
		name: "disk-full-append-counts", class: "3", doc: "a node whose disk is full acknowledges the entries that it drops",
		edits: []edit{{"core/door.go", "	if c.full && carriesData(m) {\n",
			`	if n := len(m.GetEntries()); c.full && m.GetType() == pb.MsgApp && carriesData(m) && m.GetTerm() == c.hard.Term {
		c.sendRaft(&pb.Message{Type: pb.MsgAppResp.Enum(), From: new(c.self), To: new(m.GetFrom()), Term: new(c.hard.Term),
			Index: new(m.GetEntries()[n-1].GetIndex())})
	}
	if c.full && carriesData(m) {
`}},
	},
	{
		name: "disk-full-votes-early", class: "1", doc: "a node whose disk is full does not wait for its vote to be durable",
		edits: []edit{{"core/storage.go",
			"	c.emit(p, m.GetResponses())\n",
			`	var later []*pb.Message
	for _, r := range m.GetResponses() {
		if c.full && r.GetType() == pb.MsgVoteResp && r.GetTo() != c.self {
			c.sendRaft(r)
		} else {
			later = append(later, r)
		}
	}
	c.emit(p, later)
`}},
	},
	{
		name: "disk-full-refuses-and-sends", class: "12", doc: "a proposal that is refused for want of room is on its way all the same",
		edits: []edit{{"core/propose.go", "		c.reply(in.ID, NoRoom, \"%s\", text)\n		return\n",
			"		c.reply(in.ID, NoRoom, \"%s\", text)\n		in.ID = 0\n"}},
	},
	{
		name: "disk-full-for-ever", class: "4", live: true, doc: "a node is never told that its disk has room again",
		edits: []edit{{"core/full.go", "	if c.full == in.Full {\n", "	if c.full == in.Full || c.full {\n"}},
	},
	{
		name: "damage-cuts-the-log", class: "7", doc: "a damaged record is taken for a torn tail: the log is cut there, and the commit index with it",
		edits: []edit{{"sim/disk.go", "	if d.corrupt != \"\" {\n		return core.Durable{}, errors.New(d.corrupt)\n	}\n", ""},
			{"sim/start.go", "	case f.Holds == core.HoldsStore && n.disk.dir.corrupt != \"\": // its identity cannot be read either\n		n.refuse(fmt.Errorf(\"damaged: %s\", n.disk.dir.corrupt))\n", ""},
			{"sim/start.go", "	d := n.disk.dir\n	f := core.Found{Marker: n.marker}\n", cutTail("len(d.log)/2")}},
	},
	{
		name: "damage-cuts-the-last-record", class: "7", doc: "the last record of the log is damaged, and is taken for a torn one",
		edits: []edit{{"sim/disk.go", "	if d.corrupt != \"\" {\n		return core.Durable{}, errors.New(d.corrupt)\n	}\n", ""},
			{"sim/start.go", "	case f.Holds == core.HoldsStore && n.disk.dir.corrupt != \"\": // its identity cannot be read either\n		n.refuse(fmt.Errorf(\"damaged: %s\", n.disk.dir.corrupt))\n", ""},
			{"sim/start.go", "	d := n.disk.dir\n	f := core.Found{Marker: n.marker}\n", cutTail("len(d.log)-min(1, len(d.log))")}},
	},
	{
		name: "overwrite-keeps-the-rest", class: "own", doc: "entries that replace others leave the old ones behind them on the disk",
		edits: []edit{{"sim/disk.go", "		d.log = append(d.log[:i-d.first], b.Entries...)\n",
			"		d.log = append(d.log, b.Entries[max(0, len(b.Entries)-max(0, int(i-d.first)+len(b.Entries)-len(d.log))):]...)\n		copy(d.log[i-d.first:], b.Entries)\n"}},
	},
	{
		name: "disk-drops-promise", class: "11", doc: "the disk does not store how long a node may have promised",
		edits: []edit{{"sim/disk.go", "	d.promise = max(d.promise, b.PromiseMillis)\n", ""}},
	},
}

// cutTail is what a store does that mends a log by itself: nothing of it says
// that something is missing.
func cutTail(keep string) string {
	return `	d := n.disk.dir
	if d.corrupt != "" {
		d.corrupt = ""
		floor := 0
		if d.snapshot != nil && d.snapshot.Index >= d.first {
			floor = int(d.snapshot.Index + 1 - d.first)
		}
		d.log = d.log[:max(min(floor, len(d.log)), ` + keep + `)]
		d.hard.Commit = min(d.hard.Commit, max(d.last(), uint64(0)))
	}
	f := core.Found{Marker: n.marker}
`
}
