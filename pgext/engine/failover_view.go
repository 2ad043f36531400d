package main

import (
	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

// statFailover has the rows of pgraft_stat_failover.
func statFailover(f *node.Failover) (r result) {
	for _, s := range f.Standings() {
		var epoch, timeline, position, lag, whyNot any
		if s.Epoch > 0 {
			epoch = s.Epoch
		}
		if s.Timeline > 0 {
			timeline, position = s.Timeline, failover.LSNText(s.Position)
		}
		if s.Lag != nil {
			lag = *s.Lag
		}
		if s.WhyNot != "" {
			whyNot = s.WhyNot
		}
		r.rows = append(r.rows, []any{core.NodeID(s.RaftID), s.Role, s.State, epoch, timeline, position, lag, s.InSyncSet, s.Electable, whyNot})
	}
	return r
}
