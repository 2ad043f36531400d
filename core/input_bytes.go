package core

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// inputBytes appends the fields of a corepb.Input's body, as protobuf does: none
// that is zero.
type inputBytes []byte

func (b *inputBytes) number(field protowire.Number, v uint64) {
	if v != 0 {
		*b = protowire.AppendVarint(protowire.AppendTag(*b, field, protowire.VarintType), v)
	}
}

func (b *inputBytes) bytes(field protowire.Number, v []byte) {
	if len(v) > 0 {
		*b = protowire.AppendBytes(protowire.AppendTag(*b, field, protowire.BytesType), v)
	}
}

// EncodeInput appends in to b, as a corepb.Input: the bytes that protobuf
// writes, without its allocations. They depend on in alone.
func EncodeInput(b []byte, in Input) []byte {
	at := len(b) + 2
	x := inputBytes(append(b, 0, 0)) // for the kind and a short length
	kind := x.body(in)
	n := len(x) - at
	head := protowire.SizeTag(kind) + protowire.SizeVarint(uint64(n))
	for range head - 2 {
		x = append(x, 0)
	}
	if head > 2 {
		copy(x[at-2+head:], x[at:at+n])
	}
	protowire.AppendVarint(protowire.AppendTag(x[:at-2], kind, protowire.BytesType), uint64(n))
	return x
}

// body appends the fields of in and returns the number of its kind.
func (b *inputBytes) body(in Input) protowire.Number {
	switch in := in.(type) {
	case Tick:
		return 1
	case Receive:
		b.number(1, in.From)
		b.bytes(2, in.Data)
		return 2
	case Propose:
		b.number(1, in.ID)
		b.bytes(2, in.RequestID[:])
		b.bytes(3, in.Data)
		return 3
	case AddNode:
		b.number(1, in.ID)
		b.number(2, uint64(in.NodeID))
		b.bytes(3, []byte(in.Address))
		b.number(4, uint64(in.Port))
		b.bytes(5, in.ReplicaUUID[:])
		b.number(6, uint64(in.Newest))
		return 4
	case RemoveNode:
		b.number(1, in.ID)
		b.number(2, uint64(in.NodeID))
		return 5
	case ReplaceNode:
		b.number(1, in.ID)
		b.number(2, uint64(in.OldNodeID))
		b.number(3, uint64(in.NodeID))
		b.bytes(4, []byte(in.Address))
		b.number(5, uint64(in.Port))
		b.bytes(6, in.ReplicaUUID[:])
		b.number(7, uint64(in.Newest))
		return 6
	case TransferLeader:
		b.number(1, in.ID)
		b.number(2, uint64(in.NodeID))
		return 7
	case ReadBarrier:
		b.number(1, in.ID)
		return 8
	case ConfirmLeader:
		b.number(1, in.ID)
		return 9
	case WaitApplied:
		b.number(1, in.ID)
		b.number(2, in.Index)
		return 10
	case Cancel:
		b.number(1, in.ID)
		return 11
	case Persisted:
		b.number(1, in.Seq)
		return 12
	case Applied:
		b.number(1, in.Index)
		return 13
	case PeerUnreachable:
		b.number(1, in.RaftID)
		return 14
	case SnapshotSent:
		b.number(1, in.RaftID)
		b.number(2, protowire.EncodeBool(in.OK))
		return 15
	case RemovedByPeer:
		return 16
	case DiskFull:
		b.number(1, protowire.EncodeBool(in.Full))
		return 20
	}
	panic(fmt.Sprintf("unknown input %T", in))
}

// DecodeInput reads what EncodeInput wrote. The input shares no memory with b.
// Bytes of another version, or damaged ones, are an error.
func DecodeInput(b []byte) (Input, error) {
	var m corepb.Input
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("core: input of %d bytes: %w", len(b), err)
	}
	if len(m.ProtoReflect().GetUnknown()) > 0 {
		return nil, errors.New("core: input with fields of another version")
	}
	switch x := m.GetBody().(type) {
	case *corepb.Input_Tick_:
		return Tick{}, nil
	case *corepb.Input_Receive_:
		return Receive{From: x.Receive.GetFrom(), Data: x.Receive.GetData()}, nil
	case *corepb.Input_Propose_:
		p := x.Propose
		id, err := uuid(p.GetRequestId())
		return Propose{ID: p.GetId(), RequestID: id, Data: p.GetData()}, err
	case *corepb.Input_AddNode_:
		a := x.AddNode
		id, err := uuid(a.GetReplicaUuid())
		return AddNode{ID: a.GetId(), NodeID: a.GetNodeId(), Address: string(a.GetAddress()), Port: a.GetPort(), ReplicaUUID: id, Newest: a.GetNewest()}, err
	case *corepb.Input_RemoveNode_:
		return RemoveNode{ID: x.RemoveNode.GetId(), NodeID: x.RemoveNode.GetNodeId()}, nil
	case *corepb.Input_ReplaceNode_:
		r := x.ReplaceNode
		id, err := uuid(r.GetReplicaUuid())
		return ReplaceNode{ID: r.GetId(), OldNodeID: r.GetOldNodeId(), NodeID: r.GetNodeId(), Address: string(r.GetAddress()), Port: r.GetPort(), ReplicaUUID: id, Newest: r.GetNewest()}, err
	case *corepb.Input_TransferLeader_:
		return TransferLeader{ID: x.TransferLeader.GetId(), NodeID: x.TransferLeader.GetNodeId()}, nil
	case *corepb.Input_ReadBarrier_:
		return ReadBarrier{ID: x.ReadBarrier.GetId()}, nil
	case *corepb.Input_ConfirmLeader_:
		return ConfirmLeader{ID: x.ConfirmLeader.GetId()}, nil
	case *corepb.Input_WaitApplied_:
		return WaitApplied{ID: x.WaitApplied.GetId(), Index: x.WaitApplied.GetIndex()}, nil
	case *corepb.Input_Cancel_:
		return Cancel{ID: x.Cancel.GetId()}, nil
	case *corepb.Input_Persisted_:
		return Persisted{Seq: x.Persisted.GetSeq()}, nil
	case *corepb.Input_Applied_:
		return Applied{Index: x.Applied.GetIndex()}, nil
	case *corepb.Input_PeerUnreachable_:
		return PeerUnreachable{RaftID: x.PeerUnreachable.GetRaftId()}, nil
	case *corepb.Input_SnapshotSent_:
		return SnapshotSent{RaftID: x.SnapshotSent.GetRaftId(), OK: x.SnapshotSent.GetOk()}, nil
	case *corepb.Input_DiskFull_:
		return DiskFull{Full: x.DiskFull.GetFull()}, nil
	case *corepb.Input_RemovedByPeer_:
		return RemovedByPeer{}, nil
	}
	return nil, fmt.Errorf("core: input of %d bytes is none known here", len(b))
}

func uuid(b []byte) ([16]byte, error) {
	if len(b) != 16 {
		return [16]byte{}, fmt.Errorf("core: input with an id of %d bytes", len(b))
	}
	return [16]byte(b), nil
}
