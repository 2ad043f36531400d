package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultRestore: a checkpoint of a node's core is taken, and a core that is made of
// it takes its place. The one before goes on beside it for Param inputs. With For
// it happens once another node stands for election: what was promised counts then.
var faultRestore = Kind{
	Name: "restore", Group: "process", most: 24,
	Doc: "a core is replaced by one made of its checkpoint",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Param = int64(s.Int(1, 600))
		if s.Below(2) == 0 {
			d.Node, d.For = uint32(s.Int(1, o.Nodes)), s.Between(5*time.Second, 20*time.Second)
		}
	},
	begin: func(w *World, s *strike) string {
		if s.For > 0 {
			w.watching = append(w.watching, s)
			return "once another node stands for election"
		}
		return w.restoreCore(s)
	},
	watch: func(w *World, s *strike, n *node) {
		if !s.cut && n != s.node && n.status.Role == core.RoleCandidate && !n.foreign() {
			if what := w.restoreCore(s); what != "" {
				s.cut = true
				w.say(s.node, "its core is made anew %s", what)
			}
		}
	},
	end: func(*World, *strike) {},
}

// restoreCore puts a core made of a checkpoint in the place of the one it was taken
// of; "" if there is none.
func (w *World) restoreCore(s *strike) string {
	n := s.node
	if n.state != running || n.shadow != nil {
		return ""
	}
	b, err := n.core.Checkpoint()
	if err != nil {
		w.fail(checkRestore, "%v: no checkpoint: %v", n, err)
		return ""
	}
	cfg := n.config()
	c, err := core.Restore(cfg, b)
	if err != nil {
		w.fail(checkRestore, "%v: no core from its checkpoint: %v", n, err)
		return ""
	}
	n.shadow, n.core = &shadow{core: n.core, inputs: int(max(1, s.Param))}, c
	n.shadow.sameState(n)
	return fmt.Sprintf("from %d bytes, compared for %d inputs", len(b), s.Param)
}
