package core

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// inputBytes appends the fields of a corepb.Input's body, as protobuf does: none
// that is zero.
type inputBytes []byte

func (b *inputBytes) number(field protowire.Number, v uint64) {
	if v != 0 {
		b.always(field, v)
	}
}

// always appends a number, be it zero.
func (b *inputBytes) always(field protowire.Number, v uint64) {
	tag := protowire.EncodeTag(field, protowire.VarintType)
	if tag|v < 0x80 { // a byte each, as nearly all are
		*b = append(*b, byte(tag), byte(v))
		return
	}
	b.varint(tag)
	b.varint(v)
}

// varint is protowire.AppendVarint in place: it writes no pointer.
func (b *inputBytes) varint(v uint64) {
	for ; v >= 0x80; v >>= 7 {
		*b = append(*b, byte(v)|0x80)
	}
	*b = append(*b, byte(v))
}

func (b *inputBytes) bytes(field protowire.Number, v []byte) {
	if len(v) > 0 {
		b.head(field, len(v))
		*b = append(*b, v...)
	}
}

// head begins a message, or bytes, of length n.
func (b *inputBytes) head(field protowire.Number, n int) {
	b.varint(protowire.EncodeTag(field, protowire.BytesType))
	b.varint(uint64(n))
}

// entry appends a corepb.LogEntry.
func (b *inputBytes) entry(field protowire.Number, e *Entry) {
	b.head(field, numberSize(uint64(e.Kind))+numberSize(e.Term)+numberSize(e.Index)+bytesSize(e.Data))
	b.number(1, uint64(e.Kind))
	b.number(2, e.Term)
	b.number(3, e.Index)
	b.bytes(4, e.Data)
}

// input appends a corepb.Input.
func (b *inputBytes) input(field protowire.Number, in Input) {
	*b = protowire.AppendTag(*b, field, protowire.BytesType)
	at := len(*b)
	*b = EncodeInput(append(*b, 0), in)
	n := len(*b) - at - 1
	for range protowire.SizeVarint(uint64(n)) - 1 {
		*b = append(*b, 0)
	}
	if head := protowire.SizeVarint(uint64(n)); head > 1 {
		copy((*b)[at+head:], (*b)[at+1:at+1+n])
	}
	protowire.AppendVarint((*b)[:at], uint64(n))
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
		b.number(2, in.First)
		return 12
	case Applied:
		b.number(1, in.Index)
		return 13
	case PeerUnreachable:
		b.number(1, in.RaftID)
		return 14
	case PeerClosed:
		b.number(1, in.RaftID)
		b.number(2, protowire.EncodeBool(in.Closed))
		return 29
	case SnapshotSent:
		b.number(1, in.RaftID)
		b.number(2, protowire.EncodeBool(in.OK))
		return 15
	case RemovedByPeer:
		return 16
	case Stop:
		return 28
	case DiskFull:
		b.number(1, protowire.EncodeBool(in.Full))
		return 20
	case Needs:
		b.number(1, in.From)
		b.number(2, protowire.EncodeBool(in.Importable))
		return 22
	case FetchHistory:
		b.number(1, in.ID)
		b.number(2, in.After)
		b.number(3, in.Last)
		return 23
	case HistoryRead:
		b.number(1, in.Ticket)
		b.number(2, in.First)
		for i := range in.Entries {
			b.entry(3, &in.Entries[i])
		}
		b.number(4, protowire.EncodeBool(in.Failed))
		return 24
	case FetchState:
		b.number(1, in.ID)
		return 25
	case Exported:
		b.number(1, in.Ticket)
		b.number(2, in.Size)
		return 26
	case FailoverServer:
		*b = append(*b, in.Server.Marshal()...)
		return 30
	case FailoverPort:
		b.number(1, in.Port.Member)
		b.number(2, in.Port.Epoch)
		b.number(3, protowire.EncodeBool(in.Port.Answers))
		b.number(4, protowire.EncodeBool(in.Port.Refuses))
		b.number(5, protowire.EncodeBool(in.Port.Reset))
		return 31
	case FailoverCompared:
		b.number(1, in.Compared.Member)
		b.number(2, in.Compared.Boot)
		b.number(3, protowire.EncodeBool(in.Compared.Have))
		b.number(4, protowire.EncodeBool(in.Compared.Equal))
		return 32
	case FailoverJoin:
		b.number(1, uint64(in.Joining))
		return 34
	case ProposeFailover:
		b.number(1, in.ID)
		b.bytes(2, failover.Marshal(in.Entry))
		b.bytes(3, in.RequestID[:])
		return 33
	case Batch:
		for _, in := range in.Inputs {
			b.input(1, in)
		}
		return 27
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
	if x, ok := m.GetBody().(*corepb.Input_Batch_); ok {
		return decodeBatch(x.Batch)
	}
	return decodeInput(&m)
}

