package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// operator is the people who run the cluster: they know which servers are to be
// members, look now and then, and set right what is wrong by the ways that
// pgraft gives them: initialise, add, remove, empty a directory.
type operator struct {
	want   []bool // by node id - 1: it is to be a member
	asked  []*adminRequest
	atOnce int             // changes asked for at the same time
	ever   []*adminRequest // what was asked for, answered or not
	formed bool
	// unsure are members whose removal had no clear answer: it may still come.
	unsure []uint64
}

// adminRequest is a change that an operator asked a node for.
type adminRequest struct {
	request
	kind    adminKind
	target  *node
	old     *node    // adminReplace: whose place target takes
	replica [16]byte // the data that target had
	goes    uint64   // who is to be removed: its Raft id when that was asked
	term    uint64   // of the leader, then
	refused bool     // it was told that nothing happened
	wrong   bool     // it cannot be
	unless  uint64   // unless this member, by its Raft id, has gone when it is looked at
}

type adminKind uint8

const (
	adminAdd adminKind = iota
	adminRemove
	adminTransfer
	adminReplace
	adminFailover
)

const (
	operatorPeriod   = 250 * time.Millisecond
	operatorPatience = 6 * time.Second
)

// operate is one look at the cluster.
func (w *World) operate() {
	w.arrange(event{at: w.now + operatorPeriod, kind: evOperator})
	w.checks.available()
	for _, n := range w.nodes {
		w.care(n)
		if n.database != nil {
			w.careDatabase(n.database)
			w.checks.keeps(n)
		}
	}
	if w.servers != nil {
		w.servers.operate()
	}
	leader := w.leader()
	if leader == nil || leader.paused > 0 {
		return
	}
	for _, n := range w.nodes {
		if len(w.operator.asked) > w.operator.atOnce || leader.state != running { // it may die of what it was asked
			return
		}
		w.reconcile(leader, n)
	}
}

// care is what the operator does at a server itself.
func (w *World) care(n *node) {
	want := w.operator.want[n.id-1]
	switch {
	case n.paused > 0:
	case n.state == uninitialised && n.id == 1 && !w.operator.formed:
		w.operator.formed = true
		n.init(true)
		w.checks.found(n)
	case n.state == uninitialised && want && w.operator.formed:
		n.init(false)
	}
}

// reconcile asks the leader for what a node lacks to be, or not to be, a member.
func (w *World) reconcile(leader, n *node) {
	want := w.operator.want[n.id-1]
	m := leader.members.Node(n.id)
	mine := m != nil && n.disk.dir.hasIdentity && n.disk.dir.identity.RaftID == m.GetRaftId()
	switch {
	case n.paused > 0 || w.busyWith(n):
	case m != nil && (!want || w.ruined(n, m)):
		if w.soundWithout(n) && w.servers.frees(leader, n) {
			w.change(leader, n, adminRemove)
		}
	case m == nil && want && n.state == waiting:
		w.change(leader, n, adminAdd)
	case m != nil && want && n.state == waiting && m.GetRole() == corepb.Role_JOINING:
		// The leader dials it.
	case m == nil && want && (n.state == broken || n.state == removed || n.state == running && (n.warned || n.foreign() || leader.members.WasRemoved(n.identity.RaftID)) || n.server.endsByItself()): // there is no engine to say anything
		w.wipe(n)
	case mine && m.GetRole() == corepb.Role_VOTER:
		w.operator.formed = true
	}
}

// ruined says that what is on n's disk is not the member m: it never comes back.
func (w *World) ruined(n *node, m *corepb.Member) bool {
	d := n.disk.dir
	return n.state == broken || n.state == removed || n.warned || n.state == running && n.foreign() ||
		n.state == waiting && string(d.identity.ReplicaUUID[:]) != string(m.GetReplicaUuid())
}

// busyWith says that somebody waits for the answer to a change of n.
func (w *World) busyWith(n *node) bool {
	for _, a := range w.operator.asked {
		if a.target == n || a.old == n {
			return true
		}
	}
	return false
}

// leaves says that n knows that x is on its way out, or to be: what is asked of it
// later can find that it is no member.
func (n *node) leaves(x *node) bool {
	m := n.members.Node(x.id)
	return m.GetRole() == corepb.Role_LEAVING ||
		slices.ContainsFunc(n.members.List, func(o *corepb.Member) bool { return o.GetReplaces() == m.GetRaftId() })
}

// stays says that x is to be the member that l knows: nobody has asked for its removal,
// which can be in the log, and not committed yet.
func (w *World) stays(x, l *node) bool {
	return w.operator.want[x.id-1] && !x.foreign() && x.identity.RaftID == l.members.Node(x.id).GetRaftId()
}

// wipe empties a server, as its owner is told to: data directory and marker.
func (w *World) wipe(n *node) {
	w.say(n, "is emptied by the operator")
	w.marks.add(markRepaired)
	n.crash(surviveAll)
	w.checks.lost(n)
	n.disk.dir, n.marker = &directory{}, nil
	n.server.wiped()
	n.start()
}

// change asks a node for a membership change.
func (w *World) change(at, target *node, k adminKind) {
	w.nextID++
	a := &adminRequest{kind: k, target: target}
	a.request = request{id: w.nextID, node: at}
	a.request.admin = a
	var in core.Input
	switch k {
	case adminAdd:
		replica, newest, ok := w.probe(at, target)
		if !ok {
			return
		}
		a.replica = replica
		in = core.AddNode{ID: a.id, NodeID: target.id, Address: target.address, Port: port, ReplicaUUID: replica, Newest: newest}
	case adminRemove:
		in = core.RemoveNode{ID: a.id, NodeID: target.id}
	case adminTransfer:
		in = core.TransferLeader{ID: a.id}
		if target != nil {
			in = core.TransferLeader{ID: a.id, NodeID: target.id}
		}
	}
	w.ask(at, a, in)
}

