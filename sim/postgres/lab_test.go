package postgres

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// lab is a small simulator: servers 1..n, their links, one clock.
type lab struct {
	t      *testing.T
	now    time.Duration
	seq    uint64
	queue  events
	s      []*Server // by ID; 0 is nil
	cut    map[[2]int]bool
	lose   map[[2]int]int // messages that get through before the link is cut
	delay  time.Duration
	order  map[[3]uint64]time.Duration
	saw    []seen
	txn    uint64
	random *rand.Rand
	steps  uint64 // the hash of what happened
}

type seen struct {
	server int
	at     time.Duration
	Event
}

type due struct {
	at  time.Duration
	seq uint64
	f   func()
}

type events []due

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(due)) }
func (e *events) Pop() any {
	o := *e
	x := o[len(o)-1]
	*e = o[:len(o)-1]
	return x
}

type labEnv struct {
	l  *lab
	id int
}

func (e labEnv) Now() time.Duration              { return e.l.now }
func (e labEnv) After(d time.Duration, f func()) { e.l.at(e.l.now+d, f) }
func (e labEnv) Draw(n int) int                  { return e.l.random.IntN(n) }

func (e labEnv) Send(m Message) {
	l := e.l
	way := [2]int{m.From, m.To}
	if n, ok := l.lose[way]; ok {
		if n == 0 {
			delete(l.lose, way)
			l.cut[way] = true
		} else {
			l.lose[way] = n - 1
		}
	}
	if l.cut[way] || m.To <= 0 || m.To >= len(l.s) {
		return
	}
	k := [3]uint64{uint64(m.From), uint64(m.To), m.Conn}
	l.order[k] = max(l.order[k], l.now+l.delay+time.Duration(m.Bytes())*10*time.Nanosecond)
	l.at(l.order[k], func() { l.s[m.To].Deliver(m) })
}

func (l *lab) at(at time.Duration, f func()) {
	l.seq++
	heap.Push(&l.queue, due{at, l.seq, f})
}

// newLab makes n servers, all Down.
func newLab(t *testing.T, seed uint64, n int, c Config) *lab {
	t.Helper()
	l := &lab{t: t, cut: map[[2]int]bool{}, lose: map[[2]int]int{}, order: map[[3]uint64]time.Duration{},
		delay: time.Millisecond, random: rand.New(rand.NewPCG(seed, 1)), s: []*Server{nil}}
	for id := 1; id <= n; id++ {
		s := New(id, labEnv{l, id}, c)
		s.Hooks.Saw = func(e Event) {
			l.saw = append(l.saw, seen{id, l.now, e})
			for _, v := range []uint64{uint64(id), uint64(l.now), uint64(e.Kind), e.Txn, uint64(e.End), uint64(e.TLI)} {
				l.steps = (l.steps ^ v) * 0x9e3779b97f4a7c15
				l.steps ^= l.steps >> 29
			}
		}
		l.s = append(l.s, s)
	}
	return l
}

// cluster starts server 1 as the primary and the others as its standbys, with slots.
func cluster(t *testing.T, n int, c Config) *lab {
	t.Helper()
	l := newLab(t, 1, n, c)
	l.s[1].Start()
	l.wait("a primary", func() bool { return l.s[1].Phase() == Production })
	for id := 2; id <= n; id++ {
		l.s[1].MakeSlot(name(id))
		l.s[id].CreateStandbySignal()
		l.s[id].SetConninfo(conninfo(1, id))
		l.s[id].Start()
	}
	l.wait("all stream", func() bool { return l.streams(1) == n-1 })
	return l
}

func name(id int) string { return fmt.Sprint("m", id) }

func conninfo(primary, id int) Conninfo {
	return Conninfo{Primary: primary, Name: name(id), Slot: name(id)}
}

// streams counts the walsenders of a server that have caught up.
func (l *lab) streams(id int) (n int) {
	for _, w := range l.s[id].Walsenders() {
		if w.Streams {
			n++
		}
	}
	return n
}

