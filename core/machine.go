package core

import (
	"fmt"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// machine is the replicated state machine: who the members are and which
// request ids are committed. It is the same on every node at the same index,
// because only applied entries change it. User data passes through it.
type machine struct {
	index, term uint64 // of the last entry applied
	conf        *pb.ConfState
	members     Members
	requestIDs  requestIDs
	failover    failover.State
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
		requestIDs: m.requestIDs.none(),
	}
	copy(m.members.ClusterUUID[:], st.GetClusterUuid())
	var err error
	if m.failover, err = failover.UnmarshalState(st.GetFailover()); err != nil {
		return fmt.Errorf("snapshot at index %d: %w", m.index, err)
	}
	for _, r := range st.GetRequests() {
		if len(r.GetRequestId()) != 16 {
			return fmt.Errorf("request id of %d bytes in the snapshot at index %d", len(r.GetRequestId()), m.index)
		}
		m.requestIDs.add([16]byte(r.GetRequestId()), place{r.GetIndex(), r.GetTerm()})
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
		Failover:        m.failover.Marshal(),
	}
	requestIDs := m.requestIDs.encode()
	return &pb.Snapshot{Data: slices.Concat(marshal(state), requestIDs), Metadata: &pb.SnapshotMetadata{
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
	first     bool  // the request id was new, and the command a user's
	at        place // where the request id is, this entry's place if first
	expired   bool  // too old to tell whether it is new: changed nothing
	change    *corepb.MemberChange
	refused   string // why the change was not made
	jointLeft bool   // the library's entry that ends a joint configuration
	raised    bool   // the cluster version was
	failover  bool   // it is an entry of package failover, an operator's where isCommand is set
	void      failover.Void
}

// apply takes the next committed entry. conf makes a membership change in the
// library; it is called only for one that the machine accepts.
func (m *machine) apply(e *pb.Entry, conf func(*pb.ConfChangeV2) *pb.ConfState) applied {
	if e.GetIndex() != m.index+1 {
		panic(fmt.Sprintf("entry %d applied after %d", e.GetIndex(), m.index))
	}
	m.index, m.term = e.GetIndex(), e.GetTerm()
	m.requestIDs.forget(m.index)
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
	if len(cmd.failover) > 0 && !cmd.asked {
		return m.applyFailover(cmd.failover)
	}
	a := applied{isCommand: true, requestID: cmd.requestID}
	if at, ok := m.requestIDs.find(a.requestID); ok {
		a.at = at
		return a
	}
	if m.index > cmd.since+m.requestIDs.window {
		a.expired = true
		return a
	}
	a.at = place{m.index, m.term}
	m.requestIDs.add(a.requestID, a.at)
	if len(cmd.failover) > 0 {
		a.failover, a.void = true, m.applyFailover(cmd.failover).void
		return a
	}
	a.first, a.user = true, cmd.data
	return a
}

// replay applies a whole log to the state before it.
func replay(log *tail, newest uint32) (*machine, error) {
	m := &machine{requestIDs: requestIDs{window: requestWindow}}
	if err := m.restore(log.marks[0]); err != nil {
		return nil, err
	}
	for _, e := range log.entries {
		if err := checkEntry(e, newest); err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.GetIndex(), err)
		}
		m.apply(e, func(*pb.ConfChangeV2) *pb.ConfState { return m.conf })
	}
	return m, nil
}
