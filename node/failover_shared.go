package node

import (
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// sharedMemory is what the server's shared memory has of failover, as this process has
// published it, and what is published once no core decides any more. pub guards it.
type sharedMemory struct {
	is      bool // something was published
	now     failover.Shared
	primary uint64
	address string
	lease   int64 // until when the lease was last shown
	// What the host saw last, if knows.
	knows    bool
	notes    host.Notes
	recovery bool
}

// publishShared has every commit go by what the core of r has decided, unless r was stopped. It
// comes before any status that shows a lease of a later step.
func (n *Node) publishShared(r *runner, s failover.Shared, primary uint64, address string) {
	n.pub.Lock()
	defer n.pub.Unlock()
	if n.publisher == r {
		n.toShared(s, primary, address)
	}
}

// toShared is under pub.
func (n *Node) toShared(s failover.Shared, primary uint64, address string) {
	x := &n.shared
	if n.cfg.Server == nil || x.is && x.primary == primary && x.address == address && x.now.Equal(&s) {
		return
	}
	x.is, x.now, x.primary, x.address = true, s, primary, address
	n.cfg.Server.Publish(s, primary, address)
}

// publishUnknown is for a core that has stopped: nothing of what it decided is a set, an open
// epoch or a lease any more. The one that was stopped publishes nothing after it.
func (n *Node) publishUnknown() {
	n.pub.Lock()
	defer n.pub.Unlock()
	x := &n.shared
	if x.lease = 0; !x.is {
		return // what is there is of the boot, or of an engine's end
	}
	notes := x.notes
	if !x.knows {
		notes.Data.Joined = x.now.Failover
	}
	n.toShared(host.Unknown(&notes, x.now.Reads, x.recovery), 0, "")
}

// sharedNow is what every commit goes by.
func (n *Node) sharedNow() failover.Shared {
	n.pub.Lock()
	defer n.pub.Unlock()
	return n.shared.now
}

// leased says that this node's lease counts, now.
func (n *Node) leased() bool {
	n.pub.Lock()
	defer n.pub.Unlock()
	return n.shared.now.LeaseCounts && int64(boottime()) < n.shared.lease
}

// MayCommit says that a commit may begin on this node's server now, as the fence in each commit
// says (F1). Where failover is off, that is a node that holds the leader lease, and has no server
// in recovery, as far as it knows.
func (n *Node) MayCommit() bool {
	n.pub.Lock()
	defer n.pub.Unlock()
	x := &n.shared
	lease := int64(boottime()) < x.lease
	switch s := &x.now; {
	case n.cfg.Witness:
		return false
	case n.cfg.Server == nil:
		return lease
	case !x.is: // what is published is of the boot, or of an engine's end
		return false
	case !s.Failover:
		return lease && x.knows && !x.recovery
	default:
		f1 := failover.F1{Failover: true, Joined: s.Joined, Quarantined: s.Quarantined, Primary: s.Primary, Open: s.Open,
			Lease: s.LeaseCounts && lease, Switchover: s.Switchover != 0, Founding: s.Founding, Waited: true}
		return f1.Verdict() == failover.Go
	}
}

// MayRead says that this node's server shows its data.
func (n *Node) MayRead() bool {
	n.pub.Lock()
	defer n.pub.Unlock()
	x := &n.shared
	switch s := &x.now; {
	case n.cfg.Witness:
		return false
	case n.cfg.Server == nil:
		return true
	case !x.is || !x.knows:
		return false
	default:
		return s.Reads && (!s.Failover || s.Open || s.Founding && s.Primary || x.recovery)
	}
}

// sawServer notes what a host has seen.
func (n *Node) sawServer(notes host.Notes, recovery bool) {
	n.pub.Lock()
	defer n.pub.Unlock()
	n.shared.knows, n.shared.notes, n.shared.recovery = true, notes, recovery
}
