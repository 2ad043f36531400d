package core

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
)

// inputField is one field of a corepb.Input's body: bytes if b is not nil,
// otherwise a number.
type inputField struct {
	v uint64
	b []byte
}

// inputFields are the fields of one input, the first with number 1.
type inputFields [6]inputField

// EncodeInput appends in to b, as a corepb.Input: the bytes that protobuf
// writes, without its allocations. They depend on in alone.
func EncodeInput(b []byte, in Input) []byte {
	var f inputFields
	number := f.fill(in)
	size := 0
	for i, x := range f {
		switch {
		case len(x.b) > 0:
			size += protowire.SizeTag(protowire.Number(i+1)) + protowire.SizeBytes(len(x.b))
		case x.v != 0:
			size += protowire.SizeTag(protowire.Number(i+1)) + protowire.SizeVarint(x.v)
		}
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.BytesType), uint64(size))
	for i, x := range f {
		switch {
		case len(x.b) > 0:
			b = protowire.AppendBytes(protowire.AppendTag(b, protowire.Number(i+1), protowire.BytesType), x.b)
		case x.v != 0:
			b = protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(i+1), protowire.VarintType), x.v)
		}
	}
	return b
}

// fill sets the fields of in and returns the number of its kind.
func (f *inputFields) fill(in Input) protowire.Number {
	switch in := in.(type) {
	case Tick:
		return 1
	case Receive:
		f[0].v, f[1].b = in.From, in.Data
		return 2
	case Propose:
		f[0].v, f[1].b, f[2].b = in.ID, in.RequestID[:], in.Data
		return 3
	case AddNode:
		f[0].v, f[1].v, f[2].b, f[3].v, f[4].b = in.ID, uint64(in.NodeID), []byte(in.Address), uint64(in.Port), in.ReplicaUUID[:]
		return 4
	case RemoveNode:
		f[0].v, f[1].v = in.ID, uint64(in.NodeID)
		return 5
	case ReplaceNode:
		f[0].v, f[1].v, f[2].v = in.ID, uint64(in.OldNodeID), uint64(in.NodeID)
		f[3].b, f[4].v, f[5].b = []byte(in.Address), uint64(in.Port), in.ReplicaUUID[:]
		return 6
	case TransferLeader:
		f[0].v, f[1].v = in.ID, uint64(in.NodeID)
		return 7
	case ReadBarrier:
		f[0].v = in.ID
		return 8
	case ConfirmLeader:
		f[0].v = in.ID
		return 9
	case WaitApplied:
		f[0].v, f[1].v = in.ID, in.Index
		return 10
	case Cancel:
		f[0].v = in.ID
		return 11
	case Persisted:
		f[0].v = in.Seq
		return 12
	case Applied:
		f[0].v = in.Index
		return 13
	case PeerUnreachable:
		f[0].v = in.RaftID
		return 14
	case SnapshotSent:
		f[0].v, f[1].v = in.RaftID, protowire.EncodeBool(in.OK)
		return 15
	case RemovedByPeer:
		return 16
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
		return AddNode{ID: a.GetId(), NodeID: a.GetNodeId(), Address: string(a.GetAddress()), Port: a.GetPort(), ReplicaUUID: id}, err
	case *corepb.Input_RemoveNode_:
		return RemoveNode{ID: x.RemoveNode.GetId(), NodeID: x.RemoveNode.GetNodeId()}, nil
	case *corepb.Input_ReplaceNode_:
		r := x.ReplaceNode
		id, err := uuid(r.GetReplicaUuid())
		return ReplaceNode{ID: r.GetId(), OldNodeID: r.GetOldNodeId(), NodeID: r.GetNodeId(), Address: string(r.GetAddress()), Port: r.GetPort(), ReplicaUUID: id}, err
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
