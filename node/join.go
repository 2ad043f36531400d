package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// AddNode makes a node a member, after a look at it. It returns once the node
// votes; promoted is false if it is a member, but still catches up. Only on the
// leader.
func (n *Node) AddNode(ctx context.Context, nodeID uint32, address string, port uint32) (promoted bool, err error) {
	return n.join(ctx, joiner{id: nodeID, address: address, port: port})
}

// ReplaceNode makes a node a member in the place of a voter, after a look at it: once
// it has caught up, one joint change makes it a voter and the old one a learner, which
// is then removed. It returns once the old one is no member any more; replaced is false
// if that still goes on, by itself. The old node may be dead; if it is the leader, it
// hands leadership over first. Only on the leader.
func (n *Node) ReplaceNode(ctx context.Context, oldID, newID uint32, address string, port uint32) (replaced bool, err error) {
	return n.join(ctx, joiner{id: newID, address: address, port: port, old: oldID})
}

// joiner is a node that is to become a voter.
type joiner struct {
	id      uint32
	address string
	port    uint32
	old     uint32 // whose place it takes; 0 = nobody's
}

// votes says that v shows what was asked for.
func (j joiner) votes(v View) bool {
	m := v.member(j.id)
	return m != nil && m.GetRole() == corepb.Role_VOTER && (j.old == 0 || v.member(j.old) == nil)
}

// underWay says that v shows the change begun: whoever leads carries it on.
func (j joiner) underWay(v View) bool {
	m := v.member(j.id)
	return m != nil && (m.GetRole() == corepb.Role_JOINING || v.member(j.old).GetRole() == corepb.Role_LEAVING)
}

// input asks for it, of a node that answered with a replica and the newest version that
// its build knows.
func (j joiner) input(id uint64, replica [16]byte, newest uint32) core.Input {
	if j.old == 0 {
		return core.AddNode{ID: id, NodeID: j.id, Address: j.address, Port: j.port, ReplicaUUID: replica, Newest: newest}
	}
	return core.ReplaceNode{ID: id, OldNodeID: j.old, NodeID: j.id, Address: j.address, Port: j.port, ReplicaUUID: replica, Newest: newest}
}

func (n *Node) join(ctx context.Context, j joiner) (done bool, err error) {
	r, v, err := n.live(ctx)
	if err != nil {
		return false, err
	}
	m := v.member(j.id)
	switch {
	case v.Core.Role != core.RoleLeader:
		return false, &RequestError{Code: core.NotLeader, Text: "this node does not lead"}
	case m != nil && (m.GetAddress() != j.address || m.GetPort() != j.port):
		return false, &RequestError{Code: core.Conflict, Text: fmt.Sprintf("node %d is a member already, at %s", j.id, endpoint(m))}
	case m == nil && j.old != 0 && v.member(j.old) == nil:
		return false, &RequestError{Code: core.NoSuchNode, Text: fmt.Sprintf("node %d is not a member", j.old)}
	}
	replica, newest, err := n.probe(ctx, j.id, j.address, j.port, m != nil)
	var p *ProbeError
	if j.votes(v) && errors.As(err, &p) && p.Unreachable {
		return true, nil // away, but a member as it was
	}
	if err != nil {
		return false, err
	}
	wait, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	rep, _ := r.do(wait, func(id uint64) core.Input { return j.input(id, replica, newest) })
	if rep.Code == core.Unknown && ctx.Err() == nil {
		switch v, err := n.View(ctx); {
		case err != nil: // what the core has said stands
		case j.votes(v):
			return true, nil
		case j.underWay(v):
			return false, nil
		}
	}
	return rep.Code == core.OK, failure(rep)
}
