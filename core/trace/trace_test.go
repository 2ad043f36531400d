package trace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/rapidtest"
	"github.com/pgraft/pgraft/core/trace"
)

func TestMain(m *testing.M) { rapidtest.Main(m, nil) }

func uuids(t *rapid.T) [16]byte {
	return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
}

func data(t *rapid.T) []byte {
	return rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOf(rapid.Byte()), rapid.Custom(zeros)).Draw(t, "data")
}

// zeros is data that has many.
func zeros(t *rapid.T) []byte {
	return append(rapid.SliceOf(rapid.Byte()).Draw(t, "data"), make([]byte, rapid.IntRange(1, 5000).Draw(t, "zeros"))...)
}

// run is data without a length of its own, so none is nil.
func run(t *rapid.T) []byte {
	return rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOfN(rapid.Byte(), 1, -1), rapid.Custom(zeros)).Draw(t, "data")
}

func configs(t *rapid.T) core.Config {
	u := rapid.Uint64()
	newest, part := uint32(0), core.FailoverConfig{}
	if rapid.Bool().Draw(t, "failover") {
		newest, part = core.FailoverVersion, core.FailoverConfig{Boot: u.Draw(t, "boot"), SealMillis: u.Draw(t, "seal")}
	}
	return core.Config{Newest: newest, Failover: part,
		Identity: core.Identity{ClusterID: rapid.String().Draw(t, "cluster"), NodeID: rapid.Uint32().Draw(t, "node"),
			ReplicaUUID: uuids(t), ClusterUUID: uuids(t), RaftID: u.Draw(t, "raft"), Removed: rapid.Bool().Draw(t, "removed")},
		TickMillis: u.Draw(t, "tick"), ElectionTicks: rapid.Int().Draw(t, "election"), HeartbeatTicks: rapid.Int().Draw(t, "heartbeat"),
		Seed: u.Draw(t, "seed"), SnapshotEntries: u.Draw(t, "snapshot"), MaxEntryBytes: rapid.Int().Draw(t, "entry"), MaxTailBytes: u.Draw(t, "tail"),
	}
}

// frames draws any frame but a Header.
func frames(t *rapid.T) trace.Frame {
	u, when := rapid.Uint64(), rapid.Int64().Draw(t, "time")
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		b := &trace.Boot{Time: when, Config: configs(t), Durable: core.Durable{PromiseMillis: u.Draw(t, "promise"),
			HardState: core.HardState{Term: u.Draw(t, "term"), Vote: u.Draw(t, "vote"), Commit: u.Draw(t, "commit")}}}
		if rapid.Bool().Draw(t, "snapshot") {
			b.Durable.Snapshot = &core.Snapshot{Index: u.Draw(t, "index"), Term: u.Draw(t, "term"), Data: data(t)}
		}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			b.Durable.Entries = append(b.Durable.Entries, core.Entry{Index: u.Draw(t, "index"), Term: u.Draw(t, "term"),
				Kind: core.EntryKind(rapid.Byte().Draw(t, "type")), Data: data(t)})
		}
		for range rapid.IntRange(0, 2).Draw(t, "gaps") {
			b.Durable.Gaps = append(b.Durable.Gaps, core.Gap{From: u.Draw(t, "from"), To: u.Draw(t, "to")})
		}
		return b
	case 1:
		i := &trace.Input{Seq: u.Draw(t, "seq"), Time: when, Summed: rapid.Bool().Draw(t, "summed"), Data: run(t)}
		if i.Summed {
			i.Sum = u.Draw(t, "sum")
			for n := range i.Parts {
				if i.Parts[n].Count = uint64(rapid.IntRange(0, 2).Draw(t, "count")); i.Parts[n].Count > 0 {
					i.Parts[n].Sum = rapid.Uint32().Draw(t, "part")
				}
			}
		}
		return i
	case 2:
		return &trace.Checkpoint{Seq: u.Draw(t, "seq"), Sum: u.Draw(t, "sum"), Time: when, Config: configs(t), Data: run(t)}
	case 3:
		return &trace.Note{Time: when, Seq: u.Draw(t, "seq"), Class: rapid.String().Draw(t, "class"), Text: rapid.String().Draw(t, "text")}
	}
	return &trace.End{Time: when, Seq: u.Draw(t, "seq"), Reason: rapid.String().Draw(t, "reason")}
}

