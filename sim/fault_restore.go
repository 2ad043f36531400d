package sim

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// faultRestore: a checkpoint of a node's core is taken, and a core that is made of
// it takes its place. The one before goes on beside it for Param inputs.
var faultRestore = Kind{
	Name: "restore", Group: "process", most: 24,
	Doc: "a core is replaced by one made of its checkpoint",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(1, 600))
	},
	begin: func(w *World, s *strike) string {
		n := s.node
		if n.state != running || n.shadow != nil {
			return ""
		}
		b, err := n.core.Checkpoint()
		if err != nil {
			w.fail(checkRestore, "%v: no checkpoint: %v", n, err)
			return ""
		}
		cfg := n.timing
		cfg.Identity = n.identity
		c, err := core.Restore(cfg, b)
		if err != nil {
			w.fail(checkRestore, "%v: no core from its checkpoint: %v", n, err)
			return ""
		}
		n.shadow, n.core = &shadow{core: n.core, inputs: int(max(1, s.Param))}, c
		n.shadow.sameState(n)
		return fmt.Sprintf("from %d bytes, compared for %d inputs", len(b), s.Param)
	},
}
