package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
)

// Faults of several stages lead the cluster to a rare combination on purpose:
// two lives of leadership, a change of members under a cut. They look at the
// cluster every stagePeriod (Kind.stage), at every message that is sent
// (Kind.sent) and at every step (Kind.watch).

const (
	stagePeriod = 20 * time.Millisecond
	// askPeriod is how often such a fault asks for leadership to move.
	askPeriod = 300 * time.Millisecond
)

// staged is what a fault of several stages remembers.
type staged struct {
	draws  Stream
	stage  int
	since  time.Duration // of the stage
	wait   time.Duration // drawn for it
	asked  time.Duration // when leadership was last asked to move
	term   uint64        // that the stage began in, or that was left
	epoch  uint64        // of the primary that it struck
	leader *node         // whom it is about
	deaf   *node         // hears nobody
	third  *node         // a member that is kept apart for a while
	slow   *node         // a standby whose WAL is on its way for long
	slowed bool
	turns  time.Duration // when that ends, or begins
	unruly bool          // a host that carries orders out late
	// switchover: what is watched, and that the target gets no WAL.
	watched *undisturbed
	lagging bool
	// rejected are those between whom and leader a firewall rejects.
	rejected []*node
	kept     []packet
	last     [64]time.Duration // by kind of message, from when on one is kept
	timings  []setting         // how nodes were set before
}

type setting struct {
	node *node
	was  core.Config
}

// stageBegins lets a fault look at the cluster from now on.
func (w *World) stageBegins(s *strike) {
	s.staged = &staged{draws: For(w.o.Seed, s.Kind, uint64(s.At), uint64(s.Node), uint64(s.Peer)), since: w.now}
	w.keeping = append(w.keeping, s)
	w.arrange(event{at: w.now, kind: evStage, ref: s})
}

// stageBeginsOnPrimary does that for a fault that strikes a primary's server, and notes its epoch;
// nil, and nothing begins, where the node has none that serves.
func (w *World) stageBeginsOnPrimary(s *strike) *server {
	v := s.node.withServer()
	if v == nil || !v.serves() || s.node.state != running {
		return nil
	}
	w.stageBegins(s)
	s.epoch = v.shared.Epoch
	return v
}

// stageEnds takes back what all of them leave behind.
func (w *World) stageEnds(s *strike) {
	w.keeping = slices.DeleteFunc(w.keeping, func(x *strike) bool { return x == s })
	w.rejoin(s)
	for _, t := range s.timings {
		t.node.timing = t.was
		if t.node.state == running {
			t.node.crash(surviveAll)
			w.restartLater(t.node, 10*time.Millisecond)
		}
	}
	s.timings, s.kept = nil, nil
}

func (w *World) stage(s *strike) {
	if s.over {
		return
	}
	s.kind.stage(w, s)
	w.arrange(event{at: w.now + stagePeriod, kind: evStage, ref: s})
}

// next goes on to a stage; it may look at how long it has lasted, and at a time
// that is drawn for it.
func (w *World) next(s *strike, stage int, lo, hi time.Duration) {
	s.stage, s.since, s.wait = stage, w.now, s.draws.Between(lo, hi)
}

// waited says that the stage has lasted as long as was drawn for it.
func (w *World) waited(s *strike) bool { return w.now >= s.since+s.wait }

// hand asks the leader now and then to hand leadership to n; nil: to anyone. It
// says whether that is done: n leads, or somebody does in a later term than s.term.
func (w *World) hand(s *strike, n *node) bool {
	l := w.leader()
	if l == nil || l.paused > 0 || n == nil && l.status.Term > s.term || n == l {
		return l != nil && l.paused == 0
	}
	if w.now >= s.asked+askPeriod && w.o.settleAt() > w.now {
		s.asked = w.now
		w.change(l, n, adminTransfer)
	}
	return false
}

// part cuts a group off, and rejoin mends that. It is over before TCP gives up: the
// connections stay.
func (w *World) part(s *strike, group ...*node) {
	w.rejoin(s)
	s.apart = group
	w.quietly(s.apart, 1)
}

func (w *World) rejoin(s *strike) {
	w.quietly(s.apart, -1)
	s.apart = nil
}

func (w *World) quietly(group []*node, by int) {
	for _, a := range group {
		for _, b := range w.nodes {
			if !slices.Contains(group, b) {
				w.link(a, b).cut += by
				w.link(b, a).cut += by
			}
		}
	}
}

