package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// found is what a start finds, as package node finds it out.
func (n *node) found() core.Found {
	d := n.disk.dir
	f := core.Found{Marker: n.marker}
	if !d.empty() {
		f.Holds = core.HoldsStore
	}
	if d.hasIdentity {
		id := d.identity
		f.Identity = &id
	}
	return f
}

// settings is what the server is set to: the names of the cluster and of the node.
func (n *node) settings() core.Identity { return core.Identity{ClusterID: clusterID, NodeID: n.id} }

func (n *node) endpoint() string { return fmt.Sprintf("%s:%d", n.address, port) }

// start begins a life of the process.
func (n *node) start() {
	if n.state != down || !n.server.powers() {
		return
	}
	n.life++
	n.builds = append(n.builds, build{n.w.now, n.knows()})
	n.identity = n.settings()
	n.members, n.warned = core.Members{}, false
	n.w.say(n, "starts")
	had, f := n.marker, n.found()
	t := core.TakeOver(n.settings(), n.endpoint(), f)
	switch {
	case f.Holds == core.HoldsStore && n.disk.dir.corrupt != "": // its identity cannot be read either
		n.refuse(fmt.Errorf("damaged: %s", n.disk.dir.corrupt))
	case t.Outcome == core.StartRefused:
		n.refuse(n.refusal(t, f))
	case t.Outcome == core.StartUninitialised:
		n.state, n.lease = uninitialised, lease{}
	default:
		n.adopt(t)
		n.state = waiting
	}
	n.w.checks.beganOn(n, had)
	if n.state == waiting {
		n.begin()
	}
}

// adopt carries out what core.TakeOver says of a directory that is this node's.
func (n *node) adopt(t core.Takeover) {
	for _, step := range t.Steps {
		switch step {
		case core.StoreIdentity:
			n.disk.dir.identity = t.Identity
		case core.WriteMarker:
			n.marker = &t.Marker
		case core.RemoveMarker:
			n.marker = nil
		}
	}
	n.identity = t.Identity
}

func (n *node) refuse(err error) {
	n.state, n.why, n.lease = broken, err.Error(), lease{}
	n.w.marks.add(markRefusedToStart)
	n.w.say(n, "refuses to start: %s", n.why)
}

// refusal puts a refused start into words.
func (n *node) refusal(t core.Takeover, f core.Found) error {
	switch t.Refusal {
	case core.DataGone:
		return fmt.Errorf("the data directory is empty, but node %d was initialised: its data is lost", n.id)
	case core.OtherNode:
		return fmt.Errorf("the directory belongs to node %d", f.Identity.NodeID)
	case core.OtherReplicaMarked:
		return errors.New("the directory holds another replica than the one that was initialised here")
	default: // the rest has no model here
		panic(fmt.Sprintf("node %d refuses to start for reason %d", n.id, t.Refusal))
	}
}

// clusterID is the name that all servers are set to.
const clusterID = "sim"

const port = 7000

// init is pgraft_init(bootstrap => found): it mints the identity.
func (n *node) init(found bool) {
	id := n.settings()
	id.ReplicaUUID = n.uuid()
	if found {
		id.ClusterUUID, id.RaftID = n.uuid(), core.RaftID(1, n.id)
		d := core.Bootstrap(id, n.address, port, n.knows())
		n.disk.dir.write(&core.Persist{Snapshot: d.Snapshot, HardState: &d.HardState, Version: n.knows()})
	}
	n.disk.dir.identity, n.disk.dir.hasIdentity = id, true
	n.identity = id
	marker := id.Marker(n.endpoint(), nil)
	n.marker = &marker
	if n.database != nil {
		n.w.provide(n.database)
	}
	n.w.say(n, "is initialised, founding: %v", found)
	n.begin()
}

func (n *node) uuid() (u [16]byte) {
	for i := range u {
		u[i] = byte(n.draws.Uint64())
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// begin starts the core of a member, or waits to be invited.
func (n *node) begin() {
	switch {
	case n.identity.Removed:
		n.state, n.lease = removed, lease{}
		return
	case !n.identity.Invited():
		n.state, n.lease = waiting, lease{}
		return
	}
	d, err := n.disk.dir.load()
	if err != nil {
		n.refuse(err)
		return
	}
	if v := n.disk.dir.version; v > n.knows() {
		// Whoever looks after the server reads why, and installs the newer build.
		n.w.marks.add(markTooOld)
		n.state, n.why, n.lease = failed, fmt.Sprintf("the store needs version %d", v), lease{}
		n.w.say(n, "refuses to start: %s", n.why)
		n.version = v
		n.w.restartLater(n, n.draws.Between(200*time.Millisecond, 3*time.Second))
		return
	}
	n.w.checks.readable(n, d)
	n.server.engineStarts()
	cfg := n.config()
	cfg.Seed = n.draws.Uint64()
	c, err := core.New(cfg, d)
	if err != nil {
		n.refuse(err)
		return
	}
	n.core, n.state, n.why = c, running, ""
	n.emitted = 0
	n.status, n.members = c.Status(), c.Members()
	n.readable = n.status.Applied
	n.following = following{}
	n.moments, n.heard = [moments]moment{}, n.heard[:0]
	n.ticks = core.Clock{Now: func() int64 { return int64(n.clock.at(n.w.now)) }}
	n.recordBoot(cfg, d)
	n.w.checks.started(n, d)
	n.setPeers()
	n.startTicker()
	n.Publish(n.status, 0)
	n.server.begins()
	if n.database != nil {
		n.needs, n.installs, n.over = n.needs[:0], n.installs[:0], 0
		n.database.begin()
	}
}
