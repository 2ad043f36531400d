package core

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// machine is the replicated state machine: who the members are and which
// request ids are committed. It is the same on every node at the same index,
// because only applied entries change it. User data passes through it.
type machine struct {
	index, term uint64 // of the last entry applied
	conf        *pb.ConfState
	members     Members
	requests    requests
}

// restore replaces the machine by what a snapshot holds.
func (m *machine) restore(s *pb.Snapshot) error {
	var st corepb.State
	if err := unmarshal(s.GetData(), &st); err != nil {
		return fmt.Errorf("state in the snapshot at index %d: %w", s.GetMetadata().GetIndex(), err)
	}
	*m = machine{
		index: s.GetMetadata().GetIndex(), term: s.GetMetadata().GetTerm(),
		conf: s.GetMetadata().GetConfState(),
		members: Members{LastIncarnation: uint32(st.GetLastIncarnation()), List: st.GetMembers(),
			Version: max(st.GetClusterVersion(), OldestVersion)},
		requests: requests{byID: map[[16]byte]place{}, window: m.requests.window},
	}
	copy(m.members.ClusterUUID[:], st.GetClusterUuid())
	for _, r := range st.GetRequests() {
		if len(r.GetRequestId()) != 16 {
			return fmt.Errorf("request id of %d bytes in the snapshot at index %d", len(r.GetRequestId()), m.index)
		}
		m.requests.add([16]byte(r.GetRequestId()), place{r.GetIndex(), r.GetTerm()})
	}
	return nil
}

// snapshot is the machine as it is now.
func (m *machine) snapshot() *pb.Snapshot {
	state := &corepb.State{
		ClusterUuid:     m.members.ClusterUUID[:],
		LastIncarnation: uint64(m.members.LastIncarnation),
		Members:         m.members.List,
		ClusterVersion:  m.needs(),
	}
	requests := m.requests.encode()
	return &pb.Snapshot{Data: slices.Concat(marshal(state), requests), Metadata: &pb.SnapshotMetadata{
		ConfState: m.conf, Index: new(m.index), Term: new(m.term)}}
}

// needs is the version that whoever reads the machine's snapshot has to know; 0: all do.
func (m *machine) needs() uint32 {
	if m.members.Version > OldestVersion {
		return m.members.Version
	}
	return 0
}

// applied is what an entry did.
type applied struct {
	user      []byte // the user's data, when first is set
	requestID [16]byte
	isCommand bool
	first     bool  // the request id was new
	at        place // where the request id is, this entry's place if first
	expired   bool  // too old to tell whether it is new: changed nothing
	change    *corepb.MemberChange
	refused   string // why the change was not made
	jointLeft bool   // the library's entry that ends a joint configuration
	raised    bool   // the cluster version was
}

// apply takes the next committed entry. conf makes a membership change in the
// library; it is called only for one that the machine accepts.
func (m *machine) apply(e *pb.Entry, conf func(*pb.ConfChangeV2) *pb.ConfState) applied {
	if e.GetIndex() != m.index+1 {
		panic(fmt.Sprintf("entry %d applied after %d", e.GetIndex(), m.index))
	}
	m.index, m.term = e.GetIndex(), e.GetTerm()
	m.requests.forget(m.index)
	switch {
	case e.GetType() == pb.EntryConfChangeV2:
		return m.applyChange(e, conf)
	case e.GetType() != pb.EntryNormal:
		panic(fmt.Sprintf("entry %d has type %v, which pgraft never writes", m.index, e.GetType()))
	case len(e.GetData()) == 0: // a new leader's first entry
		return applied{}
	}
	cmd, err := decodeCommand(e.GetData())
	if err != nil {
		panic(fmt.Sprintf("committed entry %d: %v", m.index, err))
	}
	if cmd.version != 0 {
		raised := cmd.version > m.members.Version
		m.members.Version = max(m.members.Version, cmd.version)
		return applied{raised: raised}
	}
	a := applied{isCommand: true, requestID: cmd.request}
	if at, ok := m.requests.byID[a.requestID]; ok {
		a.at = at
		return a
	}
	if m.index > cmd.since+m.requests.window {
		a.expired = true
		return a
	}
	a.first, a.at, a.user = true, place{m.index, m.term}, cmd.data
	m.requests.add(a.requestID, a.at)
	return a
}

// command is a corepb.Command as it lies in an entry: data shares its memory,
// which never changes.
type command struct {
	request [16]byte
	since   uint64
	data    []byte
	version uint32 // of the cluster, from here on; nothing else is set then
}

// decodeCommand reads a corepb.Command without allocating: every entry is looked
// at more than once on every node.
func decodeCommand(b []byte) (command, error) {
	var c command
	var request []byte
	var version uint64
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return c, errors.New("not a command")
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.BytesType:
			request, n = protowire.ConsumeBytes(b)
		case num == 2 && typ == protowire.VarintType:
			c.since, n = protowire.ConsumeVarint(b)
		case num == 3 && typ == protowire.BytesType:
			c.data, n = protowire.ConsumeBytes(b)
		case num == 4 && typ == protowire.VarintType:
			version, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return c, errors.New("not a command")
		}
		b = b[n:]
	}
	if version != 0 {
		if len(request) > 0 || len(c.data) > 0 || version > math.MaxUint32 {
			return c, fmt.Errorf("cluster version %d with a request id of %d bytes and %d bytes of data", version, len(request), len(c.data))
		}
		c.version = uint32(version)
		return c, nil
	}
	if copy(c.request[:], request) != len(c.request) || len(request) != len(c.request) {
		return c, fmt.Errorf("command with a request id of %d bytes", len(request))
	}
	return c, nil
}

