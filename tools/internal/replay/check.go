package replay

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Violation is a broken promise of Raft's, or of the lease.
type Violation struct {
	Check string // one of Checks
	Node  string
	N     int // input of the node
	Time  time.Time
	Text  string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: node %s, input %d, %s: %s", v.Check, v.Node, v.N, v.Time.Format(clock), v.Text)
}

const clock = "15:04:05.000000"

// Checks are what a Checker looks at.
var Checks = []string{"one leader per term", "log matching", "applied prefix equal", "nothing goes back", "one lease at a time"}

// checkBack is the number of "nothing goes back".
const checkBack = 3

// Checker looks at the events of one or more nodes, in causal order.
type Checker struct {
	Violations []Violation // the first of each kind, between the same nodes in the same terms

	seen    map[string]bool
	lengths bool // data is not compared: it is redacted, or cut, otherwise in some files
	seed    maphash.Seed
	leaders map[uint64]uint64 // term -> Raft id
	entries map[place]entry
	applied map[uint64]entry // by index
	nodes   map[*Node]*nodeCheck
	leases  map[*Node]lease
}

type place struct{ index, term uint64 }

// entry is what an entry holds, as sum, and who had it first.
type entry struct {
	sum, term uint64
	node      *Node
}

type nodeCheck struct {
	status     core.Status
	durable    core.HardState // that the node was told to be
	pending    core.HardState
	pendingSeq uint64
	told       told
	tickMillis uint64
	clock      core.Clock // of its ticks, by the recorded times
}

type lease struct {
	to   time.Time
	term uint64
}

// NewChecker returns one that has seen nothing.
func NewChecker(inc *Incident) *Checker {
	type data struct {
		redacted bool
		cut      uint64
	}
	how := map[data]bool{}
	for _, n := range inc.Nodes {
		for _, f := range n.Files {
			how[data{f.Header.Redacted, f.Header.Cut}] = true
		}
	}
	return &Checker{seen: map[string]bool{}, lengths: len(how) > 1, seed: maphash.MakeSeed(), leaders: map[uint64]uint64{}, entries: map[place]entry{},
		applied: map[uint64]entry{}, nodes: map[*Node]*nodeCheck{}, leases: map[*Node]lease{}}
}

// See takes the next event.
func (k *Checker) See(e *Event) {
	n := k.nodes[e.Node]
	if n == nil {
		n = &nodeCheck{}
		k.nodes[e.Node] = n
	}
	switch f := e.Frame.(type) {
	case *trace.Boot:
		k.boot(e, n, f)
	case *trace.Checkpoint:
		n.tickMillis = f.Config.TickMillis
		n.status = e.Status
	case *trace.Input:
		if e.Step != nil && e.Step.Panic == "" {
			k.step(e, n)
		}
	}
}

// fail records a violation; key tells it from those of its kind that say the
// same again.
func (k *Checker) fail(e *Event, check int, key any, format string, args ...any) {
	id := fmt.Sprint(check, e.Node.Name, key)
	if k.seen[id] {
		return
	}
	k.seen[id] = true
	k.Violations = append(k.Violations, Violation{Checks[check], e.Node.Name, e.N, e.Time, fmt.Sprintf(format, args...)})
}

// boot: what was durable when the node stopped is there when it starts.
func (k *Checker) boot(e *Event, n *nodeCheck, b *trace.Boot) {
	h := b.Durable.HardState
	switch d := n.durable; {
	case h.Term < d.Term:
		k.fail(e, checkBack, h.Term, "it starts in term %d, but had made term %d durable", h.Term, d.Term)
	case h.Term == d.Term && d.Vote != 0 && h.Vote != d.Vote:
		k.fail(e, checkBack, h.Term, "it starts with its vote in term %d for node %d, but had voted for node %d", h.Term, core.NodeID(h.Vote), core.NodeID(d.Vote))
	}
	k.told(e, &n.told, b)
	n.status, n.durable, n.tickMillis = e.Status, h, b.Config.TickMillis
	n.clock = core.Clock{}
	for _, x := range b.Durable.Entries {
		k.entry(e, x)
	}
}

