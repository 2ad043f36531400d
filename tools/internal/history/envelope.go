package history

import (
	"fmt"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// Envelope is what a message says, as far as people want to read it.
type Envelope struct {
	Kind          string // the library's name (MsgApp), or the body's (ReadRequest)
	FromID, ToID  uint64 // Raft ids
	Term          uint64
	LogTerm       uint64
	Index         uint64
	Commit        uint64
	Entries       int
	Bytes         int    // of the whole message
	Round         uint64 // of the leader's lease that it asks or answers
	PromiseMillis uint64
	Reject        bool
	More          string // the fields that only some kinds have
}

// maxShownEntries is how many entries of one message More names.
const maxShownEntries = 4

// Open reads an encoded corepb.Envelope. What cannot be decoded has kind
// "damaged" and says why in More.
func Open(data []byte) Envelope {
	var env corepb.Envelope
	if err := proto.Unmarshal(data, &env); err != nil {
		return Envelope{Kind: "damaged", Bytes: len(data), More: err.Error()}
	}
	e := Envelope{FromID: env.GetFrom(), ToID: env.GetTo(), Bytes: len(data),
		Round: max(env.GetLeaseRound().GetRound(), env.GetLeasePromise().GetRound()), PromiseMillis: env.GetLeasePromise().GetMillis()}
	switch b := env.GetBody().(type) {
	case *corepb.Envelope_Raft:
		e.raft(b.Raft)
	case *corepb.Envelope_Forward:
		e.Kind, e.Entries = "Forward", 1+len(b.Forward.GetMore())
		e.More = fmt.Sprintf("request %x, %d bytes", b.Forward.GetCommand().GetRequestId(), len(b.Forward.GetCommand().GetData()))
		e.others(len(b.Forward.GetMore()))
	case *corepb.Envelope_ForwardReply:
		r := b.ForwardReply
		e.Kind, e.Index, e.LogTerm = "ForwardReply", r.GetIndex(), r.GetTerm()
		e.Reject = r.GetVerdict() != corepb.ForwardReply_ACCEPTED
		e.More = fmt.Sprintf("request %x, %s", r.GetRequestId(), strings.ToLower(r.GetVerdict().String()))
		e.others(len(r.GetMore()))
	case *corepb.Envelope_ReadRequest:
		e.Kind, e.More = "ReadRequest", fmt.Sprintf("read round %d", b.ReadRequest.GetRound())
	case *corepb.Envelope_ReadReply:
		e.Kind, e.Index, e.Reject = "ReadReply", b.ReadReply.GetIndex(), b.ReadReply.GetNotLeader()
		e.More = fmt.Sprintf("read round %d", b.ReadReply.GetRound())
	case *corepb.Envelope_Removed:
		e.Kind = "Removed"
	case *corepb.Envelope_RemoveMe:
		e.Kind = "RemoveMe"
	case *corepb.Envelope_FailoverTold, *corepb.Envelope_FailoverEntry:
		e.Kind, e.More, _ = replay.FailoverMessage(&env)
	default:
		e.Kind = "empty"
	}
	if k := env.GetKnownCommit(); k != nil {
		e.add("knows entry %d of term %d as committed", k.GetIndex(), k.GetTerm())
	}
	return e
}

// others says how many more requests a message is about.
func (e *Envelope) others(n int) {
	if n > 0 {
		e.add("and %d more", n)
	}
}

func (e *Envelope) raft(m *pb.Message) {
	e.Kind = m.GetType().String()
	e.Term, e.LogTerm, e.Index, e.Commit = m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit()
	e.Reject, e.Entries = m.GetReject(), len(m.GetEntries())
	if e.Reject && m.GetType() == pb.MsgAppResp {
		e.add("reject hint %d", m.GetRejectHint())
	}
	for i, x := range m.GetEntries() {
		if i == maxShownEntries {
			e.add("and %d more", len(m.GetEntries())-i)
			break
		}
		e.add("entry %d/%d %s, %d bytes", x.GetIndex(), x.GetTerm(), entryKind(core.EntryKind(x.GetType())), len(x.GetData()))
	}
	if s := m.GetSnapshot(); s != nil {
		e.add("snapshot at %d/%d, %d bytes", s.GetMetadata().GetIndex(), s.GetMetadata().GetTerm(), len(s.GetData()))
	}
}

func (e *Envelope) add(f string, a ...any) {
	if e.More != "" {
		e.More += "; "
	}
	e.More += fmt.Sprintf(f, a...)
}

func entryKind(k core.EntryKind) string {
	if k == core.EntryNormal {
		return "normal"
	}
	return "membership"
}
