package sim

import (
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// session is a client of the servers: it writes transactions and commits them, reads what
// others wrote, cancels, is terminated, and goes to another server when its own ends.
type session struct {
	x      *servers
	number int
	draws  Stream
	at     *server
	on     *postgres.Session
	busy   bool // a commit is under way
	reader bool // it writes nothing: it never waits for a commit
	open   uint64
}

const sessionPeriod = 150 * time.Millisecond

func (x *servers) newSessions() {
	s := For(x.w.o.Seed, "sessions")
	for i := range s.Int(2, 6) {
		c := &session{x: x, number: i, draws: For(x.w.o.Seed, "session", uint64(i))}
		x.sessions = append(x.sessions, c)
		c.next(c.draws.Between(500*time.Millisecond, 2*time.Second))
	}
	r := &session{x: x, number: len(x.sessions), draws: For(x.w.o.Seed, "reader"), reader: true}
	x.sessions = append(x.sessions, r)
	r.next(time.Second)
	for _, v := range x.data() {
		v.works()
	}
}

func (c *session) next(d time.Duration) {
	w := c.x.w
	if at := w.now + d; at < w.o.Duration-time.Second {
		w.arrange(event{at: at, kind: evCall, ref: c.act})
	}
}

// act is one thing that a client does.
func (c *session) act() {
	c.next(c.draws.Between(sessionPeriod/10, 2*sessionPeriod))
	if c.on != nil && c.on.Over() {
		c.on, c.busy, c.open = nil, false, 0
	}
	switch {
	case c.busy:
		c.interrupts()
	case c.on == nil:
		c.connects()
	case c.reader:
		for range 8 {
			c.reads()
		}
		if c.draws.Below(4) == 0 {
			c.on.Terminate() // a pool's connection has its time
			c.on = nil
		}
	case c.open != 0:
		c.ends()
	default:
		c.begins()
	}
}

// interrupts is a client, or its pooler, that has waited for long enough.
func (c *session) interrupts() {
	patience := 24
	if c.x.impatient > 0 {
		patience = 4
	}
	switch c.draws.Below(patience) {
	case 0, 1:
		c.on.Cancel()
	case 2:
		c.on.Terminate()
	}
}

// connects finds a server that takes writes, as libpq does that is given several: now and
// then any server, and half of the time for who only reads.
func (c *session) connects() {
	all := c.x.data()
	first, any := c.draws.Below(len(all)), c.draws.Below(8) == 0 || c.reader && c.draws.Below(2) == 0
	for i := range all {
		v := all[(first+i)%len(all)]
		if !any && (v.pg.Phase() != postgres.Production || v.shared.Failover && !v.serves()) {
			continue
		}
		if o := v.pg.Connect(); o != nil {
			o.Level = Pick(&c.draws, postgres.On, postgres.On, postgres.Local, postgres.Off)
			c.at, c.on = v, o
			return
		}
	}
}

// begins is a transaction, or a read.
func (c *session) begins() {
	x := c.x
	switch k := c.draws.Below(20); {
	case k == 0:
		c.on.Terminate()
		c.on = nil
	case k < 7:
		c.reads()
	case k < 9:
		if l := c.at.pg.Prepared(); len(l) > 0 {
			c.commits(func(done func(postgres.Outcome)) { c.on.CommitPrepared(l[c.draws.Below(len(l))], done) })
		}
	default:
		x.txns++
		if !c.on.Write(x.txns, 1+c.draws.Below(1500)) {
			c.on.Terminate() // it is no primary, or none any more
			c.on = nil
		} else {
			if c.open = x.txns; c.draws.Below(4) > 0 {
				c.ends()
			}
		}
	}
}

// ends is the end of the open transaction.
func (c *session) ends() {
	c.open = 0
	switch k := c.draws.Below(16); {
	case k == 0:
		c.on.Rollback()
	case k == 1:
		c.commits(c.on.Prepare)
	default:
		c.commits(c.on.Commit)
	}
}

func (c *session) commits(f func(func(postgres.Outcome))) {
	c.busy = true
	on := c.on
	f(func(out postgres.Outcome) {
		switch out {
		case postgres.Committed:
			c.x.w.marks.add(markServerCommits)
		case postgres.Refused:
			c.x.w.marks.add(markServerRefuses)
		case postgres.Unknown:
			c.x.w.marks.add(markServerUnknown)
		}
		if c.on == on {
			if c.busy = false; out == postgres.Unknown {
				c.on = nil
			}
		}
	})
}

// reads looks for a transaction of late.
func (c *session) reads() {
	x := c.x
	if x.txns == 0 {
		return
	}
	txn := x.txns - min(x.txns-1, uint64(c.draws.Below(8)))
	if found, ok := c.on.Sees(txn); ok {
		x.w.checks.sees(c.at, txn, found)
	}
}

// works is what a server does of itself: checkpoints, and WAL without commits.
func (v *server) works() {
	w := v.n.w
	w.arrange(event{at: w.now + v.draws.Between(200*time.Millisecond, 4*time.Second), kind: evCall, ref: v.works})
	if v.pg.Phase() == postgres.Down || v.frozen || w.now > w.o.Duration-time.Second { // or the log has an entry more for it, with async
		return
	}
	switch v.draws.Below(6) {
	case 0, 1, 2:
		v.pg.Checkpoint(nil)
	case 3:
		v.pg.Internal(postgres.Logical, 1+v.draws.Below(2*postgres.SegmentBytes))
	case 4:
		v.pg.Internal(postgres.Prune, 100)
	default:
		v.pg.Internal(postgres.RunningXacts, 60)
	}
}
