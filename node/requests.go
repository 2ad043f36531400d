package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
)

// RequestError is a request that the core refused or whose outcome it does not
// know (core.Unknown).
type RequestError struct {
	Code core.Code
	Text string
	// Detail is a sentence of facts beside Text; empty: none.
	Detail string
}

func (e *RequestError) Error() string { return e.Text }

const (
	// probeTimeout bounds the look at a node that is to be added.
	probeTimeout = 5 * time.Second
	// catchUpTimeout is how long AddNode and ReplaceNode wait for a new member to catch up.
	catchUpTimeout = 5 * time.Second
)

// Propose replicates data and says where in the log it is. It waits until ctx
// ends; the error's code is then core.Unknown, and the same request id may be
// proposed again: it commits once.
func (n *Node) Propose(ctx context.Context, requestID [16]byte, data []byte) (index, term uint64, err error) {
	rep, err := n.ask(ctx, func(id uint64) core.Input { return core.Propose{ID: id, RequestID: requestID, Data: data} })
	return rep.Index, rep.Term, err
}

// ask is a Call that the goroutine waits for.
func (n *Node) ask(ctx context.Context, in func(id uint64) core.Input) (rep core.Reply, err error) {
	done := make(chan struct{})
	c := &Call{Input: in, Done: func(r core.Reply, e error) {
		rep, err = r, e
		close(done)
	}}
	n.Submit([]*Call{c})
	select {
	case <-done:
	case <-ctx.Done():
		n.Cancel(c)
		<-done
	}
	return rep, err
}

// askedBefore is what a reply means that another core may have been asked for
// before: a refusal does not say that nothing happens.
func askedBefore(rep core.Reply, again bool) core.Reply {
	if again && (rep.Code == core.Busy || rep.Code == core.NoRoom) {
		rep.Code, rep.Text = core.Unknown, "asked again after a change of settings: "+rep.Text
	}
	return rep
}

// ProbeError says why a node cannot be added.
type ProbeError struct {
	// Unreachable: nobody answered, or no pgraft node; otherwise the node
	// itself does not fit.
	Unreachable bool
	// Invalid: the node is there, and this is not its address.
	Invalid bool
	Text    string
	Detail  string // empty: none
	Hint    string // empty: none
}

func (e *ProbeError) Error() string {
	if e.Detail == "" {
		return e.Text
	}
	return e.Text + ": " + e.Detail
}

