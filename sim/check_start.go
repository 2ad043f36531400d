package sim

import "github.com/pgraft/pgraft/core"

// beganOn: a server runs on its own replica or on none. What it was before it started
// is in had, the marker that it found: a replica that was initialised here and is gone
// is never begun anew, and another server's is never taken over. It refuses nothing
// else.
func (c *checks) beganOn(n *node, had *core.Marker) {
	d := n.disk.dir
	own := d.hasIdentity && d.identity.NodeID == n.id && (had == nil || had.ReplicaUUID == d.identity.ReplicaUUID)
	switch {
	case n.state == broken:
		if d.corrupt == "" && (own || d.empty() && had == nil) {
			c.w.fail(checkStart, "%v refuses to start on what is its own: %s", n, n.why)
		}
		return
	case n.state == uninitialised:
		if had != nil {
			c.w.fail(checkStart, "%v starts as a new node, and was initialised here as replica %x", n, had.ReplicaUUID)
		} else if d.hasIdentity {
			c.w.fail(checkStart, "%v starts as a new node on the data directory of node %d, replica %x", n, d.identity.NodeID, d.identity.ReplicaUUID)
		}
		return
	case !own:
		c.w.fail(checkStart, "%v starts on the data directory of node %d, replica %x", n, d.identity.NodeID, d.identity.ReplicaUUID)
	case n.identity != d.identity:
		c.w.fail(checkStart, "%v starts as %+v, and its directory says %+v", n, n.identity, d.identity)
	}
	if m := n.marker; !n.identity.Removed && (m == nil || m.NodeID != n.id || m.ReplicaUUID != n.identity.ReplicaUUID) {
		c.w.fail(checkStart, "%v starts as replica %x, and its marker says %+v: an emptied directory would pass for a new node's", n, n.identity.ReplicaUUID, m)
	}
}
