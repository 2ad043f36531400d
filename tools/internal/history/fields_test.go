package history

import (
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// message is an append of node 1 to node 2, with one entry, beside a round of
// the lease.
func message(t *testing.T) []byte {
	t.Helper()
	data, err := proto.Marshal(&corepb.Envelope{From: core.RaftID(1, 1), To: core.RaftID(2, 2),
		LeaseRound: &corepb.LeaseRound{Round: 9},
		Body: &corepb.Envelope_Raft{Raft: &pb.Message{Type: pb.MsgApp.Enum(), Term: new(uint64(3)), Index: new(uint64(41)), LogTerm: new(uint64(2)),
			Commit: new(uint64(40)), Entries: []*pb.Entry{{Term: new(uint64(3)), Index: new(uint64(42)), Data: []byte("x")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpen(t *testing.T) {
	data := message(t)
	got := Open(data)
	want := Envelope{Kind: "MsgApp", FromID: core.RaftID(1, 1), ToID: core.RaftID(2, 2), Term: 3, LogTerm: 2, Index: 41, Commit: 40,
		Entries: 1, Bytes: len(data), Round: 9, More: "entry 42/3 normal, 1 bytes"}
	if got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if e := Open(data[:len(data)-1]); e.Kind != "damaged" || e.More == "" {
		t.Errorf("a cut message: %+v", e)
	}
}

// Fields goes down into the messages, names members as people do, and leaves
// out what is not there.
func TestFields(t *testing.T) {
	f := Fields(core.Output{Send: []core.Send{{To: core.RaftID(2, 2), Data: message(t)}},
		Persist: []core.Persist{{Seq: 7, HardState: &core.HardState{Term: 3, Vote: core.RaftID(1, 1), Commit: 40}, Sync: true}},
		Reply:   []core.Reply{{ID: 5, Code: core.NotLeader, Text: "node 1 leads"}}})
	for _, want := range []Field{
		{"Persist[0].Seq", "7"},
		{"Persist[0].HardState.Vote", "node 1 (incarnation 1)"},
		{"Persist[0].Sync", "true"},
		{"Send[0].To", "node 2 (incarnation 2)"},
		{"Send[0].Data.from", "node 1 (incarnation 1)"},
		{"Send[0].Data.raft.type", "MsgApp"},
		{"Send[0].Data.raft.entries[0].Index", "42"},
		{"Send[0].Data.lease_round.round", "9"},
		{"Reply[0].Code", "NotLeader"},
		{"MembersChanged", "false"},
	} {
		if !slices.ContainsFunc(f, func(g Field) bool { return strings.EqualFold(g.Path, want.Path) && g.Value == want.Value }) {
			t.Errorf("no %v", want)
		}
	}
	for _, g := range f {
		if strings.Contains(g.Path, "Snapshot.") || strings.Contains(g.Path, "Mark") {
			t.Errorf("%v is not there", g)
		}
	}
	if Fields(nil) != nil {
		t.Error("nothing has fields")
	}
	if v := showBytes([]byte(strings.Repeat("a", 100))); !strings.HasSuffix(v, "(100 bytes, hash "+v[len(v)-17:len(v)-1]+")") || len(v) > 120 {
		t.Errorf("100 bytes are shown as %s", v)
	}
}

func TestWords(t *testing.T) {
	out := core.Output{Persist: []core.Persist{{Seq: 4, Entries: []core.Entry{{Index: 5, Term: 2}, {Index: 6, Term: 2}}, Sync: true}},
		Apply: []core.Apply{{Index: 3}, {Index: 4}}, Reply: []core.Reply{{ID: 1, Index: 4, Term: 2}}, MembersChanged: true}
	want := "persist batch 4: entries 5/2 to 6/2, synced; apply 3 to 4; reply to 1: OK at 4/2; the members changed"
	if got := OutputText(out); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, c := range []struct {
		step       Step
		name, text string
	}{
		{Step{In: core.Tick{}}, "Tick", ""},
		{Step{In: core.Persisted{Seq: 3}}, "Persisted", "batch 3 is durable"},
		{Step{In: core.RemoveNode{ID: 1, NodeID: 3}}, "RemoveNode", "ID 1, NodeID 3"},
		{Step{In: core.PeerUnreachable{RaftID: core.RaftID(4, 3)}}, "PeerUnreachable", "RaftID node 3 (incarnation 4)"},
		{Step{Start: &Start{Resumed: true, Seq: 7}}, "Checkpoint", "the record begins after input 7; a tick is 0 ms, election after 0 ticks, heartbeat every 0"},
	} {
		if name, text := InputName(&c.step), InputText(&c.step); name != c.name || text != c.text {
			t.Errorf("%s: %s, want %s: %s", name, text, c.name, c.text)
		}
	}
}