func headers(t *rapid.T) *trace.Header {
	u := rapid.Uint64()
	return &trace.Header{Format: trace.Format, Build: rapid.String().Draw(t, "build"), Protocol: u.Draw(t, "protocol"),
		ClusterID: rapid.String().Draw(t, "cluster"), NodeID: rapid.Uint32().Draw(t, "node"), RaftID: u.Draw(t, "raft"),
		ClusterUUID: uuids(t), ReplicaUUID: uuids(t), Life: u.Draw(t, "life"), File: u.Draw(t, "file"),
		Time: rapid.Int64().Draw(t, "time"), Redacted: rapid.Bool().Draw(t, "redacted"), Cut: u.Draw(t, "cut")}
}

func read(b []byte) (l []trace.Frame, offsets []int, err error) {
	r := trace.NewReader(b)
	for f, ok := r.Next(); ok; f, ok = r.Next() {
		l, offsets = append(l, f), append(offsets, r.Offset())
	}
	return l, offsets, r.Err()
}

// What is written is read; cut anywhere, it is read up to the last whole frame;
// with a byte changed anywhere, up to the frame that has it.
func TestReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := []trace.Frame{headers(t)}
		for range rapid.IntRange(0, 5).Draw(t, "frames") {
			want = append(want, frames(t))
		}
		b := []byte(trace.Magic)
		for _, f := range want {
			if rapid.Bool().Draw(t, "packed") {
				b = trace.AppendPacked(b, f)
			} else {
				b = trace.Append(b, f)
			}
		}
		got, ends, err := read(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("read %+v, %v, want %+v", got, err, want)
		}
		whole := func(n int) (frames int) {
			for _, end := range ends {
				if end <= n {
					frames++
				}
			}
			return frames
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		got, _, err = read(b[:cut])
		var damage *trace.DamageError
		atEnd := whole(cut) > 0 && ends[whole(cut)-1] == cut
		if len(got) != whole(cut) || (err == nil) != atEnd || !atEnd && (!errors.As(err, &damage) || !damage.Cut) {
			t.Fatalf("cut at %d of %d: %d frames, %v; want %d", cut, len(b), len(got), err, whole(cut))
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "damage")
		bad := bytes.Clone(b)
		bad[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		got, _, err = read(bad)
		if len(got) != whole(at) || !errors.As(err, &damage) || damage.Offset > at || damage.Offset+damage.Left != len(b) {
			t.Fatalf("byte %d of %d changed: %d frames, %v; want %d", at, len(b), len(got), err, whole(at))
		}
	})
}

// frame is one with any kind and payload, with a right checksum.
func frame(kind byte, payload ...byte) []byte {
	body := append([]byte{kind}, payload...)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, body...)
}

func TestReaderSaysWhatIsWrong(t *testing.T) {
	header := string(trace.Append([]byte(trace.Magic), &trace.Header{Format: trace.Format}))
	note := string(trace.Append(nil, &trace.Note{Text: "n"}))
	end := string(trace.Append(nil, &trace.End{}))
	for _, c := range []struct{ name, b, want string }{
		{"nothing", "", "cut off at byte 0, 0 bytes before its end: it has no header"},
		{"another file", "PK\x03\x04 and so on, long enough", "not a pgraft trace"},
		{"sent as text", strings.ReplaceAll(header, "\r\n", "\n"), "not a pgraft trace"},
		{"no header", trace.Magic + note, "*trace.Note out of place"},
		{"two headers", header + header[len(trace.Magic):], "*trace.Header out of place"},
		{"another format", trace.Magic + string(frame(1, 9, 1, 2, 3)), "it has format 9, this pgraft reads 2 to 4"},
		{"an unknown kind", header + string(frame(77)), "kind 77, which format 4 does not have"},
		{"a note with too much", header + string(frame(5, 0, 0, 1, 1, 0)), "*trace.Note with 1 bytes too many"},
		{"a note with too little", header + string(frame(5, 0, 0, 1)), "*trace.Note: checkpoint: it ends early"},
		{"a length of none", header + "\x00\x00\x00\x00\x00\x00\x00\x00", "a frame of 0 bytes"},
		{"a length too large", header + "\xff\xff\xff\xff\x00\x00\x00\x00", "a frame of 4294967295 bytes"},
		{"an optional kind", header + string(frame(200, 1, 2, 3)) + end, ""},
		{"an optional kind first", trace.Magic + string(frame(200, 1, 2, 3)), "not with its header"},
	} {
		_, _, err := read([]byte(c.b))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzReader: no bytes make it panic, use much memory or read past the end; what
// it reads is what Append writes.
func FuzzReader(f *testing.F) {
	b := trace.Append([]byte(trace.Magic), &trace.Header{Format: trace.Format, ClusterID: "c", NodeID: 1})
	f.Add(b)
	b = trace.Append(b, &trace.Boot{Config: core.Config{TickMillis: 100}, Durable: core.Durable{
		Snapshot: &core.Snapshot{Index: 1, Data: []byte("s")}, Entries: []core.Entry{{Index: 2, Data: []byte("e")}}}})
	b = trace.Append(b, &trace.Input{Seq: 1, Summed: true, Sum: 7, Data: core.EncodeInput(nil, core.Tick{})})
	f.Add(b)
	b = trace.Append(b, &trace.Checkpoint{Seq: 1, Sum: 7, Data: []byte("state")})
	b = trace.Append(b, &trace.Note{Class: "fault", Text: "the disk is full"})
	b = trace.Append(b, &trace.End{Reason: "stop"})
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, ends, err := read(b)
		if err == nil && (len(frames) == 0 || ends[len(ends)-1] > len(b)) {
			t.Fatalf("%d frames of %d bytes and no error", len(frames), len(b))
		}
		again := []byte(trace.Magic)
		for _, f := range frames {
			again = trace.Append(again, f)
		}
		if got, _, err := read(again); len(frames) > 0 && (err != nil || !reflect.DeepEqual(got, frames)) {
			t.Fatalf("read %+v, written and read again %+v, %v", frames, got, err)
		}
	})
}

