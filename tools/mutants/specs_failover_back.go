package main

// Bugs in how a server comes back: what it finds at its boot, and how its data is made anew.
var backMutants = []mutant{
	{
		name: "doubt-hides-unguarded", class: "failover", failover: true, doc: "what was written without the library is believed where the data is in doubt already",
		edits: []edit{{"core/failover/boot.go", "if f.Unguarded || f.WasPrimary && !f.Granted && !f.Foreign && !f.Label {", "if f.WasPrimary && !f.Granted && !f.Foreign && !f.Label && v.Doubt != DoubtBefore {"}},
	},
	{
		name: "restored-data-reports", class: "failover", failover: true, doc: "a server whose data is in doubt reports its position",
		edits: []edit{
			{"core/failover/member.go", "	case v.Untrusted && !mine && m.mayRejoin(a):\n		m.mend(a, out)\n	case v.Untrusted:\n		out.Why = Why{Reason: UntrustedData, Members: []uint64{m.cfg.Self}}\n", ""},
			{"core/failover/told.go", "		return m.has, m.server.Untrusted\n", "		return m.has, false\n"},
			{"core/failover/told.go", "	return t.Server, t.Untrusted\n", "	return t.Server, false\n"},
		},
	},
	{
		name: "clone-of-a-standby-reports", class: "failover", failover: true, doc: "nobody compares the nonces: a copy of another directory, or an older one, is believed",
		edits: []edit{{"core/failover/boot.go", "	case f.Foreign:\n		return DoubtForeign\n", ""}},
	},
	{
		name: "nonce-alone-first", class: "failover", failover: true, doc: "a new nonce stands alone in the Raft store before it is in the data directory",
		edits: []edit{{"core/failover/boot.go", "		return Nonces{Data: n.Data, Store: n.Data, Next: fresh}, true\n", "		return Nonces{Data: n.Data, Store: fresh}, true\n"}},
	},
	{
		name: "nonce-of-data-first", class: "failover", failover: true, doc: "a new nonce is in the data directory before the Raft store has it",
		edits: []edit{{"core/failover/boot.go", "		return Nonces{Data: n.Data, Store: n.Data, Next: fresh}, true\n", "		if n.Data != fresh {\n			n.Data = fresh\n			return n, true\n		}\n"}},
	},
	{
		name: "floor-ignored", class: "failover", failover: true, doc: "WAL that ends below the floor is believed",
		edits: []edit{{"core/failover/boot.go", "	case f.Below:\n		return DoubtBelow\n", ""}},
	},
	{
		name: "floor-of-the-flush", class: "failover", failover: true, doc: "the floor of a standby is what its walreceiver has flushed",
		edits: []edit{{"core/failover/boot.go", "		return Position{epoch, min(flushed, record)}, flushed > 0\n", "		return Position{epoch, flushed}, flushed > 0\n"}},
	},
	{
		name: "floor-in-a-record", class: "failover", failover: true, doc: "the floor of a primary is its flush position",
		edits: []edit{{"core/failover/boot.go", "	return Position{epoch, record}, flushed >= record\n", "	return Position{epoch, max(flushed, record)}, flushed >= record\n"}},
	},
	{
		name: "minimum-recovery-point-ignored", class: "failover", failover: true, doc: "WAL that ends before minRecoveryPoint is believed at a boot",
		edits: []edit{{"core/failover/boot.go", "	case f.Short:\n		return DoubtShort\n", ""}},
	},
	{
		name: "backup-label-ignored", class: "failover", failover: true, doc: "a base backup is believed",
		edits: []edit{{"core/failover/boot.go", "	case f.Label:\n		return DoubtBackup\n", ""}},
	},
	{
		name: "missing-segment-ignored", class: "failover", failover: true, doc: "WAL that lacks a segment is believed",
		edits: []edit{{"core/failover/boot.go", "	case f.Hole:\n		return DoubtHole\n", ""}},
	},
	{
		name: "doubt-lasts-one-boot", class: "failover", failover: true, doc: "a doubt is forgotten with the next start, and the nonce is renewed in spite of it",
		edits: []edit{
			{"core/failover/boot.go", "	case f.Doubted:\n		return DoubtBefore\n", ""},
			{"sim/server_fence.go", "	v.reigns = 0\n", "	v.reigns, v.data.Doubt = 0, failover.NoDoubt\n"},
			{"core/failover/host/anew.go", "return n.Data.Doubt == failover.NoDoubt", "return true"},
		},
	},
	{
		name: "marker-ignored-at-a-boot", class: "failover", failover: true, doc: "a server that finds the marker of a rejoin is started",
		edits: []edit{{"core/failover/boot.go", "	case f.Marker: // pages", "	case f.Marker && f.Lowered: // pages"}},
	},
	{
		name: "own-files-of-the-source", class: "failover", failover: true, doc: "what makes data anew leaves the source's seal and notes in the place of the server's own",
		edits: []edit{{"sim/server_boot.go", "v.rejoin.Ends(*v.aside, v.store", "v.rejoin.Ends(v.data, v.store"}},
	},
	{
		name: "rewinds-onto-an-unopened-fork", class: "failover", failover: true, doc: "data is made anew from a fork that has not opened",
		edits: []edit{{"core/failover/member.go", "	return e.Stage == StageOpen || e.Stage == StageForked && e.Set.Has(m.cfg.Self) && waited\n", "	return e.Stage >= StageForked || waited\n"}},
	},
	{
		name: "rejoin-gives-up-half-way", class: "failover", failover: true, doc: "a rejoin that has changed the data gives up where no source answers, and the server is started",
		edits: []edit{{"core/failover/host/rejoin.go", "	case x.Stage == StageOrdered && (!ok ||", "	case !ok || x.Stage == StageOrdered && (!ok ||"}},
	},
	{
		name: "rejoin-takes-any-primary", class: "failover", failover: true, doc: "a rejoin that was cut short takes the WAL of an epoch that its server is sealed for",
		edits: []edit{{"core/failover/host/rejoin.go", "source.Ready() && source.Newer(own.Sealed)", "source.Ready() && source.Newer(0)"}},
	},
	{
		name: "source-of-an-epoch-that-is-over", class: "failover", failover: true, doc: "the helper does not ask its source whether the epoch is still its own",
		edits: []edit{{"core/failover/host/source.go", "x.IsOf(o) && x.Primary && x.Epoch == o.Epoch\n", "x.IsOf(o)\n"}},
	},
	{
		name: "rewinds-before-the-checkpoint", class: "failover", failover: true, doc: "the source has not checkpointed on its timeline, and pg_rewind is believed that nothing is to be done",
		edits: []edit{
			{"core/failover/host/source.go", "x.Production && x.Checkpointed == x.Timeline", "x.Production"},
			{"sim/server_rejoin.go", "			if out == postgres.RewindDone {\n", "			if out != postgres.RewindFailed {\n"},
			{"core/failover/counted.go", "	if have && !equal {\n		return OtherRecord\n	}\n", ""},
		},
	},
	{
		name: "unguarded-is-believed", class: "failover", failover: true, doc: "a server that was started without the library is not quarantined, and its record is not compared",
		edits: []edit{
			{"core/failover/boot.go", "		v.Damage = QuarantinedUnguarded\n", "		v.Damage = NotQuarantined\n"},
			{"core/failover/counted.go", "	if have && !equal {\n		return OtherRecord\n	}\n", ""},
		},
	},
	{
		name: "trusted-without-proof", class: "failover", failover: true, story: "proof_of_an_old_look", doc: "data in doubt is trusted as soon as it streams",
		edits: []edit{{"core/failover/mend.go", "	case m.proved(a):\n", "	case m.reign.epoch > 0:\n"}},
	},
	{
		name: "proved-by-an-old-word", class: "failover", failover: true, story: "proof_of_an_old_look", doc: "data in doubt is trusted at what the primary's host had seen before that knew of this boot",
		edits: []edit{{"core/failover/mend.go", " && t.Boots >= me.Known {", " && t.Applied >= me.Known {"}},
	},
	{
		name: "untrusted-is-usable", class: "failover", failover: true, story: "attack_05_data_went_back", live: true, doc: "a leader counts on a member whose data is in doubt",
		edits: []edit{{"core/failover/told.go", "	return there && !untrusted\n", "	return there || untrusted\n"}},
	},
	{
		name: "unguarded-not-noted", class: "failover", failover: true, doc: "that a server was written without the library is known to the boot that finds it, and not noted",
		edits: []edit{{"core/failover/host/boot.go", "	if doubts || unguarded || others { // before", "	if doubts || others { // before"}},
	},
}
