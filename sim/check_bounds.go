package sim

import (
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
)

// maxMessage is the largest message that is no snapshot: entries of 32 KiB, or a
// single one, and what stands around them.
const maxMessage = 48 << 10

// maxKept is the largest that package retain has sent: a part of an exported state, and
// what stands around it.
const maxKept = 1<<20 + 1<<10

// bounds: what waits is bounded, and so is the log after the newest snapshot.
func (c *checks) bounds(n *node) {
	if q := len(n.disk.queue) + len(n.disk.writing); q > maxDiskQueue {
		c.w.fail(checkBounds, "%v has %d batches on their way to its disk", n, q)
	}
	if s := n.status.Applied - min(n.status.Applied, n.seen.mark); s > n.timing.SnapshotEntries {
		c.w.fail(checkBounds, "%v has applied %d entries since its newest snapshot, %d are the most", n, s, n.timing.SnapshotEntries)
	}
}

func (c *checks) messageBound(n *node, s *core.Send, i *wireInfo) {
	bound := maxMessage
	switch {
	case i.kind == pb.MsgSnap:
		return
	case i.body == bodyHistory || i.body == bodyState:
		bound = maxKept
	}
	if len(s.Data) > bound {
		c.w.fail(checkBounds, "%v sends %v of %d bytes", n, *i, len(s.Data))
	}
}
