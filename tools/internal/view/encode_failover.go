package view

import (
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// failover adds what is known of it after each step: what the lane shows, and three
// texts for the details, each of names and values with tabs between.
func (e *encoder) failover(head *header) {
	for _, s := range replay.ServerStates() {
		head.Servers = append(head.Servers, s.String())
	}
	head.Stages = replay.StageNames()
	lanes := e.lanes()
	state := func(name string, value func(f *replay.Failover, s *history.Step) uint64) {
		e.column("steps", name, true, func(i int) uint64 {
			s := &e.h.Steps[i]
			if s.Failover == nil {
				return 0
			}
			return value(s.Failover, s)
		})
	}
	state("server", func(f *replay.Failover, s *history.Step) uint64 { return uint64(f.ServerState(s.After)) })
	state("epoch", func(f *replay.Failover, _ *history.Step) uint64 { return f.State.Epoch.Number })
	state("stage", func(f *replay.Failover, _ *history.Step) uint64 { return uint64(f.State.Epoch.Stage) })
	state("primary", func(f *replay.Failover, _ *history.Step) uint64 { return lanes[core.NodeID(f.State.Epoch.Primary)] })
	state("of_log", func(f *replay.Failover, _ *history.Step) uint64 {
		return e.table(f.State, func() []replay.Part { return replay.StateParts(f.State) })
	})
	state("of_host", func(f *replay.Failover, _ *history.Step) uint64 {
		if f.Server == nil {
			return 0
		}
		return e.table(f.Server, func() []replay.Part { return replay.ServerParts(f.Server) })
	})
	state("of_fence", func(f *replay.Failover, _ *history.Step) uint64 {
		return e.table(f.Decided, func() []replay.Part { return replay.DecidedParts(f.Decided) })
	})
}

// table is the number of the text of the parts of something, which many steps share.
func (e *encoder) table(of any, parts func() []replay.Part) uint64 {
	if n, ok := e.tables[of]; ok {
		return n
	}
	var l []string
	for _, p := range parts() {
		l = append(l, noTab(p.Name), noTab(p.Text))
	}
	n := e.texts.of(oneLine(strings.Join(l, "\t")))
	e.tables[of] = n
	return n
}

func noTab(s string) string { return strings.ReplaceAll(s, "\t", " ") }
