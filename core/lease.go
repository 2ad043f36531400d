package core

import (
	"cmp"
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/pgraft/pgraft/core/corepb"
)

// The leader lease (thesis, section 6.4.1, with explicit promises in place of
// an assumption about everyone's timeouts). With its heartbeats the leader
// opens a numbered round. A voter answers with a promise: for so many
// milliseconds it elects nobody else, enforced by electsAnother, before the library
// sees a message. The lease runs from the opening of the round, not from the
// answer, for the promised time less a margin for drifting clocks.
//
// A voter keeps its promise for promiseTicks ticks, counted from the tick in
// which the round arrived. The first of them can come at once, and one before
// it can have been late: so in real time it lasts promiseTicks -
// promiseSlackTicks ticks at least, and that is what it promises.
const (
	promiseSlackTicks = 2
	// driftPercent is how much faster than the leader's a voter's clock may run.
	driftPercent = 10
	// lateTicks is how late the host may note the moment of a tick.
	lateTicks = 1
)

// promise is the voter's side.
type promise struct {
	to            uint64 // the leader it was made to
	until         uint64 // tick
	bootUntil     uint64 // tick until which promises of the life before may hold
	durableMillis uint64 // longest promise that the store knows of
	pendingMillis uint64 // handed to the store, in batch pendingSeq
	pendingSeq    uint64
}

// lease is the leader's side.
type lease struct {
	round   uint64                   // the newest round opened
	rounds  [maxOpenRounds]openRound // the newest ones, each at its number modulo their count
	answers []roundAnswers           // of the members that answered in this term; nil: this node does not lead
	from    uint64                   // tick that the lease is counted from
	ticks   uint64                   // its length; 0 = no lease
	forfeit uint64                   // no lease in this term any more: leadership is handed over
}

type openRound struct{ round, opened uint64 } // opened: tick

// roundAnswers is what a member has said in this term in answer to rounds.
type roundAnswers struct {
	from     uint64       // the member's Raft id
	granted  grant        // if it votes: its newest promise
	answered uint64       // the newest round that it answered
	said     announcement // of its build
}

// answersOf is where a member's answers are noted.
func (l *lease) answersOf(id uint64) *roundAnswers {
	for i := range l.answers {
		if l.answers[i].from == id {
			return &l.answers[i]
		}
	}
	l.answers = append(l.answers, roundAnswers{from: id})
	return &l.answers[len(l.answers)-1]
}

// answered is what a member has answered, zero if nothing.
func (l *lease) answered(id uint64) roundAnswers {
	for i := range l.answers {
		if l.answers[i].from == id {
			return l.answers[i]
		}
	}
	return roundAnswers{}
}

// opened is the tick in which a round was opened; false: it is not open any more, or never was.
func (l *lease) opened(round uint64) (tick uint64, ok bool) {
	r := l.rounds[round%maxOpenRounds]
	return r.opened, round != 0 && r.round == round
}

// grant is one voter's promise: to elect nobody else for ticks from the tick in
// which its round was opened.
type grant struct{ opened, ticks uint64 }

func (g grant) end() uint64 { return g.opened + g.ticks }

// maxOpenRounds bounds the rounds that an answer may still come for.
const maxOpenRounds = 64

// leaseHeartbeats is how many heartbeat intervals a lease lasts at least, where the
// election timeout has room for it: one may be lost, and the next one late.
const leaseHeartbeats = 3

// promiseTicks is for how long a voter promises: for half an election timeout, so that
// a leader that is known to be gone is replaced sooner than one that is only silent; but
// for long enough for leaseHeartbeats, and never longer than an election timeout.
func (c Config) promiseTicks() uint64 {
	p := max(c.ElectionTicks/2, minElectionTicks)
	for p < c.ElectionTicks && leaseTicks(uint64(p-promiseSlackTicks)) < uint64(leaseHeartbeats*c.HeartbeatTicks) {
		p++
	}
	return uint64(p)
}

// leaseTicks is for how many ticks a leader may count on a promise for so many of its own.
func leaseTicks(promised uint64) uint64 {
	ticks := promised * (100 - driftPercent) / 100
	return ticks - min(ticks, lateTicks)
}

// promiseMillis is what this node can promise.
func (c *Core) promiseMillis() uint64 {
	return (c.cfg.promiseTicks() - promiseSlackTicks) * c.cfg.TickMillis
}

