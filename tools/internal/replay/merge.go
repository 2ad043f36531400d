package replay

import (
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"sync"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Order is all nodes' frames in causal order: what a node did comes in its own
// order, and a message is received after it was sent. Where that leaves a
// choice, the recorded times decide.
//
// A message that was sent before its sender's trace begins, or in a gap of it,
// or by a node that is not here, may come at any time.
type Order struct {
	inc *Incident
	// who is the node of each frame, as index of Incident.Nodes; input counts
	// the inputs up to and with it.
	who    []uint8
	input  []int32
	Forced int   // messages that came before the first time that their bytes were sent
	Err    error // why the replay of some node ended early
}

const maxNodes = 255

// letters tells equal messages from others.
type letters struct {
	seed maphash.Seed
	sent map[uint64]bool // true: will be sent; false: was sent
}

func (l *letters) id(from, to uint64, data []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	for _, v := range []uint64{from, to} {
		maphash.WriteComparable(&h, v)
	}
	h.Write(data) // never fails
	return h.Sum64()
}

// Order replays all nodes once to find out what was sent, and once more to put
// it in order.
func (inc *Incident) Order() (*Order, error) {
	_, o, err := inc.replay(nil)
	return o, err
}

// Verify replays everything: each node against what was recorded of it, then all
// in causal order under the safety checks.
func (inc *Incident) Verify() ([]Verdict, *Order, []Violation, error) {
	k := NewChecker(inc)
	verdicts, o, err := inc.replay(k.See)
	return verdicts, o, k.Violations, err
}

// replay shows every event to see, in causal order, unless that is nil.
func (inc *Incident) replay(see func(*Event)) ([]Verdict, *Order, error) {
	if len(inc.Nodes) > maxNodes {
		return nil, nil, fmt.Errorf("replay: %d nodes, at most %d can be merged", len(inc.Nodes), maxNodes)
	}
	l := &letters{seed: maphash.MakeSeed(), sent: map[uint64]bool{}}
	verdicts, sent := make([]Verdict, len(inc.Nodes)), make([][]uint64, len(inc.Nodes))
	var all sync.WaitGroup
	for i, n := range inc.Nodes {
		all.Go(func() {
			verdicts[i] = n.replay(func(e *Event) {
				for _, m := range e.Step.Output.Send {
					sent[i] = append(sent[i], l.id(n.RaftID, m.To, m.Data))
				}
			})
		})
	}
	all.Wait()
	for _, ids := range sent {
		for _, id := range ids {
			l.sent[id] = true
		}
	}
	o := inc.order(l, see)
	return verdicts, o, nil
}

func (inc *Incident) order(l *letters, see func(*Event)) *Order {
	o := &Order{inc: inc}
	heads := make([]*head, len(inc.Nodes))
	for i, n := range inc.Nodes {
		heads[i] = &head{l: l, n: n, c: n.once()}
		heads[i].load()
	}
	for inputs := int32(0); ; {
		i := pick(heads)
		if i < 0 {
			break
		}
		if !heads[i].ready() {
			o.Forced++
		}
		o.Err = orFirst(o.Err, heads[i].take())
		if heads[i].wasInput {
			inputs++
		}
		if see != nil {
			see(heads[i].c.Event())
		}
		o.who, o.input = append(o.who, uint8(i)), append(o.input, inputs)
	}
	return o
}

func orFirst(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// head is a node's next frame.
type head struct {
	l        *letters
	n        *Node
	c        *Cursor
	frame    trace.Frame // nil at the end
	waits    []uint64    // the messages that it takes
	time     int64
	wasInput bool // the frame that was taken
}

func (h *head) load() {
	h.frame, h.waits = nil, h.waits[:0]
	if h.c.at >= len(h.n.refs) || h.c.event.Err != nil {
		return
	}
	h.frame = h.n.frame(h.c.at)
	h.time = frameTime(h.frame)
	if in, ok := h.frame.(*trace.Input); ok {
		if r, err := in.Decode(); err == nil {
			for r := range core.Each(r) {
				if r, ok := r.(core.Receive); ok {
					h.waits = append(h.waits, h.l.id(r.From, h.n.RaftID, r.Data))
				}
			}
		}
	}
}

// ready says that the messages it takes were sent, or are none that are here.
func (h *head) ready() bool {
	return !slices.ContainsFunc(h.waits, func(id uint64) bool { return h.l.sent[id] })
}

func (h *head) take() error {
	h.c.Next()
	e := h.c.Event()
	if h.wasInput = e.Step != nil; h.wasInput {
		for _, m := range e.Step.Output.Send {
			h.l.sent[h.l.id(h.n.RaftID, m.To, m.Data)] = false
		}
	}
	h.load()
	return e.Err
}

// pick is the earliest that is ready; if none is, the earliest. -1: all ended.
func pick(heads []*head) int {
	best, forced := -1, -1
	for i, h := range heads {
		if h.frame == nil {
			continue
		}
		if forced < 0 || h.time < heads[forced].time {
			forced = i
		}
		if h.ready() && (best < 0 || h.time < heads[best].time) {
			best = i
		}
	}
	if best < 0 {
		return forced
	}
	return best
}

// Inputs is how many there are.
func (o *Order) Inputs() int {
	if len(o.input) == 0 {
		return 0
	}
	return int(o.input[len(o.input)-1])
}

// Merged returns all events in causal order. An Event is valid until the next.
func (inc *Incident) Merged() (iter.Seq[*Event], error) {
	o, err := inc.Order()
	if err != nil {
		return nil, err
	}
	return func(yield func(*Event) bool) {
		c := o.Cursor()
		for c.Next() {
			if !yield(c.Event()) {
				return
			}
		}
	}, nil
}

// MergedCursor walks an Order, forward and back.
type MergedCursor struct {
	o    *Order
	at   int // frames taken
	of   []*Cursor
	last int // node of the last frame, -1 before the first
}

// Cursor returns one before everything.
func (o *Order) Cursor() *MergedCursor {
	c := &MergedCursor{o: o, last: -1}
	for _, n := range o.inc.Nodes {
		c.of = append(c.of, n.Cursor())
	}
	return c
}

// Next plays the next frame; false at the end.
func (c *MergedCursor) Next() bool {
	if c.at >= len(c.o.who) {
		return false
	}
	c.last = int(c.o.who[c.at])
	c.at++
	return c.of[c.last].Next()
}

// Event is the one that was played last; nil before the first.
func (c *MergedCursor) Event() *Event {
	if c.last < 0 {
		return nil
	}
	return c.of[c.last].Event()
}

// N is how many inputs of all nodes have been played.
func (c *MergedCursor) N() int {
	if c.at == 0 {
		return 0
	}
	return int(c.o.input[c.at-1])
}

// Nodes are the cursors of the nodes, in the order of Incident.Nodes.
func (c *MergedCursor) Nodes() []*Cursor { return c.of }

// Seek goes to just after the input n, in either direction.
func (c *MergedCursor) Seek(n int) error {
	if n < 0 || n > c.o.Inputs() {
		return fmt.Errorf("replay: there are inputs 1 to %d, not %d", c.o.Inputs(), n)
	}
	frame := 0
	if n > 0 {
		i, _ := slices.BinarySearch(c.o.input, int32(n))
		frame = i + 1
	}
	counts := make([]int, len(c.of))
	for _, w := range c.o.who[:frame] {
		counts[w]++
	}
	for i, x := range c.of {
		if err := x.seekFrame(counts[i]); err != nil {
			return err
		}
	}
	c.at, c.last = frame, -1
	if frame > 0 {
		c.last = int(c.o.who[frame-1])
	}
	return nil
}
