package node

import (
	"context"
	"errors"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// ID is this node's node id.
func (n *Node) ID() uint32 { return n.cfg.NodeID }

// Alarm is what this node knows of itself in any state: by its core, by why it does
// not run, or by what the others say when they refuse it.
func (n *Node) Alarm(ctx context.Context) core.Alarm {
	if v, err := n.View(ctx); err == nil {
		return v.Core.Alarm
	}
	var refused *OpenError
	if _, failure := n.State(); errors.As(failure, &refused) && refused.Alarm != core.NoAlarm {
		return refused.Alarm
	}
	return n.net.Alarm()
}

// withAlarms adds to v what the connections know: about this node, and about those
// that it refuses or that refuse it.
func (n *Node) withAlarms(v View) View {
	if v.Core.Alarm == core.NoAlarm {
		v.Core.Alarm = n.net.Alarm()
	}
	known := map[uint64]core.Alarm{}
	for _, p := range n.net.Peers() {
		known[p.RaftID] = p.Alarm
	}
	v.Members = slices.Clone(v.Members)
	for i, m := range v.Members {
		if m.Alarm == core.NoAlarm {
			v.Members[i].Alarm = known[m.Member.GetRaftId()]
		}
	}
	return v
}