func (k *Checker) step(e *Event, n *nodeCheck) {
	s, out := e.Status, e.Step.Output
	if s.Term < n.status.Term || s.Commit < n.status.Commit || s.Applied < n.status.Applied {
		k.fail(e, checkBack, s.Term, "term, commit and applied index were %d, %d, %d and are %d, %d, %d", n.status.Term, n.status.Commit, n.status.Applied,
			s.Term, s.Commit, s.Applied)
	}
	if s.Role == core.RoleLeader {
		if other, ok := k.leaders[s.Term]; ok && other != s.RaftID {
			k.fail(e, 0, s.Term, "it leads in term %d, as node %d did", s.Term, core.NodeID(other))
		}
		k.leaders[s.Term] = s.RaftID
	}
	for _, p := range out.Persist {
		for _, x := range p.Entries {
			k.entry(e, x)
		}
		if p.HardState != nil && p.Sync {
			n.note(p)
		}
	}
	for in := range core.Each(e.Step.Input) {
		if in, ok := in.(core.Persisted); ok {
			n.persisted(in.Seq)
		}
	}
	n.told.sends(out)
	for _, a := range out.Apply {
		k.apply(e, a)
	}
	if _, ok := e.Step.Input.(core.Tick); ok {
		n.clock.Note(s.Tick, e.Time.UnixNano())
	}
	n.status = s
	k.lease(e, n)
}

// note and persisted: a term or a vote counts from the moment that the host has
// said it is durable. Only the newest is kept, so one more batch on its way
// hides an older one: that misses a violation, and makes none up.
func (n *nodeCheck) note(p core.Persist) { n.pendingSeq, n.pending = p.Seq, *p.HardState }

func (n *nodeCheck) persisted(seq uint64) {
	if n.pendingSeq != 0 && seq >= n.pendingSeq {
		n.durable, n.pendingSeq = n.pending, 0
	}
}

func (k *Checker) sum(b []byte) uint64 {
	if k.lengths {
		return uint64(len(b))
	}
	return maphash.Bytes(k.seed, b)
}

// entry: entries with the same index and term are the same everywhere.
func (k *Checker) entry(e *Event, x core.Entry) {
	at, sum := place{x.Index, x.Term}, k.sum(x.Data)^uint64(x.Kind)
	was, ok := k.entries[at]
	switch {
	case !ok:
		k.entries[at] = entry{sum, x.Term, e.Node}
	case was.sum != sum:
		k.fail(e, 1, x.Term, "its entry %d of term %d is another than node %s has", x.Index, x.Term, was.node.Name)
	}
}

// apply: the same is applied everywhere, at every index.
func (k *Checker) apply(e *Event, a core.Apply) {
	sum := k.sum(a.Data)
	was, ok := k.applied[a.Index]
	switch {
	case !ok:
		k.applied[a.Index] = entry{sum, a.Term, e.Node}
	case was.sum != sum || was.term != a.Term:
		k.fail(e, 2, a.Term, "it applies another entry at %d (term %d) than node %s did (term %d)", a.Index, a.Term, was.node.Name, was.term)
	}
}

// lease: at no instant do two nodes hold one. It knows the recorded times only:
// nodes whose clocks differ can look wrong here.
func (k *Checker) lease(e *Event, n *nodeCheck) {
	s := e.Status
	end := n.clock.LeaseEnd(s, n.tickMillis)
	if end == 0 {
		delete(k.leases, e.Node)
		return
	}
	mine := lease{time.Unix(0, end), s.Term}
	for other, l := range k.leases {
		if other != e.Node && mine.to.After(e.Time) && l.to.After(e.Time) {
			k.fail(e, 4, [3]any{other.Name, mine.term, l.term}, "it holds the leader lease of term %d until %s, and node %s that of term %d until %s", mine.term, mine.to.Format(clock),
				other.Name, l.term, l.to.Format(clock))
		}
	}
	k.leases[e.Node] = mine
}
