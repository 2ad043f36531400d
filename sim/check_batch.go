package sim

import (
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// batch is several inputs that a core is about to get as one, and what the checkers
// remember of before that.
type batch struct {
	n       *node
	life    uint32
	inputs  []arrival
	term    uint64
	last    uint64 // of the log
	tooMany int    // proposals that were refused as too many
}

// newBatch is called before the step, with what it gets.
func (n *node) newBatch(l []arrival) *batch {
	return &batch{n: n, life: n.life, inputs: l, term: n.status.Term, last: n.status.Last}
}

// end looks at what came of a batch, after the step.
func (b *batch) end() {
	n := b.n
	if n.state != running || n.life != b.life || n.foreign() {
		return
	}
	b.inOrder()
	b.forwardedInOrder()
	if len(b.inputs) > 1 {
		b.reached()
	}
}

// proposals are the operations of those in b, in order; what is over the bound is none.
func (b *batch) proposals() (ops []*op) {
	for _, a := range b.inputs {
		if p, ok := a.in.(core.Propose); ok {
			if o := b.n.w.opOf(p.Data); o != nil {
				ops = append(ops, o)
			}
		}
	}
	return ops
}

// inOrder: proposals of a batch that are new to the log are in it in the order in which
// they were first asked for. One that was sent before may come from elsewhere, and one
// that was given up in between counts from its next time on.
func (b *batch) inOrder() {
	ops := b.proposals()
	gaveUp := slices.ContainsFunc(b.inputs, func(a arrival) bool { _, is := a.in.(core.Cancel); return is })
	var list []*op
	for i, o := range ops {
		if times := o.times(ops); o.tries == times && (times == 1 || !gaveUp) && !slices.Contains(ops[:i], o) {
			list = append(list, o)
		}
	}
	b.follow(list)
}

// forwardedInOrder: and so are those that came in one message. One that is in two, or was
// asked for twice, may come from either.
func (b *batch) forwardedInOrder() {
	var all []*op
	var messages [][]*op
	for _, a := range b.inputs {
		if a.p != nil && a.p.info.body == bodyForward {
			ops := b.n.w.forwarded(a.p.data)
			all, messages = append(all, ops...), append(messages, ops)
		}
	}
	for _, ops := range messages {
		b.follow(slices.DeleteFunc(ops, func(o *op) bool { return o.tries > 1 || o.times(all) > 1 }))
	}
}

// forwarded are the operations of what a message forwards, in order.
func (w *World) forwarded(data []byte) (ops []*op) {
	var env corepb.Envelope
	if proto.Unmarshal(data, &env) != nil {
		return nil
	}
	for _, cmd := range append([]*corepb.Command{env.GetForward().GetCommand()}, env.GetForward().GetMore()...) {
		if o := w.opOf(cmd.GetData()); o != nil {
			ops = append(ops, o)
		}
	}
	return ops
}

// follow: those of ops that this step put into the log of a leader are there in their
// order.
func (b *batch) follow(ops []*op) {
	n, c := b.n, &b.n.w.checks
	if n.status.Role != core.RoleLeader {
		return
	}
	var before *op
	var at uint64
	for _, o := range ops {
		k := slices.IndexFunc(o.places, func(k slotKey) bool { return k.index > b.last && k.term == n.status.Term && c.inLog(n, k) })
		if k < 0 {
			continue
		}
		if place := o.places[k].index; place < at {
			c.w.fail(checkOrder, "%v was given %v before %v in one step, and has them at %d and %d", n, before, o, at, place)
		} else {
			before, at = o, place
		}
	}
}

// refuses notes an answer to one of b.
func (b *batch) refuses(r core.Reply) {
	if b != nil && (r.Code == core.Busy || r.Code == core.NoRoom) {
		b.tooMany++
	}
}

// batchSends marks messages that stand for several.
func (n *node) batchSends(i *wireInfo) {
	switch {
	case i.body != bodyRaft && i.more > 0:
		n.w.marks.add(markForwardMore)
	case i.body != bodyRaft || i.reject:
	case i.kind == pb.MsgApp && i.entries > 1 && n.batch != nil && len(n.batch.proposals()) > 1:
		n.w.marks.add(markAppendMore)
	case i.kind == pb.MsgAppResp:
		n.accepts++
	}
}

// appends notes that a batch with entries is on its way to the disk, and answered that
// some are there. The responses to those become one.
func (n *node) appends(seq uint64) { n.appended = append(n.appended, seq) }

func (n *node) answered(in core.Persisted) {
	for len(n.appended) > 0 && n.appended[0] <= in.Seq {
		n.appended = n.appended[1:]
		n.due++
	}
}

// respondedAs marks responses that stand for several, at the end of a step.
func (n *node) respondedAs() {
	if n.accepts > 0 && n.due > n.accepts && n.status.Role == core.RoleFollower {
		n.w.marks.add(markResponseMore)
	}
	n.accepts, n.due = 0, 0
}

// reached marks what kinds of batches there were.
func (b *batch) reached() {
	n, m := b.n, &b.n.w.marks
	ops := b.proposals()
	m.add(markBatch)
	switch {
	case len(ops) >= 16:
		m.add(markBatchOfMany)
		fallthrough
	case len(ops) >= 2:
		m.add(markBatchProposals)
	}
	for i, o := range ops {
		if slices.Contains(ops[:i], o) {
			m.add(markBatchTwice)
			break
		}
	}
	if b.tooMany > 0 && b.tooMany < len(ops) {
		m.add(markBatchTooMany)
	}
	for _, a := range b.inputs[1 : len(b.inputs)-1] {
		if a.p != nil && a.p.info.body == bodyRaft && a.p.info.term > b.term && a.p.info.kind != pb.MsgPreVote && n.status.Term > b.term {
			m.add(markBatchTerm)
			break
		}
	}
}

// times is how often o is one of ops.
func (o *op) times(ops []*op) (n int) {
	for _, x := range ops {
		if x == o {
			n++
		}
	}
	return n
}
