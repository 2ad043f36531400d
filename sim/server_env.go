package sim

import (
	"time"

	"github.com/pgraft/pgraft/sim/postgres"
)

// serverEnv is the world, as package postgres wants it.
type serverEnv struct{ v *server }

func (e serverEnv) Now() time.Duration { return e.v.n.w.now }
func (e serverEnv) Draw(n int) int     { return e.v.draws.Below(n) }

func (e serverEnv) After(d time.Duration, f func()) {
	w := e.v.n.w
	w.arrange(event{at: w.now + d, kind: evCall, ref: f})
}

// resent is how much later what a link loses arrives: a connection sends it once more.
const resent = 200 * time.Millisecond

// Send brings a message over the link that its Raft messages take. What a cut link, or
// one that takes small packets only, swallows is a hole: the connection ends at it.
func (e serverEnv) Send(m postgres.Message) {
	from, w := e.v.n, e.v.n.w
	to := w.byID(uint32(m.To))
	if to.withServer() == nil {
		return
	}
	l := w.link(from, to)
	switch {
	case l.walCut > 0 && l.walLets > 0 && l.cut == 0:
		l.walLets--
	case l.walCut > 0 && l.walFills && l.cut == 0:
		l.walFills = !m.FillsSegment()
	case l.cut > 0 || l.walCut > 0 || to.server.off || l.small > 0 && m.Bytes() > smallBytes:
		return
	case l.reject > 0:
		if m.Kind != postgres.MsgReset {
			reset := postgres.Message{From: m.To, To: m.From, Conn: m.Conn, Kind: postgres.MsgReset}
			w.soon(func() { e.v.pg.Deliver(reset) })
		}
		return
	case l.walHold > 0:
		l.walWaits = append(l.walWaits, m)
		return
	}
	e.brings(l, to, m)
}

// brings has a message arrive in its turn.
func (e serverEnv) brings(l *link, to *node, m postgres.Message) {
	w := e.v.n.w
	at := w.now + l.delay()
	if l.loss.strikes() {
		at += resent
	}
	k := flow{m.From, m.To, m.Conn}
	at = max(at, w.servers.arrival[k])
	w.servers.arrival[k] = at
	w.arrange(event{at: at, kind: evCall, ref: func() {
		if !to.server.off {
			to.server.pg.Deliver(m)
		}
	}})
}
