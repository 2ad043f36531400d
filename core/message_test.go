package core_test

import (
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// message is one on its way. It keeps the Raft id that its sender had.
type message struct {
	from, to uint32 // keys of nodes
	raftID   uint64
	member   *corepb.Member // whom the sender means; nil if it does not know
	send     core.Send
}

func (m message) envelope() *corepb.Envelope {
	var env corepb.Envelope
	if err := proto.Unmarshal(m.send.Data, &env); err != nil {
		panic(fmt.Sprintf("a core sent what does not decode: %v", err))
	}
	return &env
}

// kind is what scripts select messages by.
func kind(env *corepb.Envelope) string {
	if r := env.GetRaft(); r != nil {
		return r.GetType().String()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", env.GetBody()), "*corepb.Envelope_")
}

// String is one line of `wire`.
func (m message) String() string {
	env := m.envelope()
	s := fmt.Sprintf("%d->%d %s", m.from, m.to, kind(env))
	if r := env.GetRaft(); r != nil {
		s += fmt.Sprintf(" term %d", r.GetTerm())
		switch r.GetType() {
		case pb.MsgApp:
			s += fmt.Sprintf(" after %d/%d +%d commit %d", r.GetIndex(), r.GetLogTerm(), len(r.GetEntries()), r.GetCommit())
		case pb.MsgVote, pb.MsgPreVote:
			s += fmt.Sprintf(" log %d/%d %s", r.GetIndex(), r.GetLogTerm(), r.GetContext())
		case pb.MsgAppResp:
			s += fmt.Sprintf(" index %d", r.GetIndex())
		case pb.MsgHeartbeat:
			s += fmt.Sprintf(" commit %d", r.GetCommit())
		case pb.MsgSnap:
			s += fmt.Sprintf(" at %d/%d", r.GetSnapshot().GetMetadata().GetIndex(), r.GetSnapshot().GetMetadata().GetTerm())
		}
		if r.GetReject() {
			s += " reject"
		}
	}
	if r := env.GetForwardReply(); r != nil {
		s += fmt.Sprintf(" %v", r.GetVerdict())
	}
	if r := env.GetLeaseRound(); r != nil {
		s += fmt.Sprintf(" round %d", r.GetRound())
	}
	if p := env.GetLeasePromise(); p != nil {
		s += fmt.Sprintf(" promise %d for %dms", p.GetRound(), p.GetMillis())
	}
	return strings.TrimRight(s, " ")
}

// pattern selects messages; what is zero matches all.
type pattern struct {
	from, to uint32
	kinds    []string
}

func (p pattern) match(m message) bool {
	return (p.from == 0 || m.from == p.from) && (p.to == 0 || m.to == p.to) &&
		(len(p.kinds) == 0 || slices.Contains(p.kinds, kind(m.envelope())))
}
