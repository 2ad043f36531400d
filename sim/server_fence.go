package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// The preloaded library's part in a server: what FAILOVER.md calls F1 to F3, who may
// read, whose walreceivers may connect, and that a server boots as a standby.

func (v *server) hooks() {
	v.pg.Hooks = postgres.Hooks{
		Boot:         v.boots,
		Statement:    func(*postgres.Session) bool { return v.answers() },
		PreCommit:    v.beforeCommit,
		HoldEarlyEnd: v.holdsEarlyEnd,
		Acknowledge:  v.acknowledges,
		Replicate:    v.letsConnect,
		Refused:      v.isRefused,
		Saw:          v.saw,
	}
}

// answers says whether a statement may begin. Reads may be from before a promotion that
// has just ended.
func (v *server) answers() bool {
	s := &v.shared
	return s.Reads && (!s.Failover || s.Open || s.Founding && s.Primary || v.pg.InRecovery())
}

// isRefused notes that a primary lacks WAL which this server needs.
func (v *server) isRefused(why string) {
	v.n.w.say(v.n, "gets no WAL: %s", why)
	if strings.Contains(why, "has already been removed") && v.follows != (failover.Token{}) {
		v.n.w.marks.add(markWALGone)
		v.lacks = true
	}
}

// boots runs before recovery looks at anything: only the log promotes a server.
func (v *server) boots() {
	v.follows, v.lacks, v.fork, v.promoting = failover.Token{}, false, 0, 0
	v.shared, v.booted = v.unknown(), true
	if v.n.state == down {
		v.n.w.restartLater(v.n, v.draws.Between(time.Millisecond, 100*time.Millisecond))
	}
	if !v.data.joined && !v.store.joined {
		return
	}
	if v.data.cut > 0 {
		v.pg.CutWAL(v.data.cut)
		v.data.cut = 0
	}
	v.pg.CreateStandbySignal()
	v.pg.RemovePromote()
	v.pg.SetConninfo(postgres.Conninfo{})
	v.dropHistories()
}

// dropHistories takes away the history files of timelines that did not come about, or of
// which this server has nothing.
func (v *server) dropHistories() {
	last := v.pg.LastTimeline()
	for _, h := range slices.Clone(v.pg.Histories()) {
		if h.TLI > last {
			v.pg.RemoveHistory(h.TLI)
		}
	}
}

// leased says that this node's lease counts, now.
func (v *server) leased() bool { return v.shared.LeaseCounts && v.n.holdsLease() }

// beforeCommit is F1.
func (v *server) beforeCommit(o *postgres.Session) postgres.Verdict {
	s := &v.shared
	f := failover.F1{Failover: s.Failover, Joined: s.Joined, Quarantined: s.Quarantined, Primary: s.Primary, Open: s.Open,
		Lease: v.leased(), Founding: s.Founding, Waited: o.Waits() >= v.in.fenceWait}
	switch f.Verdict() {
	case failover.Wait:
		v.n.w.marks.add(markFenceWaits)
		return postgres.Wait
	case failover.Refuse:
		v.n.w.marks.add(markFenceRefuses)
		return postgres.Refuse
	}
	if s.Failover {
		o.Level = postgres.On
	}
	v.begun[o] = s.Epoch
	return postgres.Go
}

// counted is how many of the sync set have flushed up to an LSN.
func (v *server) counted(end postgres.LSN) (n uint32) {
	for _, x := range v.senders() {
		if x.Flushed >= uint64(end) && slices.Contains(v.shared.Tokens, x.Token) {
			n++
		}
	}
	return n
}

// holdsEarlyEnd is F2: nobody sees what may go away.
func (v *server) holdsEarlyEnd(_ *postgres.Session, end postgres.LSN) bool {
	if !v.shared.Failover || v.pg.IsStopping() {
		return false
	}
	if v.shared.Open && v.counted(end) >= v.shared.Set.W {
		return false
	}
	v.n.w.marks.add(markEarlyEndHeld)
	return true
}

// acknowledges is F3.
func (v *server) acknowledges(o *postgres.Session, end postgres.LSN) postgres.Verdict {
	s := &v.shared
	f := failover.F3{Failover: s.Failover, Over: s.Epoch != v.begun[o], Open: s.Open, Flushed: v.pg.Flushed() >= end,
		W: s.Set.W, Counted: v.counted(end), Lease: v.leased(), Same: true}
	switch f.Verdict() {
	case failover.Hold, failover.Restart:
		v.n.w.marks.add(markAckHeld)
		return postgres.Wait
	case failover.Over:
		v.n.w.marks.add(markAckOver)
		return postgres.Refuse
	}
	return postgres.Go
}

// letsConnect: no walreceiver gets WAL but one that was announced to this epoch's
// primary.
func (v *server) letsConnect(_ int, name string) bool {
	if !v.shared.Failover {
		return true
	}
	t, ok := v.in.tokens[name]
	return ok && v.shared.Primary && t.Epoch == v.shared.Epoch && t.Boot == v.boot
}

// saw is told of what happens in the server.
func (v *server) saw(e postgres.Event) {
	w := v.n.w
	w.hash.words(uint64(v.n.id), uint64(e.Kind), e.Txn, uint64(e.End), uint64(e.TLI))
	switch e.Kind {
	case postgres.Ended:
		v.ended()
	case postgres.Opened:
		w.say(v.n, "its server takes writes on timeline %d from %v", e.TLI, e.End)
		v.fatals = 0
		if v.promoting != 0 { // else by hand, or before failover was on
			v.promoting, v.fork = 0, uint64(e.End)
			w.checks.forks(v, e)
		} else if v.byHand {
			v.pg.Internal(postgres.Logical, 1+v.draws.Below(4*postgres.PageBytes))
			v.pg.Flush()
		}
		v.byHand = false
	case postgres.Acknowledged:
		w.checks.acks(v, e)
	case postgres.Consistent:
		v.fatals, v.rewound = 0, false
		if v.pg.Damaged() {
			w.fail(checkServer, "%v: pages of two servers are read", v.n)
		}
	}
}
