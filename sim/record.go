package sim

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// The node as core.Recorder: if Options.Record asks for it, everything that goes
// into its cores is recorded as package node does it, by true time.

// recordBoot begins a file with the start of a core.
func (n *node) recordBoot(cfg core.Config, d core.Durable) {
	if n.w.o.Record == nil {
		return
	}
	now := int64(n.w.now)
	n.recorder.Begin(trace.Header{Build: n.w.o.Build, ClusterID: clusterID, NodeID: n.id, RaftID: n.identity.RaftID,
		ClusterUUID: n.identity.ClusterUUID, ReplicaUUID: n.identity.ReplicaUUID, Life: cfg.Seed, File: uint64(n.life), Time: now})
	n.recorder.Boot(now, cfg, d)
	n.takeRecord()
}

// RecordInput and RecordOutput make the node a core.Recorder.
func (n *node) RecordInput(in core.Input) {
	if n.dying { // what Perform steps after the process's end never was
		return
	}
	if n.shadow != nil {
		n.shadow.step(in)
	}
	if n.w.o.Record != nil {
		n.recorder.Input(int64(n.w.now), in)
		n.inStep = true
	}
}

func (n *node) RecordOutput(out core.Output) {
	if n.dying {
		return
	}
	if b := out.Persist; len(b) > 0 {
		n.emitted = b[len(b)-1].Seq
	}
	if n.shadow != nil {
		n.shadow.compare(n, out)
	}
	if n.w.o.Record != nil {
		n.recorder.Output(out)
		n.inStep = false
		n.takeRecord()
	}
}

func (n *node) takeRecord() {
	n.recorded = n.recorder.Take(n.recorded)
	n.w.o.Record(n.id, n.recorded)
}

// note writes a line into the record of n, or of all nodes if n is nil, where a
// file is open. The class is a word of package history.
func (w *World) note(n *node, class, f string, a ...any) {
	if w.o.Record == nil {
		return
	}
	for _, x := range w.nodes {
		if x.core != nil && (n == nil || n == x) {
			x.recorder.Note(int64(w.now), class, fmt.Sprintf(f, a...))
			x.takeRecord()
		}
	}
}

// endRecords closes what is open when the run ends: with the violation, if
// there was one, in the record of the node that it was seen on last.
func (w *World) endRecords(last *node) {
	if w.o.Record == nil {
		return
	}
	for _, n := range w.nodes {
		if n.inStep {
			n.recorder.Unfinished()
			n.inStep = false
			n.takeRecord()
		}
	}
	if w.failure != nil {
		w.note(last, "alarm", "%s: %s", w.failure.Check, w.failure.Detail)
	}
}
