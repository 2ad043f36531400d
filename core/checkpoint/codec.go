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
	// rewrite, when not nil, changes a copy of each message before it is written.
	rewrite func(proto.Message)
}

// Writer returns a codec that appends to b.
func Writer(b []byte) *Codec { return &Codec{write: true, b: b} }

// Reader returns a codec that reads b.
func Reader(b []byte) *Codec { return &Codec{b: b} }

// Writing says which way it goes.
func (c *Codec) Writing() bool { return c.write }

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
		if c.rewrite != nil {
			m = proto.CloneOf(m)
			c.rewrite(m)
		}
		size = proto.Size(m)
	}
	n, ok := c.size(*p == nil, size)
	if c.write {
		if ok {
			b, err := proto.MarshalOptions{Deterministic: true, UseCachedSize: true}.MarshalAppend(c.b, m)
			if c.b = b; err != nil {
				c.Fail("%T: %v", *p, err)
			}
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
		switch {
		case !c.write:
			x = &pb.Entry{}
			*e = x
		case c.rewrite != nil:
			x = &pb.Entry{Type: x.Type, Term: x.Term, Index: x.Index, Data: x.Data}
			c.rewrite(x)
		}
		optional(c, &x.Type)
		optional(c, &x.Term)
		optional(c, &x.Index)
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
