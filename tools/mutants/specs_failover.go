package main

// Bugs in what decides who is the primary (core/failover), and in the host that carries
// it out, as the simulator has it (sim/server*.go). Each is a sentence of the design that
// is not kept.
var failoverMutants = []mutant{
	{
		name: "report-before-seal", class: "failover", failover: true, doc: "a member reports its position while it streams on",
		edits: []edit{{"core/failover/member.go", "	case v.Sealed+1 < e.Number || barred ||", "	case e.Stage == StageBegun && v.Recovery && a.Current && !barred && !v.Untrusted:\n		m.report(a, out)\n	case v.Sealed+1 < e.Number || barred ||"}},
	},
	{
		name: "receiver-runs-on", class: "failover", failover: true, doc: "a seal is noted, and says that nothing streams, while the walreceiver goes on",
		edits: []edit{
			{"sim/server_orders.go", "		v.dropHistories() // or recovery finds a newer one later\n		p.Seal(func(at postgres.Position) {\n			if v.boot", "		at := p.ValidEnd(postgres.ByHistory)\n		func(at postgres.Position) {\n			if v.boot"},
			{"sim/server_orders.go", "			v.data.sealed = max(v.data.sealed, o.UpTo)\n			v.report()\n		})", "			v.data.sealed = max(v.data.sealed, o.UpTo)\n			v.report()\n		}(at)"},
			{"sim/server.go", "	if s.Streaming {\n		s.Follows", "	if s.Streaming = s.Streaming && v.follows.Epoch > v.data.sealed; s.Streaming {\n		s.Follows"},
			{"sim/server_orders.go", "	case p.Receives() || p.Conninfo() != postgres.Conninfo{} || o.Epoch <= v.data.sealed ||", "	case o.Epoch <= v.data.sealed ||"},
			{"sim/server_orders.go", "	case p.Receives() || p.Conninfo() != postgres.Conninfo{}:\n		return\n	}\n	v.n.w.say(v.n, \"follows", "	case false:\n	}\n	v.n.w.say(v.n, \"follows"},
		},
	},
	{
		name: "bare-lsn-decides", class: "failover", failover: true, doc: "positions are compared by LSN alone",
		edits: []edit{{"core/failover/position.go", "cmp.Or(cmp.Compare(p.Epoch, o.Epoch), cmp.Compare(p.LSN, o.LSN))", "cmp.Compare(p.LSN, o.LSN)"}},
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
			{"core/failover/apply_epoch.go", "	return has && s.Last.Met(", "	_ = has\n	return s.Last.Met("},
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
		edits: []edit{{"sim/server.go", "s.End, s.Replayed = uint64(at.End), uint64(p.Replayed())", "at.End = p.Replayed()\n		s.End, s.Replayed = uint64(at.End), uint64(p.Replayed())"},
			{"sim/server_orders.go", "	case uint64(p.ValidEnd(postgres.ByHistory).End) != o.LSN:\n		return\n", ""}},
	},
	{
		name: "newest-file-read", class: "failover", failover: true, doc: "the end of WAL is read from the newest file that there is, not from the one that the history gives",
		edits: []edit{{"sim/server.go", "at := p.ValidEnd(postgres.ByHistory)", "at := p.ValidEnd(postgres.AsRecovery)"},
			{"sim/server_orders.go", "	case uint64(p.ValidEnd(postgres.ByHistory).End) != o.LSN:\n		return\n", ""}},
	},
	{
		name: "acknowledged-unflushed", class: "failover", failover: true, doc: "F3 does not look at the flush, and synchronous_commit is not raised",
		edits: []edit{
			{"core/failover/fence.go", "	case !f.Open, !f.Flushed, f.Counted", "	case !f.Open, f.Counted"},
			{"sim/server_fence.go", "		o.Level = postgres.On\n", ""},
			{"sim/server_fence.go", "		if x.Flushed >= uint64(end) && slices", "		if slices"},
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
		edits: []edit{{"core/failover/fence.go", "f.Pending && f.Next < f.NextW, !f.Lease:", "f.Pending && f.Next < f.NextW:"}},
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
			{"core/failover/apply_epoch.go", "return s.counted(id, voters) && (id != s.Last.Primary || s.Report(id).Position.Epoch >= s.Last.Number)", "return s.counted(id, voters) || id == s.Last.Primary"},
		},
	},
	{
		name: "one-report-is-enough", class: "failover", failover: true, doc: "step 2 is passed by any report with WAL of the last open epoch",
		edits: []edit{{"core/failover/state.go", "	return n+int(r.Set.W) > len(r.Set.Members)\n", "	return n > 0\n"}},
	},
	{
		name: "grant-to-the-lesser", class: "failover", failover: true, doc: "a grant goes to the last primary's WAL or the higher priority, not to the greatest position",
		edits: []edit{
			{"core/failover/choose.go", "cmp.Or(y.Position.Compare(x.Position), m.better(", "cmp.Or(m.better("},
			{"core/failover/apply_epoch.go", "		if s.counted(r.Member, at.Voters) && r.Position.Compare(x.Position) > 0 {\n			return VoidGreater\n		}\n", "		_ = r\n"},
		},
	},
	{
		name: "boots-as-primary", class: "failover", failover: true, doc: "a server that crashes comes up as what it was",
		edits: []edit{{"sim/server_fence.go", "	v.pg.CreateStandbySignal()\n	v.pg.RemovePromote()", "	v.pg.RemovePromote()"}},
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
		edits: []edit{{"core/failover/primary.go", "known && w != m.cfg.Self {", "known || w != m.cfg.Self {"}},
	},
	{
		name: "connected-is-well", class: "failover", failover: true, live: true, doc: "step 0 takes a primary that is connected for one that serves",
		edits: []edit{{"core/failover/time.go", "	case recovery:\n		return crashed\n	}\n	return inRole", "	}\n	_ = recovery\n	return inRole"}},
	},
	{
		name: "promoted-by-hand-believed", class: "failover", failover: true, doc: "WAL of a timeline counts as its epoch's, whoever began it",
		edits: []edit{
			{"core/failover/counted.go", "	default:\n		ok = v.Noted == f.Epoch\n", "	default:\n		ok, p.Epoch = true, f.Epoch\n"},
			{"core/failover/counted.go", "		ok = v.Noted > 0\n", "		ok = true\n"},
			{"core/failover/counted.go", "	if f := s.fork(last); f == nil || f.Epoch != c.Noted {\n		return OtherHistory\n	}\n", ""},
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
		edits: []edit{{"sim/server.go", "	v.store.boot++\n", "	v.store.boot = 1\n"}},
	},
	{
		name: "role-kept-while-promoting", class: "failover", failover: true, doc: "a server that crashes while it is promoted is no standby at its boot",
		edits: []edit{{"sim/server_fence.go", "	v.follows, v.lacks, v.fork, v.promoting = failover.Token{}, false, 0, 0\n", "	was := v.promoting\n	v.follows, v.lacks, v.fork, v.promoting = failover.Token{}, false, 0, 0\n"},
			{"sim/server_fence.go", "	v.pg.CreateStandbySignal()\n	v.pg.RemovePromote()", "	if was == 0 {\n		v.pg.CreateStandbySignal()\n	}\n	v.pg.RemovePromote()"}},
	},
	{
		name: "begin-routed", class: "failover", failover: true, doc: "any member begins an epoch, through the leader, and again until it is there",
		edits: []edit{
			{"core/failover/machine.go", "		if a.Leads {\n			m.lead(a, &out)\n		}\n", "		m.lead(a, &out)\n"},
			{"core/failover/time.go", "		out.Append, out.Transfer = Begin{a.State.Epoch.Number + 1}, 0\n", "		out.Propose = append(out.Propose, Begin{a.State.Epoch.Number + 1})\n"},
			{"core/failover/machine.go", "(k == kindBegin || a.Now < x.again)", "a.Now < x.again"},
		},
	},
	{
		name: "seal-beside-a-promotion", class: "failover", failover: true, doc: "a seal lets a promotion that was ordered before go on, also while the server follows another",
		edits: []edit{
			{"sim/server_orders.go", "	case v.promoting != 0 || p.Promotes() || p.Astray():", "	case p.Astray():"},
			{"sim/server_orders.go", "v.n.state != running || v.promoting != 0 || p.Astray() {", "v.n.state != running || p.Astray() {"},
			{"sim/server_orders.go", "p.Promotes() || v.promoting != 0 || o.Token.Epoch <= v.data.sealed:", "p.Promotes() || o.Token.Epoch <= v.data.sealed:"},
		},
	},
	{
		name: "lost-note-boots-unfenced", class: "failover", failover: true, doc: "a server whose data directory does not say that it takes part is a primary without a fence",
		edits: []edit{
			{"sim/server.go", "on := v.data.joined || v.store.joined", "on := v.data.joined"},
			{"sim/server_fence.go", "	if !v.data.joined && !v.store.joined {", "	if !v.data.joined {"},
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
			{"sim/server_fence.go", "	v.pg.SetConninfo(postgres.Conninfo{})\n	v.dropHistories()", "	v.dropHistories()"},
			{"sim/server_fence.go", "	t, ok := v.in.tokens[name]\n	return ok && v.shared.Primary && t.Epoch == v.shared.Epoch && t.Boot == v.boot", "	_, ok := v.in.tokens[name]\n	return ok"},
			{"sim/server.go", "	s.Streaming = p.Receives() || p.Conninfo() != postgres.Conninfo{}\n", "	s.Streaming = v.follows != failover.Token{}\n"},
		},
	},
	{
		name: "late-promotion-obeyed", class: "failover", failover: true, doc: "an order to promote is carried out however late it comes",
		edits: []edit{
			{"sim/server_orders.go", "	case o.Boot != v.boot || !p.InRecovery() || p.Promotes() || p.Astray() || v.promoting != 0:\n		return\n	case p.Receives() || p.Conninfo() != postgres.Conninfo{} || o.Epoch <= v.data.sealed || p.LastTimeline() >= t:", "	case !p.InRecovery() || p.Promotes() || v.promoting != 0:"},
			{"sim/server_orders.go", "	case uint64(p.ValidEnd(postgres.ByHistory).End) != o.LSN:\n		return\n", ""},
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
		edits: []edit{{"sim/server_orders.go", "	case p.HoldsHalf():", "	case false && p.HoldsHalf():"}},
	},
	{
		name: "history-above-kept", class: "failover", failover: true, doc: "a boot leaves history files above the last timeline of which there is a record",
		edits: []edit{
			{"sim/server_fence.go", "		if h.TLI > last {\n", "		if h.TLI > last && h.TLI == 0 {\n"},
			{"sim/server_orders.go", "	case v.promoting != 0 || p.Promotes() || p.Astray():", "	case v.promoting != 0 || p.Promotes():"},
			{"sim/server_orders.go", "p.Promotes() || p.Astray() || v.promoting != 0:\n		return\n	case p.Receives()", "p.Promotes() || v.promoting != 0:\n		return\n	case p.Receives()"},
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
		edits: []edit{{"sim/postgres/orders.go", "		for h.TLI = last + 1; h.TLI < tli; h.TLI++ {\n			d.writeHistory(h)\n		}\n", "		_, _ = h, last\n"}},
	},
	{
		name: "history-not-written", class: "failover", failover: true, live: true, doc: "a follower has no history files before it streams",
		edits: []edit{{"sim/server_orders.go", "	v.writeHistories(o.History)\n", ""}},
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
			{"sim/server.go", "p.Control().MinRecovery > at.End && v.data.rejoined < v.shared.Epoch", "false"},
		},
	},
	{
		name: "begins-for-nothing", class: "failover", failover: true, doc: "an epoch begins though those who are there cannot pass it",
		edits: []edit{{"core/failover/time.go", "	if w := m.passable(a); w.Reason != Nothing {\n		out.Nobody = w\n		return\n	}\n	out.Nobody = Why{Reason: EntryUnderWay}\n	if m.due(kindBegin, a) {\n		out.Append, out.Transfer", "	out.Nobody = Why{Reason: EntryUnderWay}\n	if m.due(kindBegin, a) {\n		out.Append, out.Transfer"}},
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
			{"sim/server_fence.go", "	v.shared, v.booted = v.unknown(), true\n", "	v.shared, v.booted = v.unknown(), true\n	v.data.sealed = 0\n"},
			{"sim/server_orders.go", "	case o.Token.Follow != v.boot || !p.InRecovery()", "	case !p.InRecovery()"},
		},
	},
	{
		name: "promotes-while-receiving", class: "failover", failover: true, doc: "a server is promoted while its walreceiver runs on",
		edits: []edit{
			{"sim/server_orders.go", "		v.dropHistories() // or recovery finds a newer one later\n		p.Seal(func(at postgres.Position) {\n			if v.boot", "		at := p.ValidEnd(postgres.ByHistory)\n		func(at postgres.Position) {\n			if v.boot"},
			{"sim/server_orders.go", "			v.data.sealed = max(v.data.sealed, o.UpTo)\n			v.report()\n		})", "			v.data.sealed = max(v.data.sealed, o.UpTo)\n			v.report()\n		}(at)"},
			{"sim/server.go", "	if s.Streaming {\n		s.Follows", "	if s.Streaming = s.Streaming && v.follows.Epoch > v.data.sealed; s.Streaming {\n		s.Follows"},
			{"sim/server_orders.go", "	case p.Receives() || p.Conninfo() != postgres.Conninfo{} || o.Epoch <= v.data.sealed ||", "	case o.Epoch <= v.data.sealed ||"},
			{"sim/server_orders.go", "	case p.Receives() || p.Conninfo() != postgres.Conninfo{}:\n		return\n	}\n	v.n.w.say(v.n, \"follows", "	case false:\n	}\n	v.n.w.say(v.n, \"follows"},
			{"sim/server_orders.go", "	case uint64(p.ValidEnd(postgres.ByHistory).End) != o.LSN:\n		return\n", ""},
		},
	},
}
