package checkpoint

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Codec walks a state in either direction: every method writes *p, or reads
// into it. One walk serves both, so what is written and what is read cannot
// differ. The first error stays; what follows it reads as zero.
type Codec struct {
	write bool
	b     []byte
	err   error
	// rewrite, when not nil, may change the bytes of each message once they are
	// written; data those of an entry that Entries codes.
	rewrite func(m proto.Message, b []byte)
	data    func(e *pb.Entry, b []byte)
	// drain, when not nil, takes away what is written.
	drain func([]byte)
}

// drainBytes is how much a writer gathers for drain.
const drainBytes = 256 << 10

// Writer returns a codec that appends to b.
func Writer(b []byte) *Codec { return &Codec{write: true, b: b} }

// Reader returns a codec that reads b.
func Reader(b []byte) *Codec { return &Codec{b: b} }

// Writing says which way it goes.
func (c *Codec) Writing() bool { return c.write }

// Rewrite makes message change the bytes of every protobuf message that is
// written, and data the Data of every entry in Entries. Neither changes a length.
func (c *Codec) Rewrite(message func(m proto.Message, b []byte), data func(e *pb.Entry, b []byte)) {
	c.rewrite, c.data = message, data
}

// Drain makes f take what is written, piece by piece, now and then: what it does
// not take in the end is in Bytes. A piece is used again once f returns.
func (c *Codec) Drain(f func([]byte)) { c.drain = f }

// drained is called where nobody remembers a place in b.
func (c *Codec) drained() {
	if c.drain != nil && c.write && len(c.b) >= drainBytes {
		c.drain(c.b)
		c.b = c.b[:0]
	}
}

// Bytes is what a writer has written, or what a reader has not read yet.
func (c *Codec) Bytes() []byte { return c.b }

// Err is the first thing that went wrong.
func (c *Codec) Err() error { return c.err }

// Fail makes Err return the given error, unless there is one.
func (c *Codec) Fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("checkpoint: "+format, args...)
	}
	if !c.write {
		c.b = nil
	}
}

// Uint codes an unsigned number.
func (c *Codec) Uint(p *uint64) {
	if c.write {
		c.b = binary.AppendUvarint(c.b, *p)
		return
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.Fail("it ends early")
		*p = 0
		return
	}
	c.b, *p = c.b[n:], v
}

// Number codes any integer type.
func Number[T ~int | ~int32 | ~uint8 | ~uint32 | ~uint64](c *Codec, p *T) {
	v := uint64(*p)
	c.Uint(&v)
	*p = T(v)
}

// Flag codes a truth value.
func (c *Codec) Flag(p *bool) {
	v := uint64(0)
	if *p {
		v = 1
	}
	c.Uint(&v)
	*p = v != 0
}

// size codes a length, one more than it is, so that nil stays nil. What is
// counted takes a byte each at least.
func (c *Codec) size(isNil bool, n int) (int, bool) {
	v := uint64(n) + 1
	if isNil {
		v = 0
	}
	c.Uint(&v)
	switch {
	case v == 0:
		return 0, false
	case !c.write && v-1 > uint64(len(c.b)):
		c.Fail("a length of %d with %d bytes left", v-1, len(c.b))
		return 0, false
	}
	return int(v - 1), true
}

// Blob codes bytes. What is read is a copy.
func (c *Codec) Blob(p *[]byte) {
	n, ok := c.size(*p == nil, len(*p))
	if c.write {
		c.b = append(c.b, *p...)
		c.drained()
		return
	}
	*p = nil
	if ok {
		*p, c.b = append(make([]byte, 0, n), c.b[:n]...), c.b[n:]
	}
}

// Array codes 16 bytes: a uuid or a request id.
func (c *Codec) Array(p *[16]byte) {
	if c.write {
		c.b = append(c.b, p[:]...)
		return
	}
	if *p = [16]byte{}; len(c.b) < len(p) {
		c.Fail("it ends early")
		return
	}
	copy(p[:], c.b)
	c.b = c.b[len(p):]
}

// List codes a slice, f its elements.
func List[T any](c *Codec, p *[]T, f func(*T)) {
	n, ok := c.size(*p == nil, len(*p))
	if !c.write {
		*p = nil
		if ok {
			*p = make([]T, n)
		}
	}
	for i := range *p {
		f(&(*p)[i])
	}
}

// Map codes a map in the order that compare gives its keys, key and f its parts.
func Map[K comparable, V any](c *Codec, p *map[K]V, compare func(a, b K) int, key func(*K), f func(*V)) {
	n, ok := c.size(*p == nil, len(*p))
	if c.write {
		for _, k := range slices.SortedFunc(maps.Keys(*p), compare) {
			v := (*p)[k]
			key(&k)
			f(&v)
		}
		return
	}
	*p = nil
	if !ok {
		return
	}
	*p = make(map[K]V, n)
	for range n {
		var k K
		var v V
		key(&k)
		f(&v)
		(*p)[k] = v
	}
}

// ByID codes a map by Raft id, or by another number.
func ByID[V any](c *Codec, p *map[uint64]V, f func(*V)) { Map(c, p, cmp.Compare[uint64], c.Uint, f) }

// Pointer codes what *p points to, or that it is nil.
func Pointer[T any](c *Codec, p **T, f func(*T)) {
	has := *p != nil
	c.Flag(&has)
	if !c.write {
		*p = nil
		if has {
			*p = new(T)
		}
	}
	if *p != nil {
		f(*p)
	}
}

type message[T any] interface {
	*T
	proto.Message
}

// Message codes a protobuf message, or that there is none.
func Message[T any, M message[T]](c *Codec, p **T) {
	size, m := 0, M(*p)
	if c.write && *p != nil {
		size = proto.Size(m)
	}
	n, ok := c.size(*p == nil, size)
	if c.write {
		if ok {
			b, err := proto.MarshalOptions{Deterministic: true, UseCachedSize: true}.MarshalAppend(c.b, m)
			if c.b = b; err != nil {
				c.Fail("%T: %v", *p, err)
			}
			if c.rewrite != nil && c.err == nil {
				c.rewrite(m, c.b[len(c.b)-n:])
			}
			c.drained()
		}
		return
	}
	if *p = nil; !ok {
		return
	}
	*p = new(T)
	if err := proto.Unmarshal(c.b[:n], M(*p)); err != nil {
		c.Fail("%T: %v", *p, err)
		return
	}
	c.b = c.b[n:]
}

// Messages codes a list of protobuf messages.
func Messages[T any, M message[T]](c *Codec, p *[]*T) {
	List(c, p, func(m **T) { Message[T, M](c, m) })
}

// Entries codes log entries. They are the bulk of a checkpoint, so this does by
// hand what Messages does: a field that is not set stays not set.
func (c *Codec) Entries(p *[]*pb.Entry) {
	List(c, p, func(e **pb.Entry) {
		x := *e
		if !c.write {
			x = &pb.Entry{}
			*e = x
		}
		optional(c, &x.Type)
		optional(c, &x.Term)
		optional(c, &x.Index)
		if c.write && c.data != nil {
			c.size(x.Data == nil, len(x.Data))
			at := len(c.b)
			c.b = append(c.b, x.Data...)
			c.data(x, c.b[at:])
			c.drained()
			return
		}
		c.Blob(&x.Data)
	})
}

// optional codes a number, one more than it is, or 0 if there is none.
func optional[T ~int32 | ~uint64](c *Codec, p **T) {
	v := uint64(0)
	if *p != nil {
		v = uint64(**p) + 1
	}
	c.Uint(&v)
	if *p = nil; v != 0 {
		*p = new(T(v - 1))
	}
}
