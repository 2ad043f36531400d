package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
)

// inbox is what arrives at a node while the goroutine that owns its core is at work.
// As package node does, that goroutine takes all that is there as one core.Batch; a
// tick comes by itself, and one that is late at most.
type inbox struct {
	longest time.Duration // that a step takes; 0: it takes no time, and nothing ever waits
	draws   Stream
	until   time.Duration // the goroutine is at work
	waits   []arrival
	wakes   bool // it is arranged that the goroutine looks again
}

// arrival is an input on its way into a core.
type arrival struct {
	in core.Input
	p  *packet // that brought it; nil for what is no message
}

// input hands the core an input: now, or once the goroutine is through with what it
// does.
func (n *node) input(in core.Input) { n.arrive(arrival{in: in}) }

func (n *node) arrive(a arrival) {
	switch {
	case n.state != running:
	case n.isAtWork():
		n.inbox.waits = append(n.inbox.waits, a)
		n.wakeAtEnd()
	default:
		n.take(a)
		n.works()
	}
}

// isAtWork says that the goroutine is: what arrives has to wait.
func (n *node) isAtWork() bool {
	b := &n.inbox
	return b.longest > 0 && (n.paused > 0 || n.w.now < b.until || len(b.waits) > 0 || n.clock.pending)
}

// works is the time that a step takes, from now on.
func (n *node) works() {
	if b := &n.inbox; b.longest > 0 && n.state == running {
		b.until = n.w.now + b.draws.Between(0, b.longest)
		if len(b.waits) > 0 || n.clock.pending {
			n.wakeAtEnd()
		}
	}
}

func (n *node) wakeAtEnd() {
	if b := &n.inbox; !b.wakes {
		b.wakes = true
		n.w.arrange(event{at: max(n.w.now, b.until), kind: evWake, node: n, life: n.life})
	}
}

// wake is the goroutine looking what there is: a tick or a batch, either may come first.
func (n *node) wake() {
	b := &n.inbox
	b.wakes = false
	switch {
	case n.state != running:
		return
	case n.w.now < b.until: // it stood still meanwhile, and goes on with what it did
		n.wakeAtEnd()
		return
	case n.clock.pending && (len(b.waits) == 0 || b.draws.Below(2) == 0):
		n.clock.pending = false
		n.takeTick()
	case len(b.waits) > 0:
		n.takeAll()
	}
	n.works()
}

// takeAll hands the core all that waits, as far as one batch holds it.
func (n *node) takeAll() {
	b := &n.inbox
	k := min(len(b.waits), core.MaxBatchInputs)
	list := b.waits[:k:k]
	b.waits = b.waits[k:]
	if k == 1 {
		n.take(list[0])
		return
	}
	in := core.Batch{Inputs: make([]core.Input, k)}
	for i, a := range list {
		in.Inputs[i] = a.in
		n.w.arrives(n, a)
	}
	if n.w.trace != nil {
		n.w.say(n, "takes as one: %s", contents(list))
	}
	n.batch = n.newBatch(list)
	x := n.batch
	n.step(in)
	n.batch = nil
	x.end()
	for _, a := range list {
		n.follows(a.p)
	}
}

// contents are the inputs of a batch by their kinds, in the order of the first of each.
func contents(l []arrival) string {
	var kinds []string
	count := map[string]int{}
	for _, a := range l {
		kind := strings.TrimPrefix(fmt.Sprintf("%T", a.in), "core.")
		if count[kind]++; count[kind] == 1 {
			kinds = append(kinds, kind)
		}
	}
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", count[k], k)
	}
	return strings.Join(kinds, ", ")
}

// take hands the core one input.
func (n *node) take(a arrival) {
	n.w.arrives(n, a)
	if in, ok := a.in.(core.Receive); ok && n.members.WasRemoved(in.From) {
		n.w.checks.unheard(n, in)
		return
	}
	var x *batch
	if a.p != nil && a.p.info.more > 0 {
		x = n.newBatch([]arrival{a})
	}
	if n.step(a.in); x != nil {
		x.end()
	}
	n.follows(a.p)
}

// arrives notes what is about to be in a core.
func (w *World) arrives(n *node, a arrival) {
	w.checks.asks(n, a.in)
	switch in := a.in.(type) {
	case core.Applied:
		n.taken(in)
	case core.Persisted:
		n.answered(in)
	}
	p := a.p
	if p == nil {
		return
	}
	w.checks.understands(n, p)
	if p.info.body == bodyApplyNeeds {
		w.checks.hearsNeed(n, p)
	}
	if p.info.isHeard() && !n.members.WasRemoved(p.from) {
		n.hears(p.from)
	}
}
