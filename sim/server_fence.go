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
		StreamEnded:  func() { v.mem.Ended = true },
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
	if strings.Contains(why, "has already been removed") && (v.mem.Follows != failover.Token{} || !v.shared.Failover) {
		v.n.w.marks.add(markWALGone)
		v.mem.Lacks = true
	}
}

// boots runs before recovery looks at anything: only the log promotes a server.
func (v *server) boots() {
	v.mem.Starts()
	v.reigns = 0
	v.gaps = false
	v.publish(v.unknown())
	v.booted = true
	v.bootsAs()
}

// engineSoon starts the engine of a server that goes on with its boot.
func (v *server) engineSoon() {
	if v.n.state != down {
		return
	}
	w := v.n.w
	w.arrange(event{at: w.now + v.draws.Between(time.Millisecond, 100*time.Millisecond), kind: evCall, ref: func() {
		if v.pg.Phase() != postgres.Down {
			v.n.start()
		}
	}})
}

// leased says that this node's lease counts, now.
func (v *server) leased() bool { return v.shared.LeaseCounts && v.n.holdsLease() }

// beforeCommit is F1.
func (v *server) beforeCommit(o *postgres.Session) postgres.Verdict {
	s := &v.shared
	f := failover.F1{Failover: s.Failover, Joined: s.Joined, Quarantined: s.Quarantined, Primary: s.Primary, Open: s.Open,
		Lease: v.leased(), Founding: s.Founding, Switchover: s.Switchover != 0, Waited: o.Waits() >= v.in.fenceWait}
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
	delete(v.looks, o)
	return postgres.Go
}

// publish puts what the core has decided into shared memory.
func (v *server) publish(s failover.Shared) {
	if s.Equal(&v.shared) {
		return
	}
	v.shared = s
	v.version++
}

// look is what F3 reads first. Then it counts, and then it reads the version once more.
type look struct {
	version uint64
	shared  failover.Shared
	until   time.Duration // it stands still
}

// counts is how many of the set have flushed up to an LSN, and of the one that follows.
func (v *server) counts(s *failover.Shared, end postgres.LSN) (set, next uint32) {
	senders := v.senders()
	set = counted(s, &s.Set, senders, end)
	if s.Next != nil {
		next = counted(s, s.Next, senders, end)
	}
	return set, next
}

// counted is how many of a set have flushed up to an LSN.
func counted(s *failover.Shared, c *failover.Set, senders []failover.Sender, end postgres.LSN) (n uint32) {
	for _, x := range senders {
		if c.Has(x.Token.Member) && x.Flushed >= uint64(end) && slices.Contains(s.Tokens, x.Token) {
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
	s := &v.shared
	if set, next := v.counts(s, end); s.Open && set >= s.Set.W && (s.Next == nil || next >= s.Next.W) {
		return false
	}
	v.n.w.marks.add(markEarlyEndHeld)
	return true
}

// acknowledges is F3. A backend may stand still between any two of its looks, for as long as
// it likes.
func (v *server) acknowledges(o *postgres.Session, end postgres.LSN) postgres.Verdict {
	l, stands := v.looks[o]
	switch {
	case !stands:
		l = look{version: v.version, shared: v.shared}
		if v.backend.Below(8) > 0 {
			break
		}
		l.until = v.n.w.now + Pick(&v.backend, 0, 0, v.backend.Between(0, time.Second))
		v.looks[o] = l
		return postgres.Wait
	case v.n.w.now < l.until:
		return postgres.Wait
	}
	delete(v.looks, o)
	s := &l.shared
	set, next := v.counts(s, end)
	f := failover.F3{Failover: s.Failover, Over: s.Epoch != v.begun[o], Open: s.Open, Flushed: v.pg.Flushed() >= end, W: s.Set.W, Counted: set,
		Beyond: s.Limited && uint64(end) > s.Limit,
		Lease:  v.leased(), Same: l.version == v.version}
	if s.Next != nil {
		f.Pending, f.NextW, f.Next = true, s.Next.W, next
	}
	switch f.Verdict() {
	case failover.Restart:
		return v.acknowledges(o, end)
	case failover.Hold:
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
		if v.mem.Promoting != 0 { // else by hand, or before failover was on
			v.mem.Promoting, v.mem.Fork, v.gaps, v.tookWrites = 0, uint64(e.End), true, w.now
			w.checks.forks(v, e)
		} else if v.byHand {
			v.pg.Internal(postgres.Logical, 1+v.draws.Below(4*postgres.PageBytes))
			v.pg.Flush()
		}
		v.byHand = false
	case postgres.Visible:
		w.checks.commits(v, e)
	case postgres.Acknowledged:
		w.checks.acks(v, e)
	case postgres.Consistent:
		v.fatals, v.rewound = 0, false
		if acts := v.data.Consistent(); acts != nil { // it has all that it needs, also what it lost before
			v.does(acts...)
			v.wentBack = v.wentBack && v.data.Doubt != failover.NoDoubt
		}
		if v.pg.Damaged() {
			w.fail(checkServer, "%v: pages of two servers are read", v.n)
		}
	}
}