func (l *lab) step() bool {
	if len(l.queue) == 0 {
		return false
	}
	e := heap.Pop(&l.queue).(due)
	l.now = e.at
	e.f()
	return true
}

// run lets time pass.
func (l *lab) run(d time.Duration) {
	for end := l.now + d; ; {
		if len(l.queue) == 0 || l.queue[0].at > end {
			l.now = end
			return
		}
		l.step()
	}
}

// wait runs until something is so; it must become so within a minute.
func (l *lab) wait(what string, is func() bool) {
	l.t.Helper()
	if !l.becomes(is) {
		l.t.Fatalf("%v: still not: %s", l.now, what)
	}
}

func (l *lab) becomes(is func() bool) bool {
	for end := l.now + time.Minute; !is(); {
		if l.now > end || !l.step() {
			return false
		}
	}
	return true
}

// never runs for a while, in which something must not become so.
func (l *lab) never(what string, d time.Duration, is func() bool) {
	l.t.Helper()
	for end := l.now + d; l.now <= end; {
		if is() {
			l.t.Fatalf("%v: %s", l.now, what)
		}
		if !l.step() {
			return
		}
	}
}

// result is what a client knows of a commit.
type result struct {
	o   *Session
	txn uint64
	out Outcome
	at  time.Duration
}

// commit begins a commit of a new transaction of n bytes.
func (l *lab) commit(id, n int) *result {
	l.t.Helper()
	o := l.s[id].Connect()
	if o == nil {
		l.t.Fatalf("server %d takes no session", id)
	}
	return l.commitIn(o, n)
}

func (l *lab) commitIn(o *Session, n int) *result {
	l.t.Helper()
	l.txn++
	r := &result{o: o, txn: l.txn}
	if !o.Write(r.txn, n) {
		l.t.Fatalf("server %d takes no write", o.Server().ID())
	}
	o.Commit(r.done(l))
	return r
}

func (r *result) done(l *lab) func(Outcome) {
	return func(out Outcome) {
		if r.out != 0 {
			l.t.Errorf("transaction %d is answered twice: %v, %v", r.txn, r.out, out)
		}
		r.out, r.at = out, l.now
	}
}

// commits has n transactions committed, one after the other.
func (l *lab) commits(id, n int) (last *result) {
	l.t.Helper()
	for range n {
		last = l.commit(id, 200)
		l.wait("a commit", func() bool { return last.out != 0 })
		if last.out != Committed {
			l.t.Fatalf("a commit on %d: %v", id, last.out)
		}
		last.o.Terminate()
	}
	return last
}

// caughtUp waits until a standby has replayed all that its primary has flushed.
func (l *lab) caughtUp(primary int, ids ...int) {
	l.t.Helper()
	l.s[primary].Flush()
	for _, id := range ids {
		l.wait(fmt.Sprintf("%d caught up", id), func() bool {
			return l.s[id].Replayed() == l.s[primary].Inserted()
		})
	}
}

// seal seals a server and returns its position.
func (l *lab) seal(id int) (p Position) {
	l.t.Helper()
	sealed := false
	l.s[id].Seal(func(q Position) { p, sealed = q, true })
	l.wait("a seal", func() bool { return sealed })
	return p
}

func (l *lab) promote(id int) {
	l.t.Helper()
	l.s[id].Promote()
	l.wait("a promotion", func() bool { return l.s[id].Phase() == Production })
}

func (l *lab) start(id int) {
	l.t.Helper()
	l.s[id].Start()
	l.wait("a start", l.s[id].Reads)
}

// sawOf is the first time that a server saw an event of a transaction.
func (l *lab) sawOf(id int, k EventKind, txn uint64) (seen, bool) {
	for _, e := range l.saw {
		if e.server == id && e.Kind == k && e.Txn == txn {
			return e, true
		}
	}
	return seen{}, false
}
