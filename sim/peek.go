package sim

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
)

// wireInfo is what the simulator wants to know of a message. It reads the few
// fields it needs: decoding all of every message would cost more than the
// checks on them.
type wireInfo struct {
	body    protowire.Number // of the envelope's oneof
	kind    pb.MessageType   // raft only, as are all below
	term    uint64
	logTerm uint64
	index   uint64
	commit  uint64
	entries int
	reject  bool
	promise uint64 // milliseconds, beside a MsgHeartbeatResp
	handed  bool   // a vote asked for because leadership is handed over
	need    uint64 // of an ApplyNeeds
	more    int    // commands of a Forward, or answers of a ForwardReply, beside the first
	// How often the sender's database had gone back by then, and its life.
	restores, life uint32
}

const (
	bodyRaft         protowire.Number = 3
	bodyForward      protowire.Number = 4
	bodyForwardReply protowire.Number = 5
	bodyRemoved      protowire.Number = 6
	bodyRemoveMe     protowire.Number = 7
	bodyReadRequest  protowire.Number = 8
	bodyReadReply    protowire.Number = 9
	lastBody                          = bodyReadReply
	bodyLostData     protowire.Number = 20

	bodyHistoryRequest protowire.Number = 13
	bodyHistory        protowire.Number = 14
	bodyApplyNeeds     protowire.Number = 15
	bodyStateRequest   protowire.Number = 16
	bodyState          protowire.Number = 17

	leasePromise protowire.Number = 11

	// transferContext is the library's campaignTransfer.
	transferContext = "CampaignTransfer"
)

// peek reads an encoded corepb.Envelope.
func peek(data []byte) (i wireInfo) {
	scan(data, func(num protowire.Number, v uint64, b []byte) {
		if num >= bodyRaft && num <= lastBody || num == bodyLostData || num >= bodyHistoryRequest && num <= bodyState {
			i.body = num
		}
		switch num {
		case bodyRaft:
			scan(b, i.field)
		case bodyForward:
			i.more = count(b, 2)
		case bodyForwardReply:
			i.more = count(b, 5)
		case bodyApplyNeeds:
			scan(b, func(num protowire.Number, v uint64, _ []byte) {
				if num == 1 {
					i.need = v
				}
			})
		case leasePromise:
			scan(b, func(num protowire.Number, v uint64, _ []byte) {
				if num == 2 {
					i.promise = v
				}
			})
		}
	})
	return i
}

// count is how often a field is in data.
func count(data []byte, field protowire.Number) (n int) {
	scan(data, func(num protowire.Number, _ uint64, _ []byte) {
		if num == field {
			n++
		}
	})
	return n
}

// isHeard says that the message is a sign of its sender's part in consensus: what it
// says of lost data is none, and neither is what its database needs.
func (i *wireInfo) isHeard() bool {
	return i.body != bodyLostData && (i.body < bodyHistoryRequest || i.body > bodyState)
}

func (i *wireInfo) field(num protowire.Number, v uint64, b []byte) {
	switch num {
	case 1:
		i.kind = pb.MessageType(v)
	case 4:
		i.term = v
	case 5:
		i.logTerm = v
	case 6:
		i.index = v
	case 7:
		i.entries++
	case 8:
		i.commit = v
	case 10:
		i.reject = v != 0
	case 12:
		i.handed = string(b) == transferContext
	}
}

// scan calls f for every field: v for a number, b for bytes.
func scan(data []byte, f func(num protowire.Number, v uint64, b []byte)) {
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return
		}
		data = data[n:]
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return
			}
			f(num, v, nil)
			data = data[n:]
		case protowire.BytesType:
			b, n := protowire.ConsumeBytes(data)
			if n < 0 {
				return
			}
			f(num, 0, b)
			data = data[n:]
		default:
			n := protowire.ConsumeFieldValue(num, typ, data)
			if n < 0 {
				return
			}
			data = data[n:]
		}
	}
}

func (i wireInfo) String() string {
	switch i.body {
	case bodyRaft:
	case bodyForward:
		return "Forward"
	case bodyForwardReply:
		return "ForwardReply"
	case bodyRemoved:
		return "Removed"
	case bodyRemoveMe:
		return "RemoveMe"
	case bodyReadRequest:
		return "ReadRequest"
	case bodyReadReply:
		return "ReadReply"
	case bodyLostData:
		return "LostData"
	case bodyHistoryRequest:
		return "HistoryRequest"
	case bodyHistory:
		return "History"
	case bodyApplyNeeds:
		return fmt.Sprintf("ApplyNeeds from %d", i.need)
	case bodyStateRequest:
		return "TableStateRequest"
	case bodyState:
		return "TableState"
	default:
		return fmt.Sprintf("body %d", i.body)
	}
	s := fmt.Sprintf("%v term %d", i.kind, i.term)
	switch i.kind {
	case pb.MsgApp, pb.MsgAppResp, pb.MsgVote, pb.MsgPreVote:
		s += fmt.Sprintf(" index %d", i.index)
	}
	if i.entries > 0 {
		s += fmt.Sprintf(" +%d", i.entries)
	}
	if i.reject {
		s += " reject"
	}
	return s
}
