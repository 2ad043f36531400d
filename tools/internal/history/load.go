package history

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// Load reads traces of one cluster, replays and merges them, and runs the safety
// checks over all. A path is a file, or a directory with all *.trace below it.
// The warnings are for people: files that are cut off, clocks that were put
// right, a replay that differs, and first of all if another version recorded them.
func Load(paths ...string) (h *History, warnings []string, err error) {
	inc, err := replay.Open(paths...)
	if err != nil {
		return nil, nil, err
	}
	warnings, _ = inc.Versions(recorder.Build())
	m := merger{check: replay.NewChecker(inc)}
	for _, n := range inc.Nodes {
		if err := m.add(n); err != nil {
			return nil, nil, err
		}
	}
	for _, n := range m.nodes {
		warnings = append(warnings, n.warnings...)
		m.where = append(m.where, n.where...)
	}
	warnings = append(warnings, m.alignClocks()...)
	b := m.merge()
	for _, v := range m.check.Violations {
		warnings = append(warnings, v.String())
	}
	slices.SortStableFunc(m.where, func(a, b address) int { return cmp.Compare(a.at, b.at) })
	for _, a := range m.where {
		b.Address(a.node, a.text)
	}
	h, err = b.Build(strings.Join(paths, " "))
	return h, warnings, err
}

// nodeTrace is all that the files of one node say, of all its incarnations.
type nodeTrace struct {
	id       uint32
	events   []event
	where    []address
	warnings []string
}

// event is a step or a moment of one node.
type event struct {
	at     int64 // nanoseconds, of the node's clock
	step   *Step // nil: a moment
	moment Moment
	played *replay.Event // what the safety checks look at; nil: nothing
}

// address is where a node was reached, by the clock of who says so.
type address struct {
	at   int64
	node uint32
	text string
}

type merger struct {
	nodes   []*nodeTrace // by node id
	where   []address
	check   *replay.Checker
	cluster [16]byte
	first   string // the file that cluster is from
}

// add replays a node, so that its outputs are known.
func (m *merger) add(n *replay.Node) error {
	for _, f := range n.Files {
		if m.first == "" {
			m.first, m.cluster = f.Path, f.Header.ClusterUUID
		}
		if f.Header.ClusterUUID != m.cluster {
			return fmt.Errorf("%s is of cluster %x, %s of cluster %x: only traces of one cluster can be merged",
				f.Path, f.Header.ClusterUUID, m.first, m.cluster)
		}
	}
	k := len(m.nodes) - 1
	if k < 0 || m.nodes[k].id != n.NodeID {
		m.nodes = append(m.nodes, &nodeTrace{id: n.NodeID})
		k++
	}
	t := m.nodes[k]
	if err := t.play(n); err != nil {
		return err
	}
	// Another incarnation's trace may overlap with that before it.
	slices.SortStableFunc(t.events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return nil
}

func (t *nodeTrace) warn(f string, a ...any) { t.warnings = append(t.warnings, fmt.Sprintf(f, a...)) }

func (t *nodeTrace) moment(at int64, kind MomentKind, f string, a ...any) {
	t.events = append(t.events, event{at: at, moment: Moment{Kind: kind, Text: fmt.Sprintf(f, a...)}})
}

func (t *nodeTrace) play(n *replay.Node) error {
	differs, last, before := false, int64(0), len(t.events)
	var end *trace.End
	for c := n.Cursor(); ; {
		restored := c.Player().Restored
		if !c.Next() {
			break
		}
		e := *c.Event()
		last, end = max(last, e.Time.UnixNano()), nil
		switch {
		case errors.Is(e.Err, trace.ErrCheckpoint):
			t.moment(last, Alarm, "%v", e.Err)
			t.warn("node %s: %v", n.Name, e.Err)
		case e.Err != nil && len(t.events) == before:
			return fmt.Errorf("node %s: %w", n.Name, e.Err)
		case e.Err != nil:
			t.moment(last, Alarm, "the replay ends here: %v", e.Err)
			t.warn("node %s: the replay ends at input %d: %v", n.Name, e.N, e.Err)
		}
		if e.Err != nil {
			break // the cursor's last event
		}
		if e.Step != nil && !e.Step.Same() && !differs {
			differs = true
			t.moment(last, Alarm, "input %d did something else than was recorded", e.N)
			t.warn("node %s: input %d does something else here than was recorded: what follows may not be what happened", n.Name, e.N)
		}
		if f, ok := e.Frame.(*trace.End); ok {
			end = f
		}
		t.frame(&e, c.Player().Restored > restored)
		if e.Step == nil || e.Step.Output.MembersChanged {
			t.addresses(last, c.Core())
		}
	}
	if end != nil {
		t.moment(last, Note, "the record ends: %s", end.Reason)
	}
	for _, f := range n.Files {
		if f.Damage != nil {
			t.warn("%s: %v", f.Path, f.Damage)
			kind := Alarm
			if f.Damage.Cut { // as a killed server leaves it
				kind = Note
			}
			t.moment(f.Last.UnixNano(), kind, "%v", f.Damage)
		}
	}
	if len(t.events) == before {
		return fmt.Errorf("%s: nothing in it", n.Files[0].Path)
	}
	return nil
}

// frame takes over what a frame says, and the step it led to.
func (t *nodeTrace) frame(e *replay.Event, restored bool) {
	at := e.Time.UnixNano()
	switch f := e.Frame.(type) {
	case *trace.Boot:
		t.start(e, Start{Config: f.Config, Durable: f.Durable})
	case *trace.Checkpoint:
		if restored {
			t.start(e, Start{Config: f.Config, Resumed: true, Seq: f.Seq})
		}
	case *trace.Input:
		if e.Step == nil {
			return
		}
		s := &Step{Seq: f.Seq, In: e.Step.Input, Out: e.Step.Output, After: e.Step.Status}
		if e.Step.Panic != "" {
			s.After = t.last().After
			t.moment(at, Alarm, "panic: %s", e.Step.Panic)
		}
		t.events = append(t.events, event{at: at, step: s, played: e})
	case *trace.Note:
		t.moment(at, noteKind(f.Class), "%s", f.Text)
	}
}

// addresses takes down where the members are that a core knows of.
func (t *nodeTrace) addresses(at int64, c *core.Core) {
	if c == nil {
		return
	}
	for _, m := range c.MemberStatuses() {
		if a := m.Member.GetAddress(); a != "" {
			where := net.JoinHostPort(a, strconv.Itoa(int(m.Member.GetPort())))
			t.where = append(t.where, address{at, core.NodeID(m.Member.GetRaftId()), where})
		}
	}
}

func (t *nodeTrace) start(e *replay.Event, s Start) {
	t.events = append(t.events, event{at: e.Time.UnixNano(), step: &Step{Start: &s, After: e.Status}, played: e})
}

// last is the newest step. There is one: no input is played before a start.
func (t *nodeTrace) last() *Step {
	for i := len(t.events) - 1; ; i-- {
		if s := t.events[i].step; s != nil {
			return s
		}
	}
}

// noteKind makes a moment of a note's class.
func noteKind(class string) MomentKind {
	switch class {
	case "panic", "check":
		return Alarm
	}
	if i := slices.Index(momentNames[:], class); i >= 0 {
		return MomentKind(i)
	}
	return Note
}