func decodeBatch(m *corepb.Input_Batch) (Input, error) {
	n := len(m.GetInputs())
	if n == 0 || n > MaxBatchInputs {
		return nil, fmt.Errorf("core: batch of %d inputs", n)
	}
	b := Batch{make([]Input, n)}
	for i, x := range m.GetInputs() {
		in, err := decodeInput(x)
		if err != nil {
			return nil, fmt.Errorf("core: input %d of a batch: %w", i+1, err)
		}
		if !mayBeInBatch(in) {
			return nil, fmt.Errorf("core: %T in a batch", in)
		}
		b.Inputs[i] = in
	}
	return b, nil
}

// decodeInput reads every input but a Batch.
func decodeInput(m *corepb.Input) (Input, error) {
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
		return Persisted{Seq: x.Persisted.GetSeq(), First: x.Persisted.GetFirst()}, nil
	case *corepb.Input_Applied_:
		return Applied{Index: x.Applied.GetIndex()}, nil
	case *corepb.Input_PeerUnreachable_:
		return PeerUnreachable{RaftID: x.PeerUnreachable.GetRaftId()}, nil
	case *corepb.Input_PeerClosed_:
		return PeerClosed{RaftID: x.PeerClosed.GetRaftId(), Closed: x.PeerClosed.GetClosed()}, nil
	case *corepb.Input_SnapshotSent_:
		return SnapshotSent{RaftID: x.SnapshotSent.GetRaftId(), OK: x.SnapshotSent.GetOk()}, nil
	case *corepb.Input_DiskFull_:
		return DiskFull{Full: x.DiskFull.GetFull()}, nil
	case *corepb.Input_RemovedByPeer_:
		return RemovedByPeer{}, nil
	case *corepb.Input_Stop_:
		return Stop{}, nil
	case *corepb.Input_Needs_:
		return Needs{From: x.Needs.GetFrom(), Importable: x.Needs.GetImportable()}, nil
	case *corepb.Input_FetchHistory_:
		return FetchHistory{ID: x.FetchHistory.GetId(), After: x.FetchHistory.GetAfter(), Last: x.FetchHistory.GetLast()}, nil
	case *corepb.Input_HistoryRead_:
		r := x.HistoryRead
		return HistoryRead{Ticket: r.GetTicket(), First: r.GetFirst(), Entries: logEntries(r.GetEntries()), Failed: r.GetFailed()}, nil
	case *corepb.Input_FetchState_:
		return FetchState{ID: x.FetchState.GetId()}, nil
	case *corepb.Input_Exported_:
		return Exported{Ticket: x.Exported.GetTicket(), Size: x.Exported.GetSize()}, nil
	case *corepb.Input_FailoverServer:
		v, err := failover.ServerFrom(x.FailoverServer)
		return FailoverServer{v}, err
	case *corepb.Input_FailoverPort_:
		p := x.FailoverPort
		return FailoverPort{failover.Port{Member: p.GetMember(), Epoch: p.GetEpoch(), Answers: p.GetAnswers(), Refuses: p.GetRefuses(), Reset: p.GetReset_()}}, nil
	case *corepb.Input_FailoverCompared_:
		p := x.FailoverCompared
		return FailoverCompared{failover.Compared{Member: p.GetMember(), Boot: p.GetBoot(), Have: p.GetHave(), Equal: p.GetEqual()}}, nil
	case *corepb.Input_FailoverJoin_:
		j := failover.Joining(x.FailoverJoin.GetJoining())
		if uint32(j) != x.FailoverJoin.GetJoining() || !j.Known() {
			return nil, fmt.Errorf("core: an operator asks servers to join in way %d", x.FailoverJoin.GetJoining())
		}
		return FailoverJoin{Joining: j}, nil
	case *corepb.Input_ProposeFailover_:
		e, err := failover.Unmarshal(x.ProposeFailover.GetEntry())
		if err != nil {
			return nil, err
		}
		id, err := uuid(x.ProposeFailover.GetRequestId())
		return ProposeFailover{ID: x.ProposeFailover.GetId(), RequestID: id, Entry: e}, err
	}
	return nil, errors.New("core: an input of a kind that is not known here")
}

func uuid(b []byte) ([16]byte, error) {
	if len(b) != 16 {
		return [16]byte{}, fmt.Errorf("core: input with an id of %d bytes", len(b))
	}
	return [16]byte(b), nil
}

// logEntries are es as the core and its host exchange them.
func logEntries(es []*corepb.LogEntry) []Entry {
	if len(es) == 0 {
		return nil
	}
	l := make([]Entry, len(es))
	for i, e := range es {
		l[i] = Entry{Index: e.GetIndex(), Term: e.GetTerm(), Kind: EntryKind(e.GetKind()), Data: e.GetData()}
	}
	return l
}