// probe looks at a node and returns its replica uuid and the newest version that it
// knows. A node that is not known yet
// is added under the address that it is set to, which all others will use and its
// certificate names. The port may be mapped.
func (n *Node) probe(ctx context.Context, nodeID uint32, address string, port uint32, known bool) (replica [16]byte, newest uint32, err error) {
	ctx, done := context.WithTimeout(ctx, probeTimeout)
	defer done()
	n.mu.Lock()
	id, members, speaks := n.id, n.members, n.speaks()
	n.mu.Unlock()
	where := net.JoinHostPort(address, strconv.Itoa(int(port)))
	w, err := n.net.Probe(ctx, where, id.Hello(speaks, nil, nodeID))
	if errors.Is(err, transport.ErrTLS) {
		return replica, 0, &ProbeError{Unreachable: true, Text: fmt.Sprintf("could not agree on TLS with node %d at %s", nodeID, where), Detail: err.Error(),
			Hint: fmt.Sprintf("All nodes need the same pgraft.ssl_enabled, and certificates by a CA that is in pgraft.ssl_ca_file of all, "+
				"each for its node's pgraft.address or for the name %s.", transport.NodeName(nodeID))}
	}
	if err != nil {
		return replica, 0, &ProbeError{Unreachable: true, Text: fmt.Sprintf("could not reach node %d at %s", nodeID, where), Detail: err.Error(),
			Hint: "Check that its server runs, that address and port are its pgraft.address and pgraft.port, and that no firewall is in between."}
	}
	hint := ""
	switch {
	case w.GetRefusal() == corepb.Refusal_NOT_INITIALISED:
		hint = "Run SELECT pgraft_init(false) on that server first."
	case w.GetRefusal() == corepb.Refusal_OTHER_CLUSTER_ID:
		hint = "Set pgraft.cluster_id to the same value on all nodes and restart that server."
	case w.GetRefusal() == corepb.Refusal_OTHER_PROTOCOL:
		hint = "Install the same pgraft on all servers, see the version in pgraft_stat_peers."
	}
	if w.GetRefusal() != corepb.Refusal_NONE {
		return replica, 0, &ProbeError{Text: fmt.Sprintf("node %d at %s refuses: %s", nodeID, where, w.GetReason()), Hint: hint}
	}
	if own := w.GetAddress(); !known && own != "" && !sameAddress(own, address) {
		return replica, 0, &ProbeError{Invalid: true, Text: fmt.Sprintf("%q is not the address of node %d", address, nodeID),
			Detail: fmt.Sprintf("Its pgraft.address is %q.", own),
			Hint:   "Name that address, or set pgraft.address on that server to this one and restart it."}
	}
	if w.GetRaftId() != 0 && members.Get(w.GetRaftId()) == nil {
		return replica, 0, &ProbeError{Text: fmt.Sprintf("node %d at %s still has the data of its former membership", nodeID, where),
			Hint: "Stop that server, empty its pgraft.data_dir, delete pgraft.initialized in its data directory, start it and run SELECT pgraft_init(false)."}
	}
	if len(w.GetReplica()) != len(replica) {
		return replica, 0, &ProbeError{Text: fmt.Sprintf("node %d at %s says a replica uuid of %d bytes", nodeID, where, len(w.GetReplica()))}
	}
	return [16]byte(w.GetReplica()), core.WelcomeRange(w).Newest, nil
}

// RemoveNode removes a member; the leader itself hands leadership over first.
// Only on the leader.
func (n *Node) RemoveNode(ctx context.Context, nodeID uint32) error {
	r, err := n.running()
	if err != nil {
		return err
	}
	rep, _ := r.do(ctx, func(id uint64) core.Input { return core.RemoveNode{ID: id, NodeID: nodeID} })
	return failure(rep)
}

func failure(rep core.Reply) error {
	if rep.Code == core.OK {
		return nil
	}
	return &RequestError{Code: rep.Code, Text: rep.Text, Detail: rep.Detail}
}

// View is what a node knows of itself and the other members at one instant.
type View struct {
	Core        core.Status
	LeaseExpiry int64 // as in Status
	Members     []core.MemberStatus
	// Readable is up to where the log store holds what is committed: behind it
	// there may be an older leader's entries still.
	Readable        uint64
	electionMillis  uint64 // silent for longer means unreachable
	heartbeatMillis uint64
	store           store.Store
}

// View is what this node knows now; for a removed node, what it knew last; for
// one that waits to be invited, nothing but an empty log. The
// error wraps ErrNotInitialised or ErrNotRunning if there is nothing to know.
func (n *Node) View(ctx context.Context) (View, error) {
	n.mu.Lock()
	state, known := n.state, n.last
	if state == Waiting {
		known.store = n.store
	}
	n.mu.Unlock()
	if (state == Waiting || state == Removed) && known.store != nil {
		return n.withAlarms(known), nil
	}
	_, v, err := n.live(ctx)
	if err != nil {
		return v, err
	}
	return n.withAlarms(v), nil
}

// live is the runner and what it knows.
func (n *Node) live(ctx context.Context) (*runner, View, error) {
	for {
		r, err := n.running()
		if err != nil {
			return nil, View{}, err
		}
		v, err := r.view(ctx)
		if errors.Is(err, ErrNotRunning) && r.wasReplaced(ctx) {
			continue
		}
		return r, v, err
	}
}

