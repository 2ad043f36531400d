package health

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// wayOut says what an alarm is about, and what to do.
func wayOut(a core.Alarm, nodeID uint32) string {
	again := fmt.Sprintf("remove node %d on the leader, empty its pgraft.data_dir, add it again", nodeID)
	switch a {
	case core.LostData:
		return "its log lacks entries that it had acknowledged; " + again
	case core.OtherReplica:
		return "its pgraft.data_dir was emptied or exchanged, or it is a copy; " + again
	case core.Copy:
		return fmt.Sprintf("another process runs with the data of node %d; stop the copy and empty its pgraft.data_dir", nodeID)
	case core.TooOld:
		return fmt.Sprintf("the pgraft that is installed on the server of node %d does not know the cluster's version; install the same as on the others and restart it", nodeID)
	}
	return again
}

// alarm tells of nodes that are not the members that their cluster counts on: of this
// one, and of those that it knows of. refused is why this node was not opened, err why
// it does not answer.
func (f *findings) alarm(n *node.Node, v node.View, err, refused error) {
	var all []string
	var open *node.OpenError
	own := core.NoAlarm
	switch {
	case errors.As(refused, &open) && open.Alarm != core.NoAlarm, errors.As(err, &open) && open.Alarm != core.NoAlarm:
		all = append(all, fmt.Sprintf("%v: %s. %s", open.Alarm, open.Text, open.Hint))
	case n == nil:
		f.unknown("alarm")
		return
	case err == nil:
		own = v.Core.Alarm
	default:
		own = n.Alarm(context.Background())
	}
	if own != core.NoAlarm {
		all = append(all, fmt.Sprintf("%v: %s", own, wayOut(own, n.ID())))
	}
	for _, m := range v.Members {
		id := m.Member.GetRaftId()
		if m.Alarm != core.NoAlarm && id != v.Core.RaftID {
			all = append(all, fmt.Sprintf("node %d: %v: %s", core.NodeID(id), m.Alarm, wayOut(m.Alarm, core.NodeID(id))))
		}
	}
	if len(all) == 0 {
		f.add("alarm", "none", OK)
		return
	}
	f.add("alarm", strings.Join(all, "; "), Critical)
}
