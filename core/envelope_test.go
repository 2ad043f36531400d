package core

import (
	"bytes"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core/corepb"
)

// TestRapidEnvelope: what is written and read by hand is what protobuf writes
// and reads, for messages with any of their fields, and for damaged ones.
func TestRapidEnvelope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := drawEnvelope(t)
		b := encodeEnvelope(env)
		if want := marshal(env); !bytes.Equal(b, want) {
			t.Fatalf("%v is written as %x, not %x", env, b, want)
		}
		if cmd := env.GetForward().GetCommand(); cmd != nil && !bytes.Equal(encodeCommand(cmd), marshal(cmd)) {
			t.Fatalf("%v is written as %x, not %x", cmd, encodeCommand(cmd), marshal(cmd))
		}
		for range rapid.IntRange(0, 3).Draw(t, "damaged") {
			at := rapid.IntRange(0, len(b)).Draw(t, "at")
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0: // cut
				b = b[:at]
			case 1: // a byte more
				b = append(append(bytes.Clone(b[:at]), rapid.Byte().Draw(t, "byte")), b[at:]...)
			case 2: // another byte
				if at < len(b) {
					b[at] = rapid.Byte().Draw(t, "byte")
				}
			case 3: // fields that come twice
				b = append(bytes.Clone(b), b[at:]...)
			}
		}
		var want corepb.Envelope
		got := corepb.Envelope{From: 1, LeasePromise: &corepb.LeasePromise{}} // as the one before left it
		wantErr, err := unmarshal(b, &want), decodeEnvelope(b, &got)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%x: error %v, not %v", b, err, wantErr)
		}
		if err == nil && !proto.Equal(&got, &want) {
			t.Fatalf("%x is read as %v, not %v", b, &got, &want)
		}
	})
}

func drawEnvelope(t *rapid.T) *corepb.Envelope {
	number := rapid.OneOf(rapid.Uint64Range(0, 300), rapid.Uint64())
	data := rapid.SliceOfN(rapid.Byte(), 0, 20)
	perhaps := func() *uint64 { return rapid.Ptr(number, true).Draw(t, "optional") }
	entry := rapid.Custom(func(t *rapid.T) *pb.Entry {
		e := &pb.Entry{Term: perhaps(), Index: perhaps(), Data: data.Draw(t, "entry's data")}
		if rapid.Bool().Draw(t, "typed") {
			e.Type = pb.EntryType(rapid.Int32().Draw(t, "entry type")).Enum()
		}
		return e
	})
	contact := rapid.Custom(func(t *rapid.T) *corepb.Contact {
		return &corepb.Contact{RaftId: number.Draw(t, "raft id"), SilentMillis: number.Draw(t, "silent"), Match: number.Draw(t, "match")}
	})
	env := &corepb.Envelope{From: number.Draw(t, "from"), To: number.Draw(t, "to")}
	switch rapid.IntRange(0, 5).Draw(t, "body") {
	case 0:
		cmd := &corepb.Command{RequestId: data.Draw(t, "request"), Since: number.Draw(t, "since"), Data: data.Draw(t, "data")}
		env.Body = &corepb.Envelope_Forward{Forward: &corepb.Forward{Command: cmd}}
	case 1:
		env.Body = &corepb.Envelope_ForwardReply{ForwardReply: &corepb.ForwardReply{RequestId: data.Draw(t, "request"),
			Verdict: corepb.ForwardReply_Verdict(rapid.Int32().Draw(t, "verdict")), Index: number.Draw(t, "index"), Term: number.Draw(t, "term")}}
	case 2:
		env.Body = &corepb.Envelope_ReadReply{ReadReply: &corepb.ReadReply{Life: number.Draw(t, "life"), Index: number.Draw(t, "index")}}
	default:
		m := &pb.Message{Type: pb.MessageType(rapid.Int32().Draw(t, "type")).Enum(), To: perhaps(), From: perhaps(), Term: perhaps(), LogTerm: perhaps(),
			Index: perhaps(), Commit: perhaps(), RejectHint: perhaps(), Vote: perhaps(), Entries: rapid.SliceOfN(entry, 0, 3).Draw(t, "entries"),
			Reject: rapid.Ptr(rapid.Bool(), true).Draw(t, "reject")}
		if rapid.Bool().Draw(t, "with context") {
			m.Context = data.Draw(t, "context")
		}
		switch rapid.IntRange(0, 5).Draw(t, "rare") {
		case 0:
			m.Snapshot = &pb.Snapshot{Data: data.Draw(t, "snapshot"), Metadata: &pb.SnapshotMetadata{Index: perhaps()}}
		case 1:
			m.Responses = []*pb.Message{{Index: perhaps()}}
		}
		env.Body = &corepb.Envelope_Raft{Raft: m}
	}
	if rapid.Bool().Draw(t, "with round") {
		env.LeaseRound = &corepb.LeaseRound{Round: number.Draw(t, "round"), Contacts: rapid.SliceOfN(contact, 0, 3).Draw(t, "contacts")}
	}
	if rapid.Bool().Draw(t, "with promise") {
		env.LeasePromise = &corepb.LeasePromise{Round: number.Draw(t, "round"), Millis: number.Draw(t, "millis")}
	}
	if rapid.Bool().Draw(t, "with known commit") {
		env.KnownCommit = &corepb.KnownCommit{Index: number.Draw(t, "index"), Term: number.Draw(t, "term")}
	}
	return env
}