// replace asks for the change that puts a new member in an old one's place.
func (w *World) replace(at, old, target *node) bool {
	replica, newest, ok := w.probe(at, target)
	if !ok {
		return false
	}
	w.nextID++
	a := &adminRequest{kind: adminReplace, target: target, old: old, replica: replica}
	a.request = request{id: w.nextID, node: at}
	a.request.admin = a
	w.ask(at, a, core.ReplaceNode{ID: a.id, OldNodeID: old.id, NodeID: target.id, Address: target.address, Port: port, ReplicaUUID: replica, Newest: newest})
	return true
}

// probe dials a node that is to be a member, as pgraft_add_node() does first.
func (w *World) probe(at, target *node) (replica [16]byte, newest uint32, ok bool) {
	if w.link(at, target).cut > 0 || w.link(target, at).cut > 0 {
		return replica, 0, false
	}
	welcome := target.greet(at.hello(nil, target.id))
	if welcome == nil || welcome.GetRefusal() != corepb.Refusal_NONE {
		return replica, 0, false
	}
	return [16]byte(welcome.GetReplica()), core.WelcomeRange(welcome).Newest, true
}

// ask hands a node's core a request and waits for the answer.
func (w *World) ask(at *node, a *adminRequest, in core.Input) {
	if a.kind != adminTransfer && a.kind != adminFailover {
		w.operator.asked = append(w.operator.asked, a)
	}
	w.say(at, "is asked for %T of %v", in, a.target)
	goes := a.target
	if a.old != nil {
		goes = a.old
	}
	if a.kind == adminRemove || a.kind == adminReplace {
		a.goes = at.members.Node(goes.id).GetRaftId()
	}
	a.began, a.term = w.now, at.status.Term
	w.operator.ever = append(w.operator.ever, a)
	at.await(&a.request)
	w.arrange(event{at: w.now + operatorPatience, kind: evTimeout, ref: &a.request})
	at.input(in)
}

// adminAnswered is the end of a change, as far as the operator knows.
func (w *World) adminAnswered(q *request, r core.Reply) {
	a := q.admin
	w.checks.told(a, r)
	for i, x := range w.operator.asked {
		if x == a {
			w.operator.asked = append(w.operator.asked[:i], w.operator.asked[i+1:]...)
			break
		}
	}
	goes := a.target
	if a.kind == adminReplace {
		goes = a.old
	}
	if (a.kind == adminRemove || a.kind == adminReplace) && r.Code == core.Unknown {
		if m := w.checks.newest.Node(goes.id); m != nil {
			w.operator.unsure = append(w.operator.unsure, m.GetRaftId())
		}
	}
	switch {
	case a.kind == adminFailover:
		w.servers.asks = false
	case a.kind == adminTransfer && r.Code == core.OK:
		w.marks.add(markTransferred)
	case a.kind == adminTransfer:
		w.marks.add(markTransferFailed)
	case a.kind == adminReplace && r.Code == core.OK:
		w.marks.add(markReplacedBy)
	case a.kind == adminRemove && r.Code == core.OK && q.node.members.Node(a.target.id) == nil:
		w.marks.add(markRemoved)
	case a.kind == adminAdd && r.Code == core.OK:
		w.marks.add(markMemberAdded)
	}
}

// mayLose says whether the cluster outlives that n's replica is lost for good:
// no change is under way, every voter's replica but few is sound, and those
// left are still a quorum, and know that they are. A member goes by the newest
// membership that it knows to be committed, so until a change has reached the
// others, those who made it are needed.
func (w *World) mayLose(n *node) bool {
	if len(w.operator.asked) > 0 || !w.operator.formed || !w.checks.membershipRests() {
		return false
	}
	for _, id := range w.operator.unsure {
		if w.checks.newest.Get(id) != nil {
			return false
		}
	}
	for _, m := range w.checks.newest.List {
		if x := w.nodes[core.NodeID(m.GetRaftId())-1]; x != n && x.disk.dir.commit() < w.checks.newestAt {
			return false
		}
	}
	voters, sound := w.count(n)
	return sound >= core.Majority(voters)
}

// soundWithout says whether the voters beside n are still a quorum once it is
// none: people look before they remove a member.
func (w *World) soundWithout(n *node) bool {
	voters, sound := w.count(n)
	if m := w.checks.newest.Node(n.id); m != nil && m.GetRole() != corepb.Role_LEAVING {
		voters--
	}
	return sound >= core.Majority(voters)
}

// count is how many are not leaving, and how many of them have their replica
// whole, n not counted among the latter.
func (w *World) count(n *node) (voters, sound int) {
	for _, m := range w.checks.newest.List {
		if m.GetRole() != corepb.Role_VOTER {
			if m.GetRole() == corepb.Role_JOINING {
				voters++ // it is to be one
			}
			continue
		}
		voters++
		x := w.nodes[core.NodeID(m.GetRaftId())-1]
		d := x.disk.dir
		if x != n && x.state != broken && !x.warned && d.last() >= d.had && d.corrupt == "" && d.hasIdentity && d.identity.RaftID == m.GetRaftId() &&
			string(d.identity.ReplicaUUID[:]) == string(m.GetReplicaUuid()) {
			sound++
		}
	}
	return voters, sound
}
