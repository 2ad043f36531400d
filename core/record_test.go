package core_test

import "github.com/pgraft/pgraft/core"

// The node as core.Recorder.

func (n *node) RecordInput(in core.Input) { n.in = in }

func (n *node) RecordOutput(out core.Output) {
	if n.c.onStep != nil {
		n.c.onStep(n, n.in, out)
	}
}

// config is what n was started with.
func (n *node) config() core.Config {
	cfg := n.cfg
	cfg.Identity, cfg.Seed = n.id, uint64(n.key)+n.life<<32-n.formDraws*timerStep
	if cfg.Failover.Boot > 0 {
		cfg.Failover.Boot = n.starts
	}
	return cfg
}

// timerStep is by how much a draw moves the state of a core's election timer.
const timerStep = 0x9e3779b97f4a7c15
