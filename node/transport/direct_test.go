package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// numbered is a message that says which one it is.
func numbered(n uint32, size int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, n), make([]byte, size)...)
}

// stuffed has a member that does not read, and sends it messages until one of them has
// been written in part.
func stuffed(t *testing.T) (a *fakeNode, c *conn, sent uint32) {
	a = newNode(t, 1, func(_ *fakeNode, c *Config) { c.WriteTimeout = patience })
	ln := rawServer(t)
	a.tr.SetPeers([]*corepb.Member{memberAt(raftID(2), ln.Addr())})
	c = accept(t, ln, 2)
	a.waitConnected(t, raftID(2))
	for a.stat(raftID(2)).QueueMessages == 0 {
		a.tr.Send(core.Send{To: raftID(2), Data: numbered(sent, 3000), Snapshot: true})
		sent++
	}
	return a, c, sent
}

// TestSendDoesNotWait: what a socket takes is written by Send; what it does not take
// follows in order, each message once, when the member reads again.
func TestSendDoesNotWait(t *testing.T) {
	const more = 1000
	a, c, sent := stuffed(t)
	for range more {
		a.tr.Send(core.Send{To: raftID(2), Data: numbered(sent, 3000), Snapshot: true})
		sent++
	}
	if q := a.stat(raftID(2)).QueueMessages; q < more {
		t.Fatalf("%d messages are queued for a member that reads nothing, not %d or more", q, more)
	}
	for i := range sent {
		got, err := readFrame(c.br, maxFrameBytes)
		if err != nil || binary.BigEndian.Uint32(got) != i {
			t.Fatalf("instead of message %d: %x, %v", i, got[:min(4, len(got))], err)
		}
	}
	a.snapshots(t, raftID(2), int(sent), 0)
	if s := a.stat(raftID(2)); s.QueueMessages != 0 || s.QueueBytes != 0 || s.MessagesOut != uint64(sent) || s.DroppedOut != 0 {
		t.Errorf("stat %+v", s)
	}
	a.send(raftID(2), "and another")
	if got, err := readFrame(c.br, maxFrameBytes); err != nil || string(got) != "and another" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPartlyWritten: a message of which a part was written when its connection ended is
// lost and said to be so, once.
func TestPartlyWritten(t *testing.T) {
	for name, end := range map[string]func(*fakeNode, *conn){
		"the member hangs up":  func(_ *fakeNode, c *conn) { c.nc.Close() },
		"the transport closes": func(a *fakeNode, _ *conn) { a.tr.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a, c, sent := stuffed(t)
			end(a, c)
			waitFor(t, "an outcome of each", func() bool {
				return a.look(func() bool { return a.sent[raftID(2)]+a.failed[raftID(2)] == int(sent) })
			})
			if a.look(func() bool { return a.failed[raftID(2)] == 0 }) {
				t.Error("all are said to have been sent")
			}
		})
	}
}

// TestReadFrames: whole frames that have arrived together are read together, up to a
// damaged one, and nothing is waited for.
func TestReadFrames(t *testing.T) {
	three := appendFrame(appendFrame(appendFrame(nil, []byte("one")), nil), []byte("three"))
	var all []string
	read := func(b []byte) error {
		all = all[:0]
		got, err := readFrames(bufio.NewReader(bytes.NewReader(b)), maxFrameBytes, nil)
		for _, m := range got {
			all = append(all, string(m))
		}
		return err
	}
	for _, end := range [][]byte{nil, {0, 0}, header(4, 0)} {
		if err := read(append(bytes.Clone(three), end...)); err != nil || len(all) != 3 || all[0] != "one" || all[1] != "" || all[2] != "three" {
			t.Errorf("with %x behind: %q, %v", end, all, err)
		}
	}
	damaged := bytes.Clone(three)
	damaged[len(damaged)-1] ^= 1
	if err := read(damaged); !errors.Is(err, errFrameCorrupt) || len(all) != 2 {
		t.Errorf("with the third one damaged: %q, %v", all, err)
	}
}
