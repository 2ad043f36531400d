package postgres

import "slices"

// The steps of CommitTransaction, PrepareTransaction and FinishPreparedTransaction.

// finish begins to end a transaction.
func (o *Session) finish(kind Kind, done func(Outcome)) {
	s := o.s
	o.warned = false
	switch {
	case o.stage != stageIdle:
		o.after(done, Unknown)
		return
	case s.frozen:
		o.done = done
		s.run(s.life, func() {
			o.done = nil
			o.finish(kind, done)
		})
		return
	case o.xid == 0:
		o.after(done, Committed)
		return
	case s.phase != Production && s.phase != Stopping:
		o.xid = 0
		o.after(done, Refused)
		return
	}
	o.kind, o.done, o.stage, o.since, o.cancel = kind, done, stageFence, s.env.Now(), false
	o.advance()
}

// Poke has every session that a hook lets wait ask it again: what the hook reads has
// changed.
func (s *Server) Poke() {
	if s.phase == Down || s.frozen {
		return
	}
	for _, o := range slices.Clone(s.sessions) {
		o.advance()
	}
}

// poll asks again a little later.
func (o *Session) poll() {
	if o.polls {
		return
	}
	o.polls = true
	o.s.after(hookPoll, func() {
		o.polls = false
		o.advance()
	})
}

// advance does what can be done now.
func (o *Session) advance() {
	switch o.stage {
	case stageIdle:
		if o.die {
			o.close()
		}
	case stageFence:
		o.fence()
	case stageSync:
		if o.cancel || o.die {
			o.endsEarly()
		}
	case stageAck:
		o.acknowledge()
	}
}

// fence is XACT_EVENT_PRE_COMMIT: the last place for an ERROR.
func (o *Session) fence() {
	s := o.s
	switch {
	case o.die:
		o.xid = 0
		o.close()
		return
	case o.cancel:
		o.refused()
		return
	}
	v := Go
	if s.Hooks.PreCommit != nil {
		v = s.Hooks.PreCommit(o)
	}
	switch v {
	case Refuse:
		o.refused()
	case Wait:
		o.poll()
	default:
		if (o.kind == CommitPrepared || o.kind == AbortPrepared) && !s.isPrepared(o.txn) {
			o.refused() // another session was first (twophase.c: LockGXact)
			return
		}
		o.record()
	}
}

// refused is an ERROR: the transaction is rolled back, the session goes on. A prepared
// one stays.
func (o *Session) refused() {
	if o.kind == Commit || o.kind == Prepare {
		o.s.log(Abort, 40, o.xid, o.txn)
	}
	o.answer(Refused)
}

func (o *Session) answer(out Outcome) {
	done := o.done
	o.stage, o.xid, o.done, o.cancel = stageIdle, 0, nil, false
	o.after(done, out)
	if o.die {
		o.close()
	}
}

// record writes the record: from here on the transaction has committed, here and
// wherever the record gets.
func (o *Session) record() {
	s := o.s
	o.stage = stageFlush
	r := s.log(o.kind, 48, o.xid, o.txn)
	o.end = r.End()
	s.disk.replay(r)
	if o.Level == Off && o.kind == Commit {
		s.wal.async = max(s.wal.async, o.end)
		o.visible()
		return
	}
	s.flushThen(o.end, o.waitForStandbys)
}

// waitForStandbys is SyncRepWaitForLSN.
func (o *Session) waitForStandbys() {
	s := o.s
	if o.Level != On || !s.sync.defined || o.end <= s.sync.lsn {
		o.visible()
		return
	}
	o.stage, o.since = stageSync, s.env.Now()
	o.advance()
}

// replicated ends the wait: enough standbys were counted, or the names were emptied.
func (o *Session) replicated() {
	o.visible()
}

// endsEarly is a wait that a cancel or a terminate ends: the transaction becomes
// visible, though no standby may have it. The client of a cancelled one is told that it
// has committed, with a warning.
func (o *Session) endsEarly() {
	s := o.s
	if s.Hooks.HoldEarlyEnd != nil && s.Hooks.HoldEarlyEnd(o, o.end) {
		o.poll()
		return
	}
	o.warned, o.cancel, o.silent = true, false, o.die
	o.visible()
}

// visible is ProcArrayEndTransaction, and XACT_EVENT_COMMIT after it.
func (o *Session) visible() {
	s := o.s
	o.stage, o.since = stageAck, s.env.Now()
	if o.kind == Commit || o.kind == CommitPrepared {
		s.saw(Event{Kind: Visible, Txn: o.txn, End: o.end, TLI: s.wal.tli})
	}
	o.acknowledge()
}

// acknowledge answers the client, if it is still there.
func (o *Session) acknowledge() {
	s := o.s
	v := Go
	if s.Hooks.Acknowledge != nil {
		v = s.Hooks.Acknowledge(o, o.end)
	}
	switch {
	case v == Wait:
		o.poll()
	case v == Refuse, o.silent:
		o.close()
	default:
		if o.kind == Commit || o.kind == CommitPrepared {
			s.saw(Event{Kind: Acknowledged, Txn: o.txn, End: o.end, TLI: s.wal.tli})
		}
		o.answer(Committed)
	}
}