// A trace of the format before is read: its configurations end before the newest version.
func TestFormatBeforeIsRead(t *testing.T) {
	cfg := core.Config{Identity: core.Identity{ClusterID: "c", NodeID: 1}, TickMillis: 100, MaxTailBytes: 7, Limits: core.Limits{RequestWindow: 9}}
	for name, f := range map[string]func(core.Config) trace.Frame{
		"start": func(c core.Config) trace.Frame {
			return &trace.Boot{Time: 5, Config: c, Durable: core.Durable{PromiseMillis: 8}}
		},
		"checkpoint": func(c core.Config) trace.Frame { return &trace.Checkpoint{Seq: 5, Config: c, Data: []byte("state")} },
	} {
		newer := cfg
		newer.Newest = core.NewestVersion
		b, other := trace.Append(nil, f(cfg)), trace.Append(nil, f(newer))
		at := 8 // behind length and checksum
		for b[at] == other[at] {
			at++
		}
		header := trace.Append([]byte(trace.Magic), &trace.Header{Format: 3})
		got, _, err := read(append(header, frame(b[8], append(bytes.Clone(b[9:at]), b[at+1:]...)...)...))
		if err != nil || len(got) != 2 {
			t.Fatalf("%s: %d frames, %v", name, len(got), err)
		}
		switch g := got[1].(type) {
		case *trace.Boot:
			if g.Config != cfg || g.Time != 5 || g.Durable.PromiseMillis != 8 {
				t.Errorf("%s: %+v", name, g)
			}
		case *trace.Checkpoint:
			if g.Config != cfg || g.Seq != 5 || string(g.Data) != "state" {
				t.Errorf("%s: %+v", name, g)
			}
		}
	}
}

// FuzzPayload: the same for payloads, behind right checksums.
func FuzzPayload(f *testing.F) {
	header := trace.Append([]byte(trace.Magic), &trace.Header{Format: trace.Format})
	for _, x := range []trace.Frame{&trace.Boot{Durable: core.Durable{Entries: []core.Entry{{Index: 2}}}},
		&trace.Boot{Durable: core.Durable{Gaps: []core.Gap{{From: 2, To: 3}}}}, &trace.Input{Seq: 1, Summed: true, Data: []byte{1}},
		&trace.Checkpoint{Data: []byte("c")}, &trace.Note{Text: "n"}, &trace.End{Reason: "r"}} {
		b := trace.Append(nil, x)
		f.Add(b[8], b[9:])
	}
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		frames, _, err := read(append(bytes.Clone(header), frame(kind, payload...)...))
		if kind < 128 && (len(frames) == 2) != (err == nil) {
			t.Fatalf("%d frames, %v", len(frames), err)
		}
		if len(frames) == 2 {
			if got, _, err := read(trace.Append(bytes.Clone(header), frames[1])); err != nil || !reflect.DeepEqual(got[1], frames[1]) {
				t.Fatalf("read %+v, written and read again %+v, %v", frames[1], got[1:], err)
			}
		}
	})
}