// nextRound opens a round: who answers it was alive after this.
func (c *Core) nextRound() {
	l := &c.lease
	l.round++
	l.rounds[l.round%maxOpenRounds] = openRound{l.round, c.now}
}

// openRound returns the round of a heartbeat: this tick's, one for all members.
func (c *Core) openRound() *corepb.LeaseRound {
	l := &c.lease
	if at, ok := l.opened(l.round); !ok || at != c.now {
		c.nextRound()
	}
	said := &c.sent.round
	if !c.sent.said || said.GetRound() != l.round {
		*said = corepb.LeaseRound{Round: l.round, Contacts: c.contacts(), Newest: c.announces()}
		c.sent.encoded, c.sent.said = encodeRound(c.sent.encoded[:0], said), true
	}
	return said
}

// makePromise answers the lease round of a heartbeat. It is called when the
// library has taken the heartbeat and answers it, so this node follows its
// sender in its term.
func (c *Core) makePromise(env *corepb.Envelope) *corepb.LeasePromise {
	round := c.peer(env.GetTo()).round
	if round == 0 || c.lead != env.GetTo() || c.role != raft.StateFollower || env.GetRaft().GetTerm() != c.hard.Term {
		return nil
	}
	p := &c.promise
	if p.durableMillis < c.promiseMillis() {
		// A restart must know how long to wait before this promise is made.
		if p.pendingMillis < c.promiseMillis() {
			p.pendingMillis = c.promiseMillis()
			p.pendingSeq = c.emit(Persist{PromiseMillis: p.pendingMillis, Sync: true}, nil)
		}
		c.sent.promise = corepb.LeasePromise{Round: round, Newest: c.announces()}
		return &c.sent.promise // it promises nothing, and is there
	}
	p.to, p.until = env.GetTo(), c.now+c.cfg.promiseTicks()
	c.sent.promise = corepb.LeasePromise{Round: round, Millis: c.promiseMillis(), Alarm: corepb.Alarm(c.alarm()), Newest: c.announces()}
	return &c.sent.promise
}

// promised takes a voter's answer. It counts from when the round was opened.
func (c *Core) promised(from uint64, p *corepb.LeasePromise) {
	c.peer(from).alarm = alarmSaid(p.GetAlarm())
	opened, ok := c.lease.opened(p.GetRound())
	if c.role != raft.StateLeader || !ok {
		return
	}
	a := c.lease.answersOf(from)
	a.answered = max(a.answered, p.GetRound())
	a.said.hear(p.GetRound(), opened, p.GetNewest())
	ticks := p.GetMillis() * (100 - driftPercent) / 100 / c.cfg.TickMillis
	g := grant{opened, ticks - min(ticks, lateTicks)}
	if g.end() > a.granted.end() {
		a.granted = g
	}
}

// renewLease computes the lease: until a quorum's promises end, in each quorum
// of a joint configuration. It is given as a start and a length, because ticks
// can come late: the start is the earliest round among the promises it rests
// on, so that no delay between them makes the lease outlive one.
func (c *Core) renewLease() {
	l := &c.lease
	if c.role != raft.StateLeader || l.forfeit == c.hard.Term || c.removed || !c.isVoter(c.self) {
		l.ticks = 0
		return
	}
	own := grant{c.now, uint64(c.cfg.ElectionTicks)} // for a sole voter: nobody else can be elected
	from, until := own.opened, own.end()
	c.voters(func(ids []uint64) {
		var few [7]grant // so many voters need no memory from the heap
		grants := few[:0]
		for _, id := range ids {
			if id == c.self {
				grants = append(grants, own)
			} else {
				grants = append(grants, l.answered(id).granted)
			}
		}
		slices.SortFunc(grants, func(a, b grant) int { return cmp.Compare(b.end(), a.end()) })
		for _, g := range grants[:Majority(len(ids))] {
			from, until = min(from, g.opened), min(until, g.end())
		}
	})
	l.from, l.ticks = from, 0
	if until > c.now {
		l.ticks = until - from
	}
}

// forfeitLease ends the lease for the rest of the term.
func (c *Core) forfeitLease() {
	c.lease.forfeit = c.hard.Term
	c.lease.ticks = 0
}
