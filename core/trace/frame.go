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
		Protocol    uint64 // core.Protocol
		ClusterID   string
		NodeID      uint32
		RaftID      uint64
		ClusterUUID [16]byte
		ReplicaUUID [16]byte
		Life        uint64 // of the core: its Config.Seed
		File        uint64 // number of the file, growing
		Time        int64
		Redacted    bool
	}

	// Boot is the start of a core by core.New.
	Boot struct {
		Time    int64
		Config  core.Config
		Durable core.Durable
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
	if in, ok := f.(*Input); ok {
		b = in.append(b)
	} else {
		k := checkpoint.Writer(b)
		f.walk(k)
		b = k.Bytes()
	}
	seal(b[at:])
	return b
}

// seal fills in the length and the checksum of a frame.
func seal(frame []byte) {
	body := frame[frameHeaderBytes:]
	binary.LittleEndian.PutUint32(frame, uint32(len(body)))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// append is walk for the one kind that there are many of.
func (i *Input) append(b []byte) []byte {
	b = binary.AppendUvarint(b, i.Seq)
	b = binary.AppendUvarint(b, uint64(i.Time))
	if i.Data == nil {
		b = append(b, 0)
	} else {
		b = append(binary.AppendUvarint(b, uint64(len(i.Data))+1), i.Data...)
	}
	if !i.Summed {
		return append(b, 0)
	}
	b = binary.LittleEndian.AppendUint64(append(b, 1), i.Sum)
	for n := range i.Parts {
		b = binary.AppendUvarint(b, i.Parts[n].Count)
		if i.Parts[n].Count > 0 {
			b = binary.LittleEndian.AppendUint32(b, i.Parts[n].Sum)
		}
	}
	return b
}

func (i *Input) walk(k *checkpoint.Codec) {
	k.Uint(&i.Seq)
	instant(k, &i.Time)
	k.Blob(&i.Data)
	if k.Flag(&i.Summed); !i.Summed {
		return
	}
	sum(k, &i.Sum)
	for n := range i.Parts {
		p := &i.Parts[n]
		if k.Uint(&p.Count); p.Count > 0 {
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], p.Sum)
			k.Raw(b[:])
			p.Sum = binary.LittleEndian.Uint32(b[:])
		}
	}
}

func (h *Header) walk(k *checkpoint.Codec) {
	k.Uint(&h.Format)
	if h.Format != Format {
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
}

func (b *Boot) walk(k *checkpoint.Codec) {
	instant(k, &b.Time)
	config(k, &b.Config)
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
		k.Blob(&e.Data)
	})
	k.Uint(&d.PromiseMillis)
}

func (c *Checkpoint) walk(k *checkpoint.Codec) {
	k.Uint(&c.Seq)
	sum(k, &c.Sum)
	instant(k, &c.Time)
	config(k, &c.Config)
	k.Blob(&c.Data)
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

func config(k *checkpoint.Codec, g *core.Config) {
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

// sum codes 8 bytes: sums are as long as a number can be.
func sum(k *checkpoint.Codec, v *uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], *v)
	k.Raw(b[:])
	*v = binary.LittleEndian.Uint64(b[:])
}
