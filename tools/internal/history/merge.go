package history

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
)

// way is a message on its way between two nodes, by what it looks like.
type way struct {
	from, to uint32
	data     uint64
}

var waySeed = maphash.MakeSeed()

func sendWay(s *Step, m core.Send) way {
	return way{core.NodeID(s.After.RaftID), core.NodeID(m.To), maphash.Bytes(waySeed, m.Data)}
}

// receiveWays are those of the messages that a step received.
func receiveWays(s *Step) (ws []way) {
	for in := range core.Each(s.In) {
		if in, ok := in.(core.Receive); ok {
			ws = append(ws, way{core.NodeID(in.From), core.NodeID(s.After.RaftID), maphash.Bytes(waySeed, in.Data)})
		}
	}
	return ws
}

// leastSkew is the difference that is put right, in nanoseconds: less does not
// change what one sees.
const leastSkew = int64(5 * time.Millisecond)

// alignClocks puts clocks right that would have messages arrive before they are
// sent: half of the difference between the shortest ways there and back, as NTP
// does. Clocks that agree with all messages stay as they are.
func (m *merger) alignClocks() (warnings []string) {
	nodes := m.nodes
	shortest := m.shortest()
	done := map[uint32]bool{}
	for _, a := range nodes {
		done[a.id] = true
		for _, b := range nodes {
			there, ok1 := shortest[[2]uint32{a.id, b.id}]
			back, ok2 := shortest[[2]uint32{b.id, a.id}]
			if done[b.id] || !ok1 || !ok2 {
				continue
			}
			done[b.id] = true
			if there >= -leastSkew && back >= -leastSkew {
				continue
			}
			ahead := (there - back) / 2
			for i := range b.events {
				b.events[i].at -= ahead
			}
			// What was measured to and from b moves with its clock.
			for _, c := range nodes {
				if v, ok := shortest[[2]uint32{b.id, c.id}]; ok {
					shortest[[2]uint32{b.id, c.id}] = v + ahead
				}
				if v, ok := shortest[[2]uint32{c.id, b.id}]; ok {
					shortest[[2]uint32{c.id, b.id}] = v - ahead
				}
			}
			where := "ahead of"
			if ahead < 0 {
				ahead, where = -ahead, "behind"
			}
			warnings = append(warnings, fmt.Sprintf("node %d's clock was %v %s node %d's: put right", b.id, time.Duration(ahead), where, a.id))
		}
	}
	return warnings
}

// shortest is the least time, in nanoseconds, that a message took from one node
// to another, by their clocks. Only messages that are alike no other count.
func (m *merger) shortest() map[[2]uint32]int64 {
	type flight struct {
		sent, got  int64
		sends, gos int
	}
	flights := map[way]*flight{}
	of := func(w way) *flight {
		if flights[w] == nil {
			flights[w] = &flight{}
		}
		return flights[w]
	}
	for _, n := range m.nodes {
		for _, e := range n.events {
			if e.step == nil {
				continue
			}
			for _, s := range e.step.Out.Send {
				f := of(sendWay(e.step, s))
				f.sent = e.at
				f.sends++
			}
			for _, w := range receiveWays(e.step) {
				f := of(w)
				f.got = e.at
				f.gos++
			}
		}
	}
	least := map[[2]uint32]int64{}
	for w, f := range flights {
		if k := [2]uint32{w.from, w.to}; f.sends == 1 && f.gos == 1 {
			if was, ok := least[k]; !ok || f.got-f.sent < was {
				least[k] = f.got - f.sent
			}
		}
	}
	return least
}

// merge orders all steps by time, but never a message's arrival before its
// sending.
func (m *merger) merge() *Builder {
	b := &Builder{}
	nodes := m.nodes
	begin := int64(math.MaxInt64)
	unsent := map[way]int{} // what somebody sends, until it did
	for _, n := range nodes {
		begin = min(begin, n.events[0].at)
		for _, e := range n.events {
			if e.step != nil {
				for _, s := range e.step.Out.Send {
					unsent[sendWay(e.step, s)] = 1
				}
			}
		}
	}
	waits := func(e event) bool {
		if e.step == nil {
			return false
		}
		return slices.ContainsFunc(receiveWays(e.step), func(w way) bool { return unsent[w] > 0 })
	}
	next := make([]int, len(nodes))
	for {
		best, late := None, None // late: the first of those that wait, if all do
		for i, n := range nodes {
			if next[i] == len(n.events) {
				continue
			}
			e := n.events[next[i]]
			if waits(e) {
				if late == None || e.at < nodes[late].events[next[late]].at {
					late = i
				}
			} else if best == None || e.at < nodes[best].events[next[best]].at {
				best = i
			}
		}
		if best == None {
			best = late
		}
		if best == None {
			b.unite()
			return b
		}
		n := nodes[best]
		m.put(b, n.id, n.events[next[best]], begin)
		if s := n.events[next[best]].step; s != nil {
			for _, send := range s.Out.Send {
				delete(unsent, sendWay(s, send))
			}
		}
		next[best]++
	}
}

// put gives an event to the builder, and to the safety checks.
func (m *merger) put(b *Builder, node uint32, e event, begin int64) {
	at := time.Duration(e.at - begin)
	switch {
	case e.step == nil:
		b.Moment(node, at, e.moment.Kind, e.moment.Text)
		return
	case e.step.Start != nil:
		b.Start(node, at, *e.step.Start, e.step.After)
	default:
		b.Step(node, at, e.step.Seq, e.step.In, e.step.Out, e.step.After)
	}
	b.Failover(e.played.Failover, e.played.Log)
	known := len(m.check.Violations)
	e.played.Time = time.Unix(0, e.at) // with the clock put right
	m.check.See(e.played)
	for _, v := range m.check.Violations[known:] {
		b.Moment(node, at, Alarm, v.Check+": "+v.Text)
	}
}

// unite makes one moment of the whole cluster of what several nodes noted alike at
// the same time. What a lane shows, such as that its node is down, stays with it.
func (b *Builder) unite() {
	type alike struct {
		at   time.Duration
		kind MomentKind
		text string
	}
	count := map[alike]int{}
	of := func(m rawMoment) alike { return alike{m.At, m.Kind, m.Text} }
	ofNode := func(m rawMoment) bool { return m.Kind >= Down && m.Kind <= Resume }
	for _, m := range b.moments {
		count[of(m)]++
	}
	var l []rawMoment
	for _, m := range b.moments {
		switch n := count[of(m)]; {
		case n > 1 && !ofNode(m):
			m.node = 0
			count[of(m)] = 0
			l = append(l, m)
		case n > 0:
			l = append(l, m)
		}
	}
	b.moments = l
}
