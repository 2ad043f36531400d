package node

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node/store"
)

// peers is the node as the transport's handler.
type peers Node

func others(m core.Members, self uint64) []*corepb.Member {
	var l []*corepb.Member
	for _, x := range m.List {
		if x.GetRaftId() != self {
			l = append(l, x)
		}
	}
	return l
}

// setPeers tells the transport who the others are, and what they must know. The caller
// holds mu.
func (n *Node) setPeers() {
	n.net.SetOldest(n.speaks().Oldest)
	n.net.SetPeers(others(n.members, n.id.RaftID))
}

// speaks is what this node says to others of its versions. The caller holds mu.
func (n *Node) speaks() core.Range { return n.members.Speaks(n.cfg.newest()) }

func (p *peers) Hello(to *corepb.Member) *corepb.Hello {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != Running {
		return nil
	}
	return p.id.Hello((*Node)(p).speaks(), to, core.NodeID(to.GetRaftId()))
}

// Greet decides by the core's rules.
func (p *peers) Greet(hello *corepb.Hello) *corepb.Welcome {
	w, removed := p.greet(hello)
	if r := (*Node)(p).runner(); r != nil && removed {
		r.put(core.RemovedByPeer{})
	}
	return w
}

// greet answers hello, and says whether that shows that this node was removed. A node
// that waits and is invited stores who it is before it answers.
func (p *peers) greet(hello *corepb.Hello) (w *corepb.Welcome, removed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := (*Node)(p)
	switch n.state {
	case Uninitialised:
		v := core.Greet(n.id, n.cfg.newest(), n.members, hello)
		if v.Refusal == corepb.Refusal_NONE {
			v = core.Verdict{Refusal: corepb.Refusal_NOT_INITIALISED, Reason: fmt.Sprintf("node %d is not initialised: run pgraft_init() there first", n.id.NodeID)}
		}
		return n.welcome(v), false
	case Failed, Closed:
		return nil, false
	}
	v := core.Greet(n.id, n.cfg.newest(), n.members, hello)
	if v.Join == nil {
		return n.welcome(v), v.Removed
	}
	if err := n.store.SetIdentity(*v.Join); errors.Is(err, store.ErrFull) {
		return n.welcome(core.Verdict{Refusal: corepb.Refusal_NOT_INITIALISED,
			Reason: fmt.Sprintf("node %d cannot join: its disk is full", n.id.NodeID)}), false
	} else if err != nil {
		n.failLocked(err)
		return nil, false
	}
	n.id = *v.Join
	n.cfg.Logger.Info(fmt.Sprintf("node %d joins the cluster %q, invited by node %d", n.id.NodeID, n.id.ClusterID, hello.GetFromNode()))
	if err := n.begin(); err != nil {
		n.failLocked(err)
		return nil, false
	}
	return n.welcome(v), false
}

// welcome says where the node wants to be reached too. The caller holds mu.
func (n *Node) welcome(v core.Verdict) *corepb.Welcome {
	w := n.id.Welcome(n.speaks(), v)
	w.Address = n.cfg.Address
	return w
}

// Receive has who read the messages step the core with them.
func (p *peers) Receive(from uint64, messages [][]byte) bool {
	r := (*Node)(p).runner()
	if r == nil {
		return false
	}
	var few [16]any
	items := few[:0]
	for _, m := range messages {
		items = append(items, core.Receive{From: from, Data: m})
	}
	return r.serve(r.in.offer(items...), ownRounds)
}

func (p *peers) Unreachable(raftID uint64) {
	if r := (*Node)(p).runner(); r != nil {
		r.offer(core.PeerUnreachable{RaftID: raftID})
	}
}

func (p *peers) Closed(raftID uint64, closed bool) {
	if r := (*Node)(p).runner(); r != nil {
		if r.host != nil {
			r.host.port.peerClosed(raftID, closed)
		}
		r.serve(r.in.force(core.PeerClosed{RaftID: raftID, Closed: closed}), ownRounds)
	}
}

func (p *peers) SnapshotSent(raftID uint64, ok bool) {
	if r := (*Node)(p).runner(); r != nil {
		r.serve(r.in.force(core.SnapshotSent{RaftID: raftID, OK: ok}), ownRounds)
	}
}

// Refused: the transport has logged it. A member that says that this node was
// removed is believed only if it speaks for this cluster.
func (p *peers) Refused(_ *corepb.Member, w *corepb.Welcome) {
	n := (*Node)(p)
	n.mu.Lock()
	ours := bytes.Equal(w.GetClusterUuid(), n.id.ClusterUUID[:])
	n.mu.Unlock()
	if r := n.runner(); r != nil && ours && w.GetRefusal() == corepb.Refusal_REMOVED {
		r.put(core.RemovedByPeer{})
	}
}

// runner is the one that was started last, nil if none was.
func (n *Node) runner() *runner { return n.current.Load() }
