package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// Builder makes a History from steps that come in causal order. The zero value
// is ready to use.
type Builder struct {
	steps   []raw
	moments []rawMoment
	tick    map[uint32]uint64
	where   map[uint32]string
}

type raw struct {
	node uint32
	Step
}

type rawMoment struct {
	node uint32 // 0: the whole cluster
	Moment
}

// Start says that a node starts or restarts.
func (b *Builder) Start(node uint32, at time.Duration, s Start, after core.Status) {
	if b.tick == nil {
		b.tick = map[uint32]uint64{}
	}
	b.tick[node] = s.Config.TickMillis
	b.steps = append(b.steps, raw{node, Step{At: at, Start: &s, After: after}})
}

// Step adds the input number seq, what came of it and what the node was then. A
// node must have a Start before.
func (b *Builder) Step(node uint32, at time.Duration, seq uint64, in core.Input, out core.Output, after core.Status) {
	b.steps = append(b.steps, raw{node, Step{At: at, Seq: seq, In: in, Out: out, After: after}})
}

// Failover says what is known of failover after the step that was added last, and what the
// log decided with it.
func (b *Builder) Failover(f *replay.Failover, log []string) {
	s := &b.steps[len(b.steps)-1]
	s.Failover = f
	if f != nil {
		for _, text := range replay.Appended(s.Out.Persist) {
			s.FailedOver = append(s.FailedOver, "append "+text)
		}
	}
	for _, text := range log {
		s.FailedOver = append(s.FailedOver, "log: "+text)
	}
}

// Moment adds something that people look for. Node 0 stands for all.
func (b *Builder) Moment(node uint32, at time.Duration, kind MomentKind, text string) {
	b.moments = append(b.moments, rawMoment{node, Moment{At: at, Kind: kind, Text: text, Step: None}})
}

// Address says where a node is reached, as host:port. The last one counts.
func (b *Builder) Address(node uint32, address string) {
	if b.where == nil {
		b.where = map[uint32]string{}
	}
	b.where[node] = address
}

// Build returns the history of all that was added.
func (b *Builder) Build(name string) (*History, error) {
	h := &History{Name: name}
	lanes := map[uint32]int{}
	for _, id := range b.nodes() {
		lanes[id] = len(h.Nodes)
		millis, recorded := b.tick[id]
		h.Nodes = append(h.Nodes, Node{ID: id, TickMillis: millis, Address: b.where[id], Recorded: recorded})
	}
	states := make([]laneState, len(h.Nodes))
	last := time.Duration(0)
	for i, r := range b.steps {
		if _, ok := b.tick[r.node]; !ok {
			return nil, fmt.Errorf("history: step %d is of node %d, which has no start", i, r.node)
		}
		r.Lane = lanes[r.node]
		// Clocks of several machines differ; the order is what is certain.
		last = max(last, r.At)
		r.At = last
		states[r.Lane].follow(&r)
		h.Steps = append(h.Steps, r.Step)
	}
	h.link(lanes)
	for _, m := range b.moments {
		l, ok := lanes[m.node]
		if m.Lane = l; m.node == 0 {
			m.Lane = None
		} else if !ok {
			return nil, fmt.Errorf("history: mark %q is of node %d, of which nothing is known", m.Text, m.node)
		}
		h.Moments = append(h.Moments, m.Moment)
	}
	h.elections()
	h.epochs()
	slices.SortStableFunc(h.Moments, func(a, b Moment) int { return cmp.Compare(a.At, b.At) })
	return h, nil
}

// nodes are those that were recorded, and those that they exchanged messages
// with.
func (b *Builder) nodes() []uint32 {
	ids := map[uint32]bool{}
	for id := range b.tick {
		ids[id] = true
	}
	for _, s := range b.steps {
		for in := range core.Each(s.In) {
			if in, ok := in.(core.Receive); ok {
				ids[core.NodeID(in.From)] = true
			}
		}
		for _, m := range s.Out.Send {
			ids[core.NodeID(m.To)] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// laneState is what a step needs to know of the steps of its node before it.
type laneState struct {
	term, vote uint64
	tick       uint64
	tickAt     time.Duration
	tickMillis uint64
	decided    *core.FailoverOutput
}

func (l *laneState) follow(r *raw) {
	if s := r.Start; s != nil {
		*l = laneState{term: r.After.Term, vote: s.Durable.HardState.Vote, tick: r.After.Tick, tickAt: r.At, tickMillis: s.Config.TickMillis}
		if s.Resumed {
			l.vote = UnknownVote
		}
	}
	if r.After.Term != l.term {
		l.term, l.vote = r.After.Term, 0
	}
	for _, p := range r.Out.Persist {
		if p.HardState != nil {
			l.vote = p.HardState.Vote
		}
	}
	r.Vote = l.vote
	if out := r.Out.Failover; out != nil {
		for _, text := range replay.FailoverChanges(l.decided, out) {
			what, more, ok := strings.Cut(text, "   ") // as replay puts them in columns
			if ok {
				text = what + ": " + more
			}
			r.FailedOver = append(r.FailedOver, text)
		}
		l.decided = out
	}
	if r.After.Tick != l.tick {
		l.tick, l.tickAt = r.After.Tick, r.At
	}
	if s := r.After; s.LeaseTicks > 0 {
		r.LeaseEnd = l.tickAt + ticks(int64(s.LeaseFrom)+int64(s.LeaseTicks)-int64(s.Tick), l.tickMillis)
	}
}

func ticks(n int64, millis uint64) time.Duration {
	return time.Duration(n) * time.Duration(millis) * time.Millisecond
}

// elections adds the moments at which members stand and win.
func (h *History) elections() {
	before := make([]core.Status, len(h.Nodes))
	for i, s := range h.Steps {
		was, is := before[s.Lane], s.After
		switch {
		case is.Role == core.RoleLeader && (was.Role != core.RoleLeader || was.Term != is.Term):
			h.Moments = append(h.Moments, Moment{s.Lane, s.At, Leader, fmt.Sprintf("leads term %d", is.Term), i})
		case is.Role == core.RoleCandidate && (was.Role != core.RoleCandidate || was.Term != is.Term):
			text := fmt.Sprintf("candidate in term %d", is.Term)
			if is.Term == was.Term {
				text = fmt.Sprintf("pre-vote in term %d", is.Term)
			}
			h.Moments = append(h.Moments, Moment{s.Lane, s.At, Election, text, i})
		}
		before[s.Lane] = is
	}
}

// epochs adds the moments at which the log decides of failover, each where it was known
// first.
func (h *History) epochs() {
	var newest *failover.State
	applied := uint64(0)
	for i := range h.Steps {
		s := &h.Steps[i]
		if s.Failover == nil || s.After.Applied <= applied {
			continue
		}
		was := newest
		newest, applied = s.Failover.State, s.After.Applied
		switch {
		case was == nil && s.Start != nil:
			continue // from before the record
		case was == nil:
			was = &failover.State{}
		}
		for _, text := range replay.Milestones(was, newest) {
			h.Moments = append(h.Moments, Moment{s.Lane, s.At, Epoch, text, i})
		}
	}
}
