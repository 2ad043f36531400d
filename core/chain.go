package core

import (
	"encoding/binary"
	"hash/crc32"
)

// Chain sums up all that went into a core and all that came out of it: two runs
// with equal sums were the same to the byte, and the first step after which the
// sums differ is where they part. The zero value is the chain of a run that has
// not begun; Sum and Steps alone are enough to go on with it later.
//
// It finds mistakes, not malice: the sum is two cyclic redundancy checks of 32
// bits with different polynomials, which processors compute far faster than
// they copy. A host that wants none pays nothing.
type Chain struct {
	Sum   uint64 // Castagnoli's in the upper half, IEEE's in the lower
	Steps uint64
	b     []byte // used again
	parts Parts
}

// Parts tells apart what in two outputs differs: for each field of Output how
// many there are, and a sum over them.
type Parts [6]struct {
	Count uint64
	Sum   uint32 // CRC32C; 0 if Count is
}

// PartNames are the names of Parts, in order.
const PartNames = "Persist Send Apply Reply Events MembersChanged"

// Parts are those of the last output that was added.
func (c *Chain) Parts() Parts { return c.parts }

// maxChainBuffer is how many bytes a chain keeps for its next step.
const maxChainBuffer = 1 << 20

// Add takes one Step.
func (c *Chain) Add(in Input, out Output) {
	c.b = EncodeInput(c.b[:0], in)
	c.sum(c.b)
	c.addOutput(out)
}

// AddEncoded is Add for a host that has encoded the input already.
func (c *Chain) AddEncoded(in []byte, out Output) {
	c.sum(in)
	c.addOutput(out)
}

func (c *Chain) addOutput(out Output) {
	c.b = c.parts.encode(c.b[:0], out)
	c.sum(c.b)
	c.Steps++
	if cap(c.b) > maxChainBuffer {
		c.b = nil
	}
}

func (c *Chain) sum(b []byte) {
	upper := crc32.Update(uint32(c.Sum>>32), crc32.MakeTable(crc32.Castagnoli), b)
	lower := crc32.Update(uint32(c.Sum), crc32.IEEETable, b)
	c.Sum = uint64(upper)<<32 | uint64(lower)
}

// EncodeOutput appends all of out to b, so that equal bytes mean equal outputs.
// It is for comparing only: nothing reads it back.
func EncodeOutput(b []byte, out Output) []byte {
	var p Parts
	return p.encode(b, out)
}

func (p *Parts) encode(b []byte, out Output) []byte {
	at := len(b)
	b = appendLen(b, len(out.Persist))
	for _, x := range out.Persist {
		b = appendPersist(b, x)
	}
	at = p.ends(0, len(out.Persist), b, at)
	b = appendLen(b, len(out.Send))
	for _, s := range out.Send {
		b = appendBytes(appendUint(b, s.To), s.Data)
		b = appendBool(b, s.Snapshot)
	}
	at = p.ends(1, len(out.Send), b, at)
	b = appendLen(b, len(out.Apply))
	for _, a := range out.Apply {
		b = appendBytes(appendUint(appendUint(b, a.Index), a.Term), a.Data)
	}
	at = p.ends(2, len(out.Apply), b, at)
	b = appendLen(b, len(out.Reply))
	for _, r := range out.Reply {
		b = appendUint(append(appendUint(b, r.ID), byte(r.Code)), r.Index)
		b = appendString(appendUint(b, r.Term), r.Text)
	}
	at = p.ends(3, len(out.Reply), b, at)
	b = appendLen(b, len(out.Events))
	for _, e := range out.Events {
		b = appendString(append(b, byte(e.Level)), e.Text)
	}
	at = p.ends(4, len(out.Events), b, at)
	members := 0
	if out.MembersChanged {
		members = 1
	}
	b = appendLen(b, members)
	p.ends(5, members, b, at)
	return b
}

// ends notes the field i, which was written to b from at on, and returns where
// the next one begins.
func (p *Parts) ends(i, count int, b []byte, at int) int {
	p[i].Count, p[i].Sum = uint64(count), 0
	if count > 0 {
		p[i].Sum = crc32.Checksum(b[at:], crc32.MakeTable(crc32.Castagnoli))
	}
	return len(b)
}

func appendPersist(b []byte, p Persist) []byte {
	b = appendUint(b, p.Seq)
	for _, s := range []*Snapshot{p.Snapshot, p.Mark} {
		b = appendBool(b, s != nil)
		if s != nil {
			b = appendBytes(appendUint(appendUint(b, s.Index), s.Term), s.Data)
		}
	}
	b = appendLen(b, len(p.Entries))
	for _, e := range p.Entries {
		b = appendBytes(append(appendUint(appendUint(b, e.Index), e.Term), byte(e.Kind)), e.Data)
	}
	b = appendBool(b, p.HardState != nil)
	if h := p.HardState; h != nil {
		b = appendUint(appendUint(appendUint(b, h.Term), h.Vote), h.Commit)
	}
	return appendBool(appendUint(b, p.PromiseMillis), p.Sync)
}

func appendUint(b []byte, v uint64) []byte      { return binary.AppendUvarint(b, v) }
func appendLen(b []byte, n int) []byte          { return binary.AppendUvarint(b, uint64(n)) }
func appendBytes(b, data []byte) []byte         { return append(appendLen(b, len(data)), data...) }
func appendString(b []byte, text string) []byte { return append(appendLen(b, len(text)), text...) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
