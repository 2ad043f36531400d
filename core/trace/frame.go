package trace

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/checkpoint"
)

// Frame is a *Header, *Boot, *Input, *Checkpoint, *Note or *End.
type Frame interface {
	kind() byte
	walk(*checkpoint.Codec) // both directions
}

type (
	// Header says what wrote the file, and of whom it tells.
	Header struct {
		Format      uint64
		Build       string // names the sources of the core; empty: not known
		Protocol    uint64 // core.NewestVersion of the build that wrote it
		ClusterID   string
		NodeID      uint32
		RaftID      uint64
		ClusterUUID [16]byte
		ReplicaUUID [16]byte
		Life        uint64 // of the core: its Config.Seed
		File        uint64 // number of the file, growing
		Time        int64
		Redacted    bool
		// Cut is how many bytes of users' data there are: of longer data, zeros from
		// there on (core.Cut). 0: it is whole, as in format 2.
		Cut uint64
	}

	// Boot is the start of a core by core.New.
	Boot struct {
		Time    int64
		Config  core.Config
		Durable core.Durable

		redact *core.Redaction // of what is written, unless nil
		format uint64          // of the file, if it is an older one
	}

	// Input is one step.
	Input struct {
		Seq    uint64
		Time   int64
		Data   []byte // see Decode
		Summed bool
		Sum    uint64 // core.Chain's, after the step
		Parts  core.Parts
	}

	// Checkpoint is the core's whole state after the input Seq.
	Checkpoint struct {
		Seq    uint64
		Sum    uint64
		Time   int64
		Config core.Config
		Data   []byte // of core.Core.Checkpoint
		format uint64 // of the file, if it is an older one
	}

	// Note is for people: a fault, a panic, what a test did.
	Note struct {
		Time  int64
		Seq   uint64 // of the last input before it
		Class string // one word: "fault", "panic", "log"
		Text  string
	}

	// End is the orderly end of a file.
	End struct {
		Time   int64
		Seq    uint64
		Reason string
	}
)

const (
	kindHeader     = 1
	kindBoot       = 2
	kindInput      = 3
	kindCheckpoint = 4
	kindNote       = 5
	kindEnd        = 6
	kindPacked     = 7   // since format 3
	kindOptional   = 128 // from here on
)

func (*Header) kind() byte     { return kindHeader }
func (*Boot) kind() byte       { return kindBoot }
func (*Input) kind() byte      { return kindInput }
func (*Checkpoint) kind() byte { return kindCheckpoint }
func (*Note) kind() byte       { return kindNote }
func (*End) kind() byte        { return kindEnd }

// Decode returns the input itself.
func (i *Input) Decode() (core.Input, error) { return core.DecodeInput(i.Data) }

const frameHeaderBytes = 8

// Append appends a frame to b. A trace is Magic, then frames.
func Append(b []byte, f Frame) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, f.kind())
	k := checkpoint.Writer(b)
	f.walk(k)
	b = k.Bytes()
	seal(b[at:])
	return b
}

// AppendPacked is Append for a file of this Format: without the zeros of data that
// was cut.
func AppendPacked(b []byte, f Frame) []byte {
	if k := f.kind(); k == kindBoot || k == kindInput || k == kindCheckpoint {
		return packFrame(b, Append(nil, f))
	}
	return Append(b, f)
}

// packFrame appends a frame to b, packed if that is shorter.
func packFrame(b, frame []byte) []byte {
	at := len(b)
	b = pack(beginPacked(b, frame[frameHeaderBytes]), frame[frameHeaderBytes+1:])
	if len(b)-at >= len(frame) {
		return append(b[:at], frame...)
	}
	seal(b[at:])
	return b
}

// beginPacked begins a Packed frame for one of the given kind.
func beginPacked(b []byte, kind byte) []byte {
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, kindPacked, kind)
}

// seal fills in the length and the checksum of a frame.
func seal(frame []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeaderBytes))
	binary.LittleEndian.PutUint32(frame[4:], crc(frame[frameHeaderBytes:]))
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// inputAt is where in a frame the input is.
const inputAt = frameHeaderBytes + 1 + 4

// beginInput appends a frame as far as the input, before it is stepped.
func beginInput(b []byte, in core.Input) []byte {
	at := len(b) + frameHeaderBytes + 1
	b = core.EncodeInput(append(b, 0, 0, 0, 0, 0, 0, 0, 0, kindInput, 0, 0, 0, 0), in)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// summed is the flag of an input that the core came back from. The others are of
// the parts that there are: seven, so there is no room for more.
const summed = 1 << len(core.Parts{})

// endInput completes the frame that began at b[at:]. Without parts the core never
// came back.
func endInput(b []byte, at int, seq uint64, now int64, sum uint64, parts *core.Parts) []byte {
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(now))
	if parts == nil {
		b = append(b, 0)
	} else {
		flags := len(b)
		b = binary.LittleEndian.AppendUint64(append(b, summed), sum)
		for i := range parts {
			if p := &parts[i]; p.Count > 0 {
				b[flags] |= 1 << i
				b = binary.LittleEndian.AppendUint32(binary.AppendUvarint(b, p.Count), p.Sum)
			}
		}
	}
	seal(b[at:])
	return b
}

