package sim

import (
	"slices"

	"github.com/pgraft/pgraft/core"
)

// replyTo is the ID of an input that a Reply is owed for; 0 for any other.
func replyTo(in core.Input) uint64 {
	switch in := in.(type) {
	case core.Propose:
		return in.ID
	case core.AddNode:
		return in.ID
	case core.RemoveNode:
		return in.ID
	case core.ReplaceNode:
		return in.ID
	case core.TransferLeader:
		return in.ID
	case core.ProposeFailover:
		return in.ID
	case core.ReadBarrier:
		return in.ID
	case core.ConfirmLeader:
		return in.ID
	case core.WaitApplied:
		return in.ID
	case core.FetchHistory:
		return in.ID
	case core.FetchState:
		return in.ID
	}
	return 0
}

// asks: n's core is about to get a request, if in is one.
func (c *checks) asks(n *node, in core.Input) {
	id := replyTo(in)
	if id == 0 {
		return
	}
	n.open = append(n.open, id)
	if i := slices.IndexFunc(n.waits, func(q *request) bool { return q.id == id }); i >= 0 {
		n.waits[i].asked = true
	}
}

// answers: what is answered was asked, in this process, and was not answered yet.
func (c *checks) answers(n *node, r core.Reply) {
	i := slices.Index(n.open, r.ID)
	if i < 0 {
		c.w.fail(checkAnswer, "%v answers request %d with %s (%s), and that is not open", n, r.ID, codeNames[r.Code], r.Text)
		return
	}
	n.open = slices.Delete(n.open, i, i+1)
}

// cancelled: who gives up a request is answered in that step, whatever comes of it.
func (c *checks) cancelled(n *node, in core.Input) {
	for in := range core.Each(in) {
		if x, ok := in.(core.Cancel); ok && slices.Contains(n.open, x.ID) {
			c.w.fail(checkAnswer, "%v was told that nobody waits for request %d any longer, and has not answered it", n, x.ID)
		}
	}
}
