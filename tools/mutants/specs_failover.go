package main

// Bugs in what decides who is the primary (core/failover), in what a host makes of that
// (core/failover/host), and in what carries it out in the simulator (sim/server*.go). Each is
// a sentence of the design that is not kept.
var failoverMutants = []mutant{
	{
		name: "report-before-seal", class: "failover", failover: true, doc: "a member reports its position while it streams on",
		edits: []edit{{"core/failover/member.go", "	case v.Sealed+1 < e.Number || barred ||", "	case e.Stage == StageBegun && v.Recovery && a.Current && !barred && !v.Untrusted:\n		m.report(a, out)\n	case v.Sealed+1 < e.Number || barred ||"}},
	},
	{
		name: "receiver-runs-on", class: "failover", failover: true, doc: "a seal is noted, and says that nothing streams, while the walreceiver goes on",
		edits: []edit{
			{"sim/server_host.go", "		p.Seal(func(postgres.Position) { v.isSealed(a.Order) })\n", "		v.isSealed(a.Order)\n"},
			{"core/failover/host/obey.go", " || !s.Recovery || s.sources():\n		return nil, false\n", " || !s.Recovery:\n		return nil, false\n"},
			{"core/failover/host/report.go", "r.Streaming = s.sources(); r.Streaming {", "r.Streaming = s.sources() && m.Follows.Epoch > d.Sealed; r.Streaming {"},
			{"core/failover/host/obey.go", "s.Promotes || s.Astray || s.sources():", "s.Promotes || s.Astray:"},
			{"core/failover/host/obey.go", "s.Promotes || s.sources():", "s.Promotes:"},
		},
	},
	{
		name: "bare-lsn-decides", class: "failover", failover: true, doc: "positions are compared by LSN alone, wherever the last open epoch's lineage leaves their WAL",
		edits: []edit{
			{"core/failover/position.go", "cmp.Or(cmp.Compare(p.Epoch, o.Epoch), cmp.Compare(p.LSN, o.LSN))", "cmp.Compare(p.LSN, o.LSN)"},
			{"core/failover/word.go", "	return Position{w.Epoch, min(w.LSN, limit)}\n", "	return Position{w.Epoch, max(w.LSN, 0*limit)}\n"},
		},
	},
	{
		name: "every-walsender-counts", class: "failover", failover: true, doc: "a follower is announced, whatever its WAL is",
		edits: []edit{
			{"core/failover/counted.go", "	h := s.History(s.Epoch.Timeline)\n	switch {", "	h := s.History(s.Epoch.Timeline)\n	if c.Epoch == s.Epoch.Number && s.Epoch.Stage >= StageForked {\n		return MayFollow\n	}\n	switch {"},
		},
	},
	{
		name: "opens-alone", class: "failover", failover: true, doc: "an epoch opens before W of its set have flushed its fork, and nobody asks whose WAL a report is of",
		edits: []edit{
			{"core/failover/primary.go", "v.Flushed < need || len(e.Set.Members)-len(missing) < int(e.Set.W) || !inForce", "v.Flushed < need || !inForce"},
			{"core/failover/word.go", "		if none || !s.counted(", "		if none && false || !s.counted("},
		},
	},
	{
		name: "opens-without-lease", class: "failover", failover: true, doc: "a primary that does not lead opens its epoch, and needs no lease to acknowledge",
		edits: []edit{
			{"core/failover/primary.go", "	case !a.Leads || !a.Lease:\n		out.Why = Why{Reason: NoLease, Members: []uint64{m.cfg.Self}}\n	default:\n		out.Why = Why{Reason: EntryUnderWay}\n		if m.due(kindOpen", "	default:\n		out.Why = Why{Reason: EntryUnderWay}\n		if m.due(kindOpen"},
			{"sim/server_fence.go", "return v.shared.LeaseCounts && v.n.holdsLease()", "return true"},
		},
	},
	{
		name: "timeline-twice", class: "failover", failover: true, doc: "a timeline's number is given again when its epoch came to nothing",
		edits: []edit{{"core/failover/apply_epoch.go", "	s.Timelines = t\n", "	if s.Last.Number+1 != s.Epoch.Number {\n		t = s.Timelines\n	}\n	s.Timelines = t\n"}},
	},
	{
		name: "reports-what-is-replayed", class: "failover", failover: true, doc: "a server reports as its end what it has replayed",
		edits: []edit{{"core/failover/host/report.go", "		t = s.End.Timeline\n", "		t, s.End.LSN = s.End.Timeline, s.Replayed\n"},
			{"core/failover/host/obey.go", "s.Last >= t || s.End.LSN != o.LSN:", "s.Last >= t:"}},
	},
	{
		name: "newest-file-read", class: "failover", failover: true, doc: "the end of WAL is read from the newest file that there is, not from the one that the history gives",
		edits: []edit{{"sim/server_host.go", "		s.End = v.endsAt()\n", "		at := p.ValidEnd(postgres.AsRecovery)\n		s.End = host.End{Timeline: uint32(at.TLI), LSN: uint64(at.End), Record: v.endsAt().Record}\n"},
			{"core/failover/host/obey.go", "s.Last >= t || s.End.LSN != o.LSN:", "s.Last >= t:"}},
	},
	{
		name: "acknowledged-unflushed", class: "failover", failover: true, doc: "F3 does not look at the flush, and synchronous_commit is not raised",
		edits: []edit{
			{"core/failover/fence.go", "	case !f.Open, !f.Flushed, f.Counted", "	case !f.Open, f.Counted"},
			{"sim/server_fence.go", "		o.Level = postgres.On\n", ""},
			{"sim/server_fence.go", "x.Flushed >= uint64(end) && slices", "slices"},
		},
	},
	{
		name: "no-acknowledgement-fence", class: "failover", failover: true, doc: "F3 acknowledges whatever PostgreSQL let through, and F2 holds no wait",
		edits: []edit{
			{"core/failover/fence.go", "	case !f.Failover:\n		return Ack\n	case f.Over:", "	case true:\n		return Ack\n	case f.Over:"},
			{"sim/server_fence.go", "	if !v.shared.Failover || v.pg.IsStopping() {", "	if true {"},
		},
	},
	{
		name: "lease-at-begin-only", class: "failover", failover: true, doc: "the lease is looked at as a commit begins, and not as it is acknowledged",
		edits: []edit{{"core/failover/fence.go", "f.Beyond, !f.Lease:", "f.Beyond:"}},
	},
	{
		name: "early-end-shown", class: "failover", failover: true, doc: "a wait for standbys that ends early shows the commit (no F2)",
		edits: []edit{{"sim/server_fence.go", "	if !v.shared.Failover || v.pg.IsStopping() {", "	if true {"}},
	},
	{
		name: "weak-commit", class: "failover", failover: true, doc: "synchronous_commit is not raised: a commit is visible before its standbys have it",
		edits: []edit{{"sim/server_fence.go", "		o.Level = postgres.On\n", ""}},
	},
	{
		name: "old-primary-counts", class: "failover", failover: true, doc: "the last primary passes step 2 for itself, with whatever WAL it has",
		edits: []edit{
			{"core/failover/word.go", "!s.counted(id, voters) || id == s.Last.Primary && !has(s.Report(id)) {", "!s.counted(id, voters) && id != s.Last.Primary {"},
		},
	},
	{
		name: "one-report-is-enough", class: "failover", failover: true, doc: "step 2 is passed by any report with WAL of the last open epoch",
		edits: []edit{{"core/failover/state.go", "	return n+int(r.Set.W) > len(r.Set.Members)\n", "	return n > 0\n"}},
	},
	{
		name: "grant-to-the-lesser", class: "failover", failover: true, doc: "a grant goes to the last primary's WAL or the higher priority, not to the greatest position",
		edits: []edit{
			{"core/failover/choose.go", "		if top == nil || s.worth(y.Position).Compare(s.worth(top.Position)) > 0 {", "		if top == nil {"},
			{"core/failover/choose.go", "		if s.worth(y.Position) != s.worth(top.Position) || !s.mayGet(", "		if !s.mayGet("},
			{"core/failover/choose.go", "cmp.Or(y.Position.Compare(x.Position), m.better(", "cmp.Or(m.better("},
			{"core/failover/word.go", "		if s.counted(r.Member, voters) && s.worth(r.Position).Compare(s.worth(x.Position)) > 0 {", "		if false {"},
		},
	},
	{
		name: "boots-as-primary", class: "failover", failover: true, doc: "a server that crashes comes up as what it was",
		edits: []edit{{"core/failover/host/boot.go", "CreateStandbySignal{}, RemovePromote{}", "RemovePromote{}"}},
	},
	{
		name: "reads-before-open", class: "failover", failover: true, doc: "a primary is read before it serves",
		edits: []edit{
			{"core/failover/primary.go", "		return x.Open || x.Founding && x.Primary\n", "		return true\n"},
			{"sim/server_fence.go", "return s.Reads && (!s.Failover || s.Open || s.Founding && s.Primary || v.pg.InRecovery())", "return s.Reads"},
		},
	},
	{
		name: "reads-its-own-tail", class: "failover", failover: true, doc: "a server that was the primary is read again as soon as it is a standby",
		edits: []edit{{"core/failover/primary.go", "known && w != m.cfg.Self && !m.server.Wrote {", "known || w != m.cfg.Self {"}},
	},
	{
		name: "connected-is-well", class: "failover", failover: true, live: true, doc: "step 0 takes a primary that is connected for one that serves",
		edits: []edit{{"core/failover/time.go", "	case recovery:\n		return crashed\n	}\n	return inRole", "	}\n	_ = recovery\n	return inRole"}},
	},
	{
		name: "promoted-by-hand-believed", class: "failover", failover: true, doc: "WAL of a timeline counts as its epoch's, whoever began it",
		edits: []edit{
			{"core/failover/counted.go", "		noted := s.noted(v.Noted, f)\n		if ok = v.JoinedOn == t || noted; ok && v.Wrote {\n			p.Epoch = f.Epoch\n		} else if !noted {\n			p.Epoch = 0\n		}\n", "		p.Epoch, ok = f.Epoch, true\n"},
			{"core/failover/counted.go", "		if ok = v.Noted > 0 || v.JoinedOn == t; v.JoinedOn", "		if ok = true; v.JoinedOn"},
			{"core/failover/counted.go", "	if f := s.fork(last); f == nil || !f.noted(c.Noted) && c.Record.From == 0 {\n		return OtherHistory\n	}\n", ""},
			{"core/failover/apply_epoch.go", "	if !s.onLineage(e.Position, e.Forks) {", "	if false {"},
		},
	},
	{
		name: "engine-goes-on", class: "failover", failover: true, doc: "an engine that starts again alone serves without the log's word",
		edits: []edit{
			{"core/failover/primary.go", "e.Stage == StageOpen && e.Boot == m.boot && m.has", "e.Stage == StageOpen && m.has"},
			{"core/failover/primary.go", "	if e.Boot == m.boot {\n		return true\n	}\n	out.Why", "	if e.Boot <= m.boot {\n		return true\n	}\n	out.Why"},
		},
	},
	{
		name: "boot-repeats", class: "failover", failover: true, doc: "an engine that starts again has the boot number that it had",
		edits: []edit{{"core/failover/host/boot.go", "	s.Boot++\n", "	s.Boot = 1\n"}},
	},
	{
		name: "role-kept-while-promoting", class: "failover", failover: true, doc: "a server that crashes while it is promoted is no standby at its boot",
		edits: []edit{{"core/failover/host/seen.go", "Memory{Names: m.Names, Damage: m.Damage}", "Memory{Names: m.Names, Damage: m.Damage, Promoting: m.Promoting}"},
			{"sim/server_host.go", "		p.CreateStandbySignal()\n", "		if v.mem.Promoting == 0 {\n			p.CreateStandbySignal()\n		}\n		v.mem.Promoting = 0\n"}},
	},
	{
		name: "begin-routed", class: "failover", failover: true, doc: "any member begins an epoch, through the leader, and again until it is there",
		edits: []edit{
			{"core/failover/machine.go", "		if a.Leads {\n			m.lead(a, &out)\n		} else if a.Leader", "		if m.lead(a, &out); a.Leader"},
			{"core/failover/time.go", "		out.Append, out.Transfer = Begin{a.State.Epoch.Number + 1}, 0\n", "		out.Propose = append(out.Propose, Begin{a.State.Epoch.Number + 1})\n"},
			{"core/failover/machine.go", "(k == kindBegin || a.Now < x.again)", "a.Now < x.again"},
		},
	},
	{
		name: "seal-beside-a-promotion", class: "failover", failover: true, doc: "a seal lets a promotion that was ordered before go on, also while the server follows another",
		edits: []edit{
			{"core/failover/host/obey.go", "	case promoted:\n", "	case false && promoted:\n"},
			{"core/failover/host/obey.go", "	case m.Promoting != 0 || s.Promotes || n.out() && s.Astray:\n", "	case n.out() && s.Astray:\n"},
			{"core/failover/host/obey.go", "	case m.Promoting != 0 || s.Promotes || s.sources():", "	case s.Promotes || s.sources():"},
		},
	},
	{
		name: "short-data-reports", class: "failover", failover: true, live: true, doc: "a server that was rewound, and is sealed before it has the WAL for that, reports its position",
		edits: []edit{{"core/failover/host/report.go", "return short && d.Anew > 0 && d.Sealed >= d.Anew", "return false"}},
	},
	{
		name: "lost-note-boots-unfenced", class: "failover", failover: true, doc: "a server whose data directory does not say that it takes part is a primary without a fence",
		edits: []edit{
			{"core/failover/host/report.go", "on := !n.out()", "on := n.Data.Joined"},
			{"core/failover/host/boot.go", "	if n.out() && !b.Marker {", "	if !d.Joined {"},
			{"core/failover/primary.go", "on := s.Mode != ModeOff || ", "on := s.Mode != ModeOff && (m.server.Joined || !m.has) || "},
		},
	},
	{
		name: "no-begin-fence", class: "failover", failover: true, doc: "a commit begins on a server that is not to write (no F1), and is shown",
		edits: []edit{
			{"core/failover/fence.go", "	case !f.Joined || f.Quarantined:\n		return Refuse\n", "	case true:\n		return Go\n"},
			{"core/failover/fence.go", "	case f.Over:\n		return Over\n", ""},
		},
	},
	{
		name: "conninfo-kept", class: "failover", failover: true, doc: "a server boots with the primary that it followed",
		edits: []edit{
			{"core/failover/host/boot.go", "RemovePromote{}, ClearSource{})", "RemovePromote{})"},
			{"sim/server_fence.go", "	t, ok := v.in.tokens[name]\n	return ok && v.shared.Primary && t.Epoch == v.shared.Epoch && t.Boot == v.boot", "	_, ok := v.in.tokens[name]\n	return ok"},
			{"core/failover/host/report.go", "r.Streaming = s.sources(); r.Streaming {", "r.Streaming = m.Follows != (failover.Token{}); r.Streaming {"},
		},
	},
	{
		name: "late-promotion-obeyed", class: "failover", failover: true, doc: "an order to promote is carried out however late it comes",
		edits: []edit{
			{"core/failover/host/obey.go", "	case o.Boot != s.Boot || o.Epoch <= n.Data.Sealed || !s.Recovery:\n		return nil\n	case m.Promoting != 0 || s.Promotes || s.Astray || s.sources():\n		return nil\n	case s.Last >= t || s.End.LSN != o.LSN:", "	case !s.Recovery || m.Promoting != 0 || s.Promotes:"},
		},
	},
	{
		name: "marker-ignored", class: "failover", failover: true, doc: "a server whose rewind was cut short is started",
		edits: []edit{{"sim/server_rejoin.go", "				w.say(v.n, \"its rewind is cut short\")\n				return false\n", "				w.say(v.n, \"its rewind is cut short\")\n				return true\n"}},
	},
	{
		name: "lease-of-a-former-term", class: "failover", failover: true, doc: "the lease counts before the leader has applied an entry of its own term",
		edits: []edit{
			{"core/failover/primary.go", "Boot: m.boot, LeaseCounts: a.Leads}", "Boot: m.boot, LeaseCounts: true}"},
			{"core/failover/fence.go", "	case f.Over:\n		return Over\n", ""},
		},
	},
	{
		name: "half-record-kept", class: "failover", failover: true, live: true, doc: "a sealed server keeps half a record that fills its last segment",
		edits: []edit{{"core/failover/host/obey.go", "	case s.HoldsHalf:", "	case false && s.HoldsHalf:"}},
	},
	{
		name: "history-above-kept", class: "failover", failover: true, doc: "a boot leaves history files above the last timeline of which there is a record",
		edits: []edit{
			{"core/failover/host/obey.go", "		if t > last {\n", "		if t > last && t == 0 {\n"},
			{"core/failover/host/obey.go", "	case s.Astray:\n", "	case false && s.Astray:\n"},
			{"core/failover/host/obey.go", "s.Promotes || s.Astray || s.sources():", "s.Promotes || s.sources():"},
		},
	},
	{
		name: "clone-from-any-primary", class: "failover", failover: true, doc: "a clone takes the WAL of an epoch that its server is sealed for",
		edits: []edit{{"core/failover/host/source.go", "x.Production && x.Primary && x.Epoch > sealed", "x.Production && x.Primary"}},
	},
	{
		name: "note-kept-without-wal", class: "failover", failover: true, live: true, doc: "a note stays when its timeline's history file goes, and a follower whose record is another's waits to be announced",
		edits: []edit{
			{"core/failover/host/obey.go", "	if slices.ContainsFunc(d.Notes, above) {", "	if false && slices.ContainsFunc(d.Notes, above) {"},
			{"core/failover/member.go", "slices.Contains(told.Denied, t) && p.Quarantined == NotQuarantined && m.due", "false && m.due"},
		},
	},
	{
		name: "gone-wal-waited-for", class: "failover", failover: true, live: true, doc: "a follower waits for WAL that its primary has no more",
		edits: []edit{{"core/failover/member.go", "	case v.Streaming && v.Lacks && m.mayRejoin(a):\n		m.rejoin(a, out)\n", ""}},
	},
	{
		name: "delay-ignored", class: "failover", failover: true, doc: "an epoch begins as soon as its primary is not heard for an election timeout",
		edits: []edit{{"core/failover/time.go", "	if a.Now-since >= delay {\n", "	if a.Now-since >= m.cfg.ElectionTicks/2 {\n"}},
	},
	{
		name: "silent-about-why", class: "failover", failover: true, live: true, doc: "a leader does not say what it waits for",
		edits: []edit{{"core/failover/machine.go", "	out.Shared = m.shared(a)\n	return out\n", "	out.Shared = m.shared(a)\n	out.Why, out.Nobody = Why{}, Why{}\n	return out\n"}},
	},
	{
		name: "past-the-switch-follows", class: "failover", failover: true, doc: "a server with WAL behind the switch of the new timeline follows",
		edits: []edit{{"core/failover/counted.go", "c.End > limit || c.End > flushed {", "limit > 0 && c.End > flushed {"}},
	},
	{
		name: "gap-not-filled", class: "failover", failover: true, live: true, doc: "a promotion leaves out the history files of numbers that came to nothing",
		edits: []edit{{"sim/postgres/orders.go", "		for t := tli - 1; t > s.startup.target; t-- {\n			s.disk.wal.writeHistory(History{TLI: t})\n		}\n", ""}},
	},
	{
		name: "gap-names-a-parent", class: "failover", failover: true, doc: "the history files of the numbers that a promotion skips name a parent before it has ended",
		edits: []edit{{"sim/postgres/orders.go", "			s.disk.wal.writeHistory(History{TLI: t})\n", "			s.disk.wal.writeHistory(History{TLI: t, Lines: append(slices.Clone(linesOf(s.disk.wal.history(s.startup.target))), Left{s.startup.target, s.ValidEnd(ByHistory).End})})\n"}},
	},
	{
		name: "history-not-written", class: "failover", failover: true, live: true, doc: "a follower has no history files before it streams",
		edits: []edit{{"core/failover/host/obey.go", "	acts := histories(o.History)\n", "	var acts []Act\n"}},
	},
	{
		name: "names-not-in-force", class: "failover", failover: true, doc: "a grantee promotes, and opens, before its names are in force",
		edits: []edit{{"core/failover/primary.go", "	out.Orders = append(out.Orders, SetNames{want})\n	return false\n", "	out.Orders = append(out.Orders, SetNames{want})\n	return true\n"}},
	},
	{
		name: "checkpointer-not-asked", class: "failover", failover: true, doc: "names are said to be in force before the checkpointer has them",
		edits: []edit{{"sim/postgres/syncrep.go", "	return s.check.names.equal(n) && s.sync.defined == !n.empty()\n", "	return true\n"}},
	},
	{
		name: "rejoins-before-open", class: "failover", failover: true, doc: "a server rejoins from the primary of an epoch that has not opened, and its data is believed whatever WAL it lacks",
		edits: []edit{
			{"core/failover/member.go", "	return e.Stage == StageOpen || e.Stage == StageForked && e.Set.Has(m.cfg.Self) && waited\n", "	return e.Stage >= StageForked || waited\n"},
			{"core/failover/host/report.go", " || n.Data.IsShort(short)", ""},
		},
	},
	{
		name: "begins-for-nothing", class: "failover", failover: true, doc: "an epoch begins though those who are there cannot pass it",
		edits: []edit{{"core/failover/time.go", "	if w := m.passable(a); w.Reason != Nothing {\n		out.Nobody = w\n		return\n	}\n	m.begins(a, out)\n", "	m.begins(a, out)\n"}},
	},
	{
		name: "leadership-kept", class: "failover", failover: true, live: true, doc: "a leader does not hand leadership to the primary",
		edits: []edit{{"core/failover/time.go", "	if p != m.cfg.Self && m.give(p, a, delay, out) && !r.handed {", "	if p != m.cfg.Self && false && m.give(p, a, delay, out) {"}},
	},
	{
		name: "away-is-not-sealed", class: "failover", failover: true, live: true, doc: "a member that was away over the beginning of an epoch is not sealed",
		edits: []edit{{"core/failover/member.go", "	case v.Sealed+1 < e.Number || barred ||", "	case v.Sealed+2 == e.Number || barred ||"}},
	},
	{
		name: "seal-forgotten", class: "failover", failover: true, doc: "a seal does not outlive a restart, and an order to follow is obeyed in another boot",
		edits: []edit{
			{"sim/server_fence.go", "	v.booted = true\n", "	v.booted = true\n	v.data.Sealed = 0\n"},
			{"core/failover/host/obey.go", "	case o.Token.Follow != s.Boot || o.Token.Epoch", "	case o.Token.Epoch"},
		},
	},
	{
		name: "promotes-while-receiving", class: "failover", failover: true, doc: "a server is promoted while its walreceiver runs on",
		edits: []edit{
			{"sim/server_host.go", "		p.Seal(func(postgres.Position) { v.isSealed(a.Order) })\n", "		v.isSealed(a.Order)\n"},
			{"core/failover/host/obey.go", " || !s.Recovery || s.sources():\n		return nil, false\n", " || !s.Recovery:\n		return nil, false\n"},
			{"core/failover/host/report.go", "r.Streaming = s.sources(); r.Streaming {", "r.Streaming = s.sources() && m.Follows.Epoch > d.Sealed; r.Streaming {"},
			{"core/failover/host/obey.go", "s.Promotes || s.Astray || s.sources():", "s.Promotes || s.Astray:"},
			{"core/failover/host/obey.go", "s.Promotes || s.sources():", "s.Promotes:"},
			{"core/failover/host/obey.go", "s.Last >= t || s.End.LSN != o.LSN:", "s.Last >= t:"},
		},
	},
}
