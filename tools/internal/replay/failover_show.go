package replay

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// Outputs is what came of an input, a line for each part of it: of failover what was
// appended to this node's log, what the log decided, and what differs from the decision
// before.
func (e *Event) Outputs() []string {
	out := e.Step.Output
	is := out.Failover
	out.Failover = nil
	l := Outputs(out)
	if e.Failover != nil {
		for _, text := range Appended(out.Persist) {
			l = append(l, "append  "+text)
		}
	}
	for _, text := range e.Log {
		l = append(l, "log     "+text)
	}
	return append(l, FailoverChanges(e.Was.decided(), is)...)
}

// Appended are the entries of failover that go into a node's log, committed or not.
func Appended(batches []core.Persist) (l []string) {
	for _, p := range batches {
		for _, x := range p.Entries {
			e, ok, err := core.FailoverEntry(x)
			switch {
			case err != nil:
				l = append(l, err.Error())
			case ok:
				l = append(l, fmt.Sprintf("%d/%d: %s", x.Index, x.Term, EntryText(e)))
			}
		}
	}
	return l
}

func (f *Failover) decided() *core.FailoverOutput {
	if f == nil {
		return nil
	}
	return f.Decided
}

// Line is what the server is, and how far the newest epoch has come.
func (f *Failover) Line(st core.Status) string {
	e := &f.State.Epoch
	s := fmt.Sprintf("server %v, failover %s", f.ServerState(st), modeNames[f.State.Mode])
	if f.State.Mode == failover.ModeOff {
		return s
	}
	s += fmt.Sprintf(", epoch %d %s", e.Number, stageNames[e.Stage])
	if e.Stage >= failover.StageGranted {
		s += ", primary " + node(e.Primary)
	}
	return s
}

// lines is all that is known; f may be nil.
func (f *Failover) lines(st core.Status) (l []string) {
	if f == nil {
		return nil
	}
	l = append(l, f.Line(st))
	add := func(title string, parts []Part) {
		for _, p := range parts {
			l = append(l, fmt.Sprintf("  %s: %s: %s", title, p.Name, p.Text))
		}
	}
	add("log", StateParts(f.State))
	if f.Server != nil {
		add("host", ServerParts(f.Server))
	}
	add("decided", DecidedParts(f.Decided))
	return l
}
