package core

import (
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// rawNode is the library's node. It remembers that nothing was ready and that nothing has
// been done to it since: the library's own answer allocates, and a core asks it several
// times a step.
type rawNode struct {
	raw  *raft.RawNode
	idle bool       // nothing is ready; false: the library knows
	prop pb.Message // scratch space: the message of a proposal
}

func (n *rawNode) HasReady() bool {
	if !n.idle {
		n.idle = !n.raw.HasReady()
	}
	return !n.idle
}

func (n *rawNode) Ready() raft.Ready { return n.raw.Ready() }

func (n *rawNode) Step(m *pb.Message) error {
	n.idle = false
	return n.raw.Step(m)
}

func (n *rawNode) Tick() {
	n.idle = false
	n.raw.Tick()
}

// TickQuiesced makes nothing ready: it only counts.
func (n *rawNode) TickQuiesced() { n.raw.TickQuiesced() }

func (n *rawNode) Campaign() error {
	n.idle = false
	return n.raw.Campaign()
}

func (n *rawNode) ForgetLeader() error {
	n.idle = false
	return n.raw.ForgetLeader()
}

// Propose appends entries of the leader's at once, or none. The library keeps them and
// the list, and not the message around them: it forwards none, see Config.raft.
func (n *rawNode) Propose(entries []*pb.Entry) error {
	n.idle = false
	if n.prop.Type == nil {
		n.prop.Type = pb.MsgProp.Enum()
	}
	n.prop.Entries = entries
	err := n.raw.Step(&n.prop)
	n.prop.Entries = nil
	return err
}

func (n *rawNode) ProposeConfChange(cc pb.ConfChangeI) error {
	n.idle = false
	return n.raw.ProposeConfChange(cc)
}

func (n *rawNode) ApplyConfChange(cc pb.ConfChangeI) *pb.ConfState {
	n.idle = false
	return n.raw.ApplyConfChange(cc)
}

func (n *rawNode) ReadIndex(ctx []byte) {
	n.idle = false
	n.raw.ReadIndex(ctx)
}

func (n *rawNode) TransferLeader(to uint64) {
	n.idle = false
	n.raw.TransferLeader(to)
}

func (n *rawNode) ReportUnreachable(id uint64) {
	n.idle = false
	n.raw.ReportUnreachable(id)
}

func (n *rawNode) ReportSnapshot(id uint64, s raft.SnapshotStatus) {
	n.idle = false
	n.raw.ReportSnapshot(id, s)
}

// BasicStatus and WithProgress change nothing.
func (n *rawNode) BasicStatus() raft.BasicStatus { return n.raw.BasicStatus() }

func (n *rawNode) WithProgress(visit func(uint64, raft.ProgressType, tracker.Progress)) {
	n.raw.WithProgress(visit)
}
