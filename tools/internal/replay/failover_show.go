package replay

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// Outputs is what came of an input, a line for each part of it: of failover what the log
// decided, and what differs from the decision before.
func (e *Event) Outputs() []string {
	out := e.Step.Output
	is := out.Failover
	out.Failover = nil
	l := Outputs(out)
	for _, text := range e.Log {
		l = append(l, "log     "+text)
	}
	return append(l, FailoverChanges(e.Was.decided(), is)...)
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