// AwaitLeader returns once a leader is known; if that is this node, once it holds
// its lease.
func (n *Node) AwaitLeader(ctx context.Context) error {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		v, err := n.View(ctx)
		if err != nil {
			return err
		}
		if v.Core.Lead != 0 && (v.Core.Lead != v.Core.RaftID || v.LeaseExpiry > 0) {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("node: no leader is known yet: %w", ctx.Err())
		}
	}
}

func (v View) member(nodeID uint32) *corepb.Member {
	i := slices.IndexFunc(v.Members, func(m core.MemberStatus) bool { return core.NodeID(m.Member.GetRaftId()) == nodeID })
	if i < 0 {
		return nil
	}
	return v.Members[i].Member
}

// Leader is the member that leads, nil if none is known.
func (v View) Leader() *corepb.Member { return v.member(core.NodeID(v.Core.Lead)) }

// Leads says that m leads; this node only while it holds its lease.
func (v View) Leads(m core.MemberStatus) bool {
	id := m.Member.GetRaftId()
	return id == v.Core.Lead && (id != v.Core.RaftID || v.LeaseLeft() > 0)
}

// LeaseLeft is how long this node's leader lease still runs; 0 without one.
func (v View) LeaseLeft() time.Duration {
	return max(time.Duration(v.LeaseExpiry)-boottime(), 0)
}

// Reachable says that m was heard from within an election timeout, by the
// leader as far as this node is told, and that its port does not refuse this node.
func (v View) Reachable(m core.MemberStatus) bool {
	return m.Member.GetRaftId() == v.Core.RaftID || m.Heard && !m.Closed && m.SilentMillis < v.electionMillis
}

// StateOf is a member's state as people read it.
func (v View) StateOf(m core.MemberStatus) string {
	id := m.Member.GetRaftId()
	switch {
	case id == v.Core.RaftID && v.Core.Role == core.RoleCandidate:
		return "Candidate"
	case !v.Reachable(m):
		return "Unreachable"
	case id == v.Core.Lead:
		return "Leader"
	case m.Member.GetRole() != corepb.Role_VOTER:
		return "Learner"
	}
	return "Follower"
}

func endpoint(m *corepb.Member) string {
	return net.JoinHostPort(m.GetAddress(), strconv.Itoa(int(m.GetPort())))
}

// Entry returns the user's data at an index of the log, as far as this node has
// applied it: what is committed further on may not be in the store yet, or in
// place of something else there. ok is false for an entry of Raft's own. Errors
// are those of store.Store.Entry; a GapError is a *MissingError's.
func (n *Node) Entry(ctx context.Context, index uint64) (data []byte, ok bool, err error) {
	v, err := n.View(ctx)
	if err != nil {
		return nil, false, err
	}
	if index > v.Readable {
		return nil, false, &store.BeyondError{Last: v.Readable}
	}
	e, err := v.store.Entry(index)
	var gone *store.CompactedError
	if errors.As(err, &gone) && index == core.FoundingIndex && gone.First == index+1 {
		return nil, false, nil // what founded the cluster is there, but as a snapshot
	}
	if err != nil {
		return nil, false, v.missing(err)
	}
	return core.UserData(e)
}

// MissingError says that the log has a gap where an entry was asked for, and whether
// any member still has it, as far as this node was told.
type MissingError struct {
	Err  *store.GapError
	Gone bool // all members said that they have it no more
}

func (e *MissingError) Error() string { return e.Err.Error() }
func (e *MissingError) Unwrap() error { return e.Err }

// missing adds to a GapError of the store what this node knows of the gap.
func (v View) missing(err error) error {
	var gap *store.GapError
	if !errors.As(err, &gap) {
		return err
	}
	return &MissingError{Err: gap, Gone: gap.Gap.From <= v.Core.Gone}
}

// LogBounds is the part of the log that this node holds.
func (v View) LogBounds() store.Bounds { return v.store.Bounds() }

// SaveTrace copies the flight recorder's files into a new directory and returns
// their bytes. It works in every state.
func (n *Node) SaveTrace(dir string) (int64, error) { return n.rec.Save(dir) }