func (i *Input) walk(k *checkpoint.Codec) {
	n := uint32(len(i.Data))
	word(k, &n)
	k.Run(&i.Data, int(n))
	sum(k, &i.Seq)
	at := uint64(i.Time)
	sum(k, &at)
	i.Time = int64(at)
	var flags [1]byte
	if i.Summed {
		flags[0] = summed
	}
	for n, p := range i.Parts {
		if p.Count > 0 {
			flags[0] |= 1 << n
		}
	}
	k.Raw(flags[:])
	if i.Summed = flags[0]&summed != 0; !i.Summed {
		if flags[0] != 0 {
			k.Fail("flags %02x", flags[0])
		}
		return
	}
	sum(k, &i.Sum)
	for n := range i.Parts {
		if p := &i.Parts[n]; flags[0]&(1<<n) != 0 {
			if k.Uint(&p.Count); p.Count == 0 {
				k.Fail("a count of 0")
			}
			word(k, &p.Sum)
		}
	}
}

func (h *Header) walk(k *checkpoint.Codec) {
	k.Uint(&h.Format)
	if !h.readable() {
		return // what follows is for another reader
	}
	text(k, &h.Build)
	k.Uint(&h.Protocol)
	text(k, &h.ClusterID)
	checkpoint.Number(k, &h.NodeID)
	k.Uint(&h.RaftID)
	k.Array(&h.ClusterUUID)
	k.Array(&h.ReplicaUUID)
	k.Uint(&h.Life)
	k.Uint(&h.File)
	instant(k, &h.Time)
	k.Flag(&h.Redacted)
	if h.Format > formatUncut {
		k.Uint(&h.Cut)
	}
}

func (h *Header) readable() bool { return h.Format >= formatUncut && h.Format <= Format }

func (b *Boot) walk(k *checkpoint.Codec) {
	instant(k, &b.Time)
	config(k, &b.Config, b.format)
	d := &b.Durable
	hardState(k, &d.HardState)
	checkpoint.Pointer(k, &d.Snapshot, func(s *core.Snapshot) {
		k.Uint(&s.Index)
		k.Uint(&s.Term)
		k.Blob(&s.Data)
	})
	checkpoint.List(k, &d.Entries, func(e *core.Entry) {
		k.Uint(&e.Index)
		k.Uint(&e.Term)
		checkpoint.Number(k, &e.Kind)
		if b.redact != nil && k.Writing() {
			k.Blob(&b.redact.Entries([]core.Entry{*e})[0].Data)
			return
		}
		k.Blob(&e.Data)
	})
	k.Uint(&d.PromiseMillis)
	if k.Writing() && len(d.Gaps) == 0 || !k.Writing() && len(k.Bytes()) == 0 {
		return // a log without gaps is written as it was before there were any
	}
	checkpoint.List(k, &d.Gaps, func(g *core.Gap) {
		k.Uint(&g.From)
		k.Uint(&g.To)
	})
	if len(d.Gaps) == 0 {
		k.Fail("a list of no gaps")
	}
}

func (c *Checkpoint) walk(k *checkpoint.Codec) {
	k.Uint(&c.Seq)
	sum(k, &c.Sum)
	instant(k, &c.Time)
	config(k, &c.Config, c.format)
	k.Run(&c.Data, len(k.Bytes()))
}

func (n *Note) walk(k *checkpoint.Codec) {
	instant(k, &n.Time)
	k.Uint(&n.Seq)
	text(k, &n.Class)
	text(k, &n.Text)
}

func (e *End) walk(k *checkpoint.Codec) {
	instant(k, &e.Time)
	k.Uint(&e.Seq)
	text(k, &e.Reason)
}

func config(k *checkpoint.Codec, g *core.Config, format uint64) {
	id := &g.Identity
	text(k, &id.ClusterID)
	checkpoint.Number(k, &id.NodeID)
	k.Array(&id.ReplicaUUID)
	k.Array(&id.ClusterUUID)
	k.Uint(&id.RaftID)
	k.Flag(&id.Removed)
	k.Uint(&g.TickMillis)
	checkpoint.Number(k, &g.ElectionTicks)
	checkpoint.Number(k, &g.HeartbeatTicks)
	k.Uint(&g.Seed)
	k.Uint(&g.SnapshotEntries)
	checkpoint.Number(k, &g.MaxEntryBytes)
	k.Uint(&g.MaxTailBytes)
	if format == formatUncut {
		return
	}
	k.Uint(&g.Limits.UncommittedBytes)
	k.Uint(&g.Limits.InflightBytes)
	k.Uint(&g.Limits.CommittedBytes)
	k.Uint(&g.Limits.MarkBytes)
	k.Uint(&g.Limits.RequestWindow)
	if format != formatUnversioned {
		checkpoint.Number(k, &g.Newest)
	}
	if g.Newest >= core.FailoverVersion { // no build wrote an older format that knew it
		k.Uint(&g.Failover.Boot)
		k.Uint(&g.Failover.SealMillis)
	}
}

func hardState(k *checkpoint.Codec, h *core.HardState) {
	k.Uint(&h.Term)
	k.Uint(&h.Vote)
	k.Uint(&h.Commit)
}

func instant(k *checkpoint.Codec, t *int64) {
	v := uint64(*t)
	k.Uint(&v)
	*t = int64(v)
}

func text(k *checkpoint.Codec, s *string) {
	b := []byte(*s)
	k.Blob(&b)
	*s = string(b)
}

// word codes 4 bytes.
func word(k *checkpoint.Codec, v *uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], *v)
	k.Raw(b[:])
	*v = binary.LittleEndian.Uint32(b[:])
}

// sum codes 8 bytes, for what there is one of in each input, and for sums.
func sum(k *checkpoint.Codec, v *uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], *v)
	k.Raw(b[:])
	*v = binary.LittleEndian.Uint64(b[:])
}
