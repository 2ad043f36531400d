package node_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// What SECURITY.md says that a stranger learns without TLS, with one message that is
// refused: who listens there, of which cluster and with which data. No more than that.
func TestWhatAStrangerLearns(t *testing.T) {
	m := newMember(t, 1).open().init(true)
	cluster{m}.leader()
	nc, err := net.Dial("tcp", net.JoinHostPort(m.cfg.Address, strconv.Itoa(int(m.cfg.Port))))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	hello, err := proto.Marshal(&corepb.Hello{Protocol: core.OldestVersion, ClusterId: "a guess", ToNode: 1})
	if err != nil {
		t.Fatal(err)
	}
	const preamble = "pgraft\n\x01"
	frame := binary.BigEndian.AppendUint32([]byte(preamble), uint32(len(hello)))
	frame = binary.BigEndian.AppendUint32(frame, crc32.Checksum(hello, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := nc.Write(append(frame, hello...)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(nc) // until it hangs up
	if err != nil || len(answer) < len(preamble)+8 {
		t.Fatalf("%d bytes of an answer, %v", len(answer), err)
	}
	w := &corepb.Welcome{}
	if err := proto.Unmarshal(answer[len(preamble)+8:], w); err != nil {
		t.Fatal(err)
	}
	if w.GetRefusal() == corepb.Refusal_NONE || w.GetClusterId() != m.cfg.ClusterID || w.GetNode() != 1 || w.GetRaftId() != core.RaftID(1, 1) ||
		len(w.GetClusterUuid()) != 16 || len(w.GetReplica()) != 16 || w.GetAddress() != m.cfg.Address {
		t.Errorf("a stranger is answered %v", w)
	}
}
