package core

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pgraft/pgraft/core/corepb"
)

// incoming is the memory that messages are read into, one after the other. Nothing points
// to it between two inputs. What the library keeps of a message is made anew for each: the
// number that From points to, which it answers to, the context, and the entries with the
// list of them. A peer takes the memory of a contact and leaves its own.
type incoming struct {
	env      corepb.Envelope
	body     corepb.Envelope_Raft
	raft     raftMessage
	round    corepb.LeaseRound
	contacts []*corepb.Contact // as many as one round ever had; round has the first of them
	promise  corepb.LeasePromise
}

// decode is unmarshal of b. What it returns is good until the next call. Whatever is not
// known here, protobuf reads, into memory of its own.
func (in *incoming) decode(b []byte) (*corepb.Envelope, error) {
	if in.env = (corepb.Envelope{}); in.readEnvelope(b) {
		return &in.env, nil
	}
	env := new(corepb.Envelope)
	return env, unmarshal(b, env)
}

// isFrequent says whether messages of type t are read into the same memory, one after the
// other: what goes to and fro between a leader and its followers.
func isFrequent(t pb.MessageType) bool {
	switch t {
	case pb.MsgApp, pb.MsgAppResp, pb.MsgHeartbeat, pb.MsgHeartbeatResp:
		return true
	}
	return false
}

// frequent is isFrequent of an encoded message, whose type comes first.
func frequent(b []byte) bool {
	return len(b) > 1 && b[0] == 1<<3|byte(protowire.VarintType) && isFrequent(pb.MessageType(b[1]))
}

// maxKeptContacts bounds the memory that a message with many contacts leaves behind.
const maxKeptContacts = 64

// someContact makes l[i] an empty contact, in memory that is there or new; l has i of
// them at least.
func someContact(l []*corepb.Contact, i int) []*corepb.Contact {
	switch {
	case i == len(l):
		return append(l, &corepb.Contact{})
	case l[i] == nil: // a peer took it and had none to leave
		l[i] = &corepb.Contact{}
	default:
		*l[i] = corepb.Contact{}
	}
	return l
}
