package core_test

import (
	"encoding/binary"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// Reads under everything that can go wrong: newRandom's replied checks each.
func TestReadsMissNothing(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(20) {
		x := newRandom(seed)
		x.steps(6000)
		x.settle()
		x.checkSettled(t)
		for name, n := range x.seen {
			seen[name] += n
		}
	}
	t.Log(seen)
	for _, name := range []string{"read", "crash", "reply 0", "reply 1"} {
		if seen[name] == 0 {
			t.Errorf("never seen: %s", name)
		}
	}
}

func TestReadsAreBounded(t *testing.T) {
	c := newCluster()
	c.quiet = true
	c.form(1)
	replies := map[core.Code]int{}
	c.onReply = func(_ *node, r core.Reply) { replies[r.Code]++ }
	const bound = 4096
	for range bound + 3 {
		c.nodes[1].step(core.WaitApplied{ID: c.id(), Index: 1000})
	}
	if replies[core.Busy] != 3 || len(replies) != 1 {
		t.Errorf("%v, want 3 busy of %d", replies, bound+3)
	}
}

// A response to a question that was never asked would make the library look
// beyond the end of its list.
func TestReadResponseBeyondQuestions(t *testing.T) {
	c := newCluster()
	c.form(3)
	n := c.nodes[1]
	before := n.core.Status()
	c.out.Reset()
	n.step(core.Receive{From: c.nodes[2].id.RaftID, Data: envelope(t, c.nodes[2], n, &pb.Message{
		Type: pb.MsgHeartbeatResp.Enum(), Term: new(before.Term), Context: binary.LittleEndian.AppendUint64(nil, 1)})})
	if got := c.out.String(); got != "1: MsgHeartbeatResp of node 2 answers a question that was never asked: 0100000000000000\n" {
		t.Errorf("said %q", got)
	}
	if got := n.core.Status(); got != before {
		t.Errorf("from %+v to %+v", before, got)
	}
}

// envelope is a message of the library's as it comes over the network.
func envelope(t *testing.T, from, to *node, m *pb.Message) []byte {
	t.Helper()
	m.From, m.To = new(from.id.RaftID), new(to.id.RaftID)
	b, err := proto.Marshal(&corepb.Envelope{From: m.GetFrom(), To: m.GetTo(), Body: &corepb.Envelope_Raft{Raft: m}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
