package sim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// linear: there is an order of all operations on a key that explains what the
// clients saw and keeps what was before what (Herlihy and Wing 1990). A key
// lives for few operations, so that the search stays short.
func (c *checks) linear() {
	histories := map[int][]porcupine.Operation{}
	keys := []int{}
	for _, o := range c.w.ops {
		p, ok := o.history()
		if !ok || c.lostKeys[o.key] {
			continue
		}
		if histories[o.key] == nil {
			keys = append(keys, o.key)
		}
		histories[o.key] = append(histories[o.key], p)
	}
	model := registerModel
	if c.w.shape.logs {
		model = logModel
	}
	slices.SortFunc(keys, cmp.Compare[int])
	for _, k := range keys {
		if !porcupine.CheckOperations(model, histories[k]) {
			c.w.fail(checkLinear, "the %d operations on key %d have no order that explains them", len(histories[k]), k)
			return
		}
	}
}

// history is o as porcupine wants it; false if it had no effect and saw nothing.
// An operation without an answer lasts until its effect was seen, or for ever.
func (o *op) history() (porcupine.Operation, bool) {
	p := porcupine.Operation{ClientId: o.client, Input: o, Call: int64(o.began), Output: o.read, Return: int64(o.ended)}
	switch {
	case o.kind == opConfirm || o.kind == opWait || o.crowd:
		return p, false
	case o.outcome == done:
		return p, true
	case o.kind.reads() || o.outcome == refused || o.applied == nil:
		return p, false
	}
	p.Return = int64(max(o.visible, o.began))
	return p, true
}

// registerModel is one register; its state is the op that wrote it last.
var registerModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		o := input.(*op)
		if o.kind == opWrite {
			return true, o.id
		}
		return output.(uint64) == state.(uint64), state
	},
	Equal:             func(a, b any) bool { return a.(uint64) == b.(uint64) },
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input.(*op), output) },
}

// logState is the end of one log: where its last entry is, and whose.
type logState struct{ index, op uint64 }

// logModel is a log that is appended to: each place is further on than the one
// before, and a read sees the last entry.
var logModel = porcupine.Model{
	Init: func() any { return logState{} },
	Step: func(state, input, output any) (bool, any) {
		s, o := state.(logState), input.(*op)
		if o.kind.reads() {
			return output.(uint64) == s.op, state
		}
		i := o.applied.index
		return i > s.index, logState{i, o.id}
	},
	Equal:             func(a, b any) bool { return a.(logState) == b.(logState) },
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input.(*op), output) },
}