// set starts a node anew with other settings, until the fault is over.
func (w *World) set(s *strike, n *node, change func(*core.Config)) {
	w.remember(s, n)
	change(&n.timing)
	w.again(n, surviveAll, 10*time.Millisecond)
}

// remember notes how a node is set, but for such faults.
func (w *World) remember(s *strike, n *node) {
	was := n.timing
	for _, x := range w.keeping {
		for _, t := range x.timings {
			if t.node == n {
				if was = t.was; x == s {
					return
				}
			}
		}
	}
	s.timings = append(s.timings, setting{n, was})
}

// again has a process die and start anew.
func (w *World) again(n *node, keeps survival, after time.Duration) {
	if n.state != running {
		return
	}
	n.crash(keeps)
	w.restartLater(n, after)
}

// soon calls f after what happens at the moment: a fault that watches a step must
// not begin another in it.
func (w *World) soon(f func()) { w.arrange(event{at: w.now, kind: evCall, ref: f}) }

// votes says that n is up and a member that votes.
func (w *World) votes(n *node) bool {
	return n.state == running && n.paused == 0 && !n.foreign() && w.operator.want[n.id-1] && n.status.Role != core.RoleLearner
}

// other draws a voter that is none of these; nil if there is none.
func (w *World) other(s *strike, not ...*node) *node {
	var l []*node
	for _, x := range w.nodes {
		if w.votes(x) && !slices.Contains(not, x) {
			l = append(l, x)
		}
	}
	if len(l) == 0 {
		return nil
	}
	return l[s.draws.Below(len(l))]
}

// sent shows a message to the faults that keep some. It says whether one took it
// off the wire.
func (w *World) sent(n *node, p *packet) (held bool) {
	for _, s := range w.keeping {
		if s.kind.sent != nil && s.kind.sent(w, s, n, p) {
			held = true
		}
	}
	return held
}

// keep makes a copy of a message for later.
func (s *strike) keep(p *packet, most int) {
	if len(s.kept) < most {
		s.kept = append(s.kept, *p)
	}
}

// deliverKept sends what was kept once more, within a time, in the order of keeping.
func (w *World) deliverKept(s *strike, within time.Duration) {
	gap := within / time.Duration(max(1, len(s.kept)))
	for i := range s.kept {
		w.sendKept(w.now+time.Duration(i)*gap+s.draws.Between(0, gap), s.kept[i])
	}
	s.kept = nil
}

// sendKept arranges that a kept message arrives, on whatever connection there is
// between its two members by then.
func (w *World) sendKept(at time.Duration, p packet) {
	w.arrange(event{at: at, kind: evKept, ref: w.pack(p)})
}

func (w *World) arriveKept(p *packet) {
	from := w.byID(core.NodeID(p.from))
	if w.settled || from == nil || from.state != running || from.identity.RaftID != p.from {
		return
	}
	if to := from.peer(p.dest); to != nil && to.best() != nil {
		p.c = to.best()
		p.to = p.c.b
		if p.to == from {
			p.to = p.c.a
		}
		w.marks.add(markKeptArrived)
		w.deliverAt(w.now, *p)
	}
}

// newCrowdOp is an operation of a client of a fault's own.
func (w *World) newCrowdOp(draws *Stream, kind opKind) *op {
	o := &op{id: uint64(len(w.ops) + 1), kind: kind, crowd: true, began: w.now}
	o.key, o.acked, o.term = len(w.ops)/(keyLife*keys)*keys, w.checks.acked, w.checks.commitTerm()
	binary.LittleEndian.PutUint64(o.requestID[:], draws.Uint64())
	binary.LittleEndian.PutUint64(o.requestID[8:], draws.Uint64())
	w.ops = append(w.ops, o)
	return o
}

// askFor has a node asked for something by a client of the fault's own, that waits
// as long as others do: an entry that changes nothing, or a barrier.
func (w *World) askFor(s *strike, n *node, kind opKind) {
	if n.state != running || n.foreign() || w.checks.newest.Get(n.identity.RaftID) == nil {
		return
	}
	o := w.newCrowdOp(&s.draws, kind)
	o.holds(opHeader + s.draws.Below(64))
	o.tries, o.open = 1, 1
	if q := w.propose(n, o); !q.over {
		w.arrange(event{at: w.now + patience, kind: evTimeout, ref: q})
	}
}