// UserData returns the user's bytes in a log entry; ok is false for entries of
// Raft's own and pgraft's (a new leader's first, membership, cluster version).
func UserData(e Entry) (data []byte, ok bool, err error) {
	if e.Kind != EntryNormal || len(e.Data) == 0 {
		return nil, false, nil
	}
	cmd, err := decodeCommand(e.Data)
	if err != nil {
		return nil, false, fmt.Errorf("core: entry %d: %w", e.Index, err)
	}
	return cmd.data, cmd.version == 0, nil
}

// applyChange makes a membership change, or refuses one that no longer fits:
// a proposal made under an older view. All nodes decide alike.
func (m *machine) applyChange(e *pb.Entry, conf func(*pb.ConfChangeV2) *pb.ConfState) applied {
	cc, ch, err := decodeChange(e.GetData())
	if err != nil {
		panic(fmt.Sprintf("committed entry %d: %v", m.index, err))
	}
	if ch == nil {
		return applied{jointLeft: m.leaveJoint(conf)}
	}
	if ch.GetStep() == corepb.MemberChange_RECOVER {
		m.applyRecovery(ch, conf)
		return applied{change: ch}
	}
	id := ch.GetMember().GetRaftId()
	a := applied{change: ch}
	list := slices.Clone(m.members.List)
	i := slices.IndexFunc(list, func(x *corepb.Member) bool { return x.GetRaftId() == id })
	switch {
	case ch.GetStep() == corepb.MemberChange_ADD:
		if i >= 0 || m.members.Node(NodeID(id)) != nil || Incarnation(id) <= m.members.LastIncarnation {
			a.refused = fmt.Sprintf("node %d or its incarnation %d is taken", NodeID(id), Incarnation(id))
			return a
		}
		m.members.LastIncarnation = Incarnation(id)
		list = append(list, ch.GetMember())
		sortMembers(list)
	case i < 0:
		a.refused = fmt.Sprintf("node %d is not a member", NodeID(id))
		return a
	case ch.GetStep() == corepb.MemberChange_REMOVE:
		list = slices.Delete(list, i, i+1)
	case ch.GetStep() == corepb.MemberChange_REPLACE && applyReplace(list, i):
	case ch.GetStep() == corepb.MemberChange_PROMOTE && list[i].GetRole() == corepb.Role_JOINING:
		list[i] = withRole(list[i], corepb.Role_VOTER)
	case ch.GetStep() == corepb.MemberChange_DEMOTE && list[i].GetRole() == corepb.Role_VOTER:
		list[i] = withRole(list[i], corepb.Role_LEAVING)
	case ch.GetStep() == corepb.MemberChange_DEMOTE && list[i].GetRole() == corepb.Role_JOINING:
		list[i] = withRole(list[i], corepb.Role_LEAVING)
	default:
		a.refused = fmt.Sprintf("%v of node %d, which is %v", ch.GetStep(), NodeID(id), list[i].GetRole())
		return a
	}
	m.conf = conf(cc)
	m.members.List = list
	return a
}

func withRole(m *corepb.Member, r corepb.Role) *corepb.Member {
	n := proto.Clone(m).(*corepb.Member)
	n.Role, n.Replaces = r, 0
	return n
}

// leaveJoint ends a joint configuration; false if there is none.
func (m *machine) leaveJoint(conf func(*pb.ConfChangeV2) *pb.ConfState) bool {
	if len(m.conf.GetVotersOutgoing()) == 0 {
		return false
	}
	m.conf = conf(&pb.ConfChangeV2{})
	return true
}

// FoundingIndex is where every log begins: no entry has it, but the snapshot that
// Bootstrap makes.
const FoundingIndex = 1

// FoundingTerm is that snapshot's term.
const FoundingTerm = 1

// Bootstrap is the durable state that a one-node cluster is founded with: a
// snapshot at FoundingIndex that makes id its only voter, at the given cluster version:
// the newest that its build knows. The batch that stores it has that Persist.Version.
func Bootstrap(id Identity, address string, port uint32, version uint32) Durable {
	m := machine{index: FoundingIndex, term: FoundingTerm, conf: &pb.ConfState{Voters: []uint64{id.RaftID}},
		members: Members{ClusterUUID: id.ClusterUUID, LastIncarnation: Incarnation(id.RaftID), Version: version,
			List: []*corepb.Member{{RaftId: id.RaftID, Address: address, Port: port,
				ReplicaUuid: bytes.Clone(id.ReplicaUUID[:]), Role: corepb.Role_VOTER}}}}
	return Durable{Snapshot: fromRaftSnapshot(m.snapshot()), HardState: HardState{Term: FoundingTerm, Commit: FoundingIndex}}
}

// voters calls f with the voters of each of the configuration's quorums: one,
// or two while it is joint.
func (m *machine) voters(f func([]uint64)) {
	f(m.conf.GetVoters())
	if out := m.conf.GetVotersOutgoing(); len(out) > 0 {
		f(out)
	}
}

// isVoter says whether id counts in some quorum.
func (m *machine) isVoter(id uint64) bool {
	found := false
	m.voters(func(v []uint64) { found = found || slices.Contains(v, id) })
	return found
}

// refusedByLibrary matches an entry that the library made empty in place of a
// membership change that it would not append.
func refusedByLibrary(e *pb.Entry) bool {
	return e.GetType() == pb.EntryNormal && len(e.GetData()) == 0
}

var _ raft.Logger = silent{}
