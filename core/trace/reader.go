package trace

import (
	"encoding/binary"
	"fmt"

	"github.com/pgraft/pgraft/core/checkpoint"
)

// DamageError says where a trace cannot be read any further. Everything before
// Offset was whole.
type DamageError struct {
	Offset int // in bytes, of the frame
	Left   int // bytes from there to the end of the file
	// Cut is set when the file just ends within a frame, as it does when its
	// writer was killed.
	Cut    bool
	Detail string
}

func (e *DamageError) Error() string {
	what := "damaged"
	if e.Cut {
		what = "cut off"
	}
	return fmt.Sprintf("trace: %s at byte %d, %d bytes before its end: %s", what, e.Offset, e.Left, e.Detail)
}

// Reader reads one file's frames.
type Reader struct {
	b      []byte
	at     int // of the next frame
	began  bool
	header Header
	err    *DamageError
}

// NewReader reads b, which it keeps.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Next returns the next frame; false at the end, or where the trace is damaged:
// Err tells which. The first frame is always the *Header.
func (r *Reader) Next() (Frame, bool) {
	if r.err == nil && !r.began {
		r.begin()
	}
	for r.err == nil && r.at < len(r.b) {
		body, ok := r.body()
		if !ok {
			return nil, false
		}
		offset := r.at
		r.at += frameHeaderBytes + len(body)
		if body[0] == kindPacked && r.began && r.format() > formatUncut {
			if body, ok = r.unpack(body[1:], offset); !ok {
				return nil, false
			}
		}
		f := newFrame(body[0], r.format())
		if f == nil && body[0] >= kindOptional && r.began {
			continue
		}
		if f == nil && !r.began {
			return r.fail(offset, "it begins with a frame of kind %d, not with its header", body[0])
		}
		if f == nil {
			return r.fail(offset, "a frame of kind %d, which format %d does not have: written by a newer pgraft", body[0], r.format())
		}
		k := checkpoint.Reader(body[1:])
		f.walk(k)
		return r.checked(f, k, offset)
	}
	return nil, false
}

// unpack returns the frame, kind and payload, that a Packed one stands for.
func (r *Reader) unpack(b []byte, offset int) ([]byte, bool) {
	if len(b) == 0 || b[0] != kindBoot && b[0] != kindInput && b[0] != kindCheckpoint {
		r.fail(offset, "a packed frame that is none of a core")
		return nil, false
	}
	body, err := unpack(b[0], b[1:])
	if err != nil {
		r.fail(offset, "a packed frame of kind %d: %v", b[0], err)
	}
	return body, err == nil
}

// format is that of the file; the newest before its header is read.
func (r *Reader) format() uint64 {
	if r.header.Format == 0 {
		return Format
	}
	return r.header.Format
}

// checked refuses a frame that is no whole one, or stands in the wrong place.
func (r *Reader) checked(f Frame, k *checkpoint.Codec, offset int) (Frame, bool) {
	h, isHeader := f.(*Header)
	switch {
	case isHeader && !h.readable():
		return r.fail(offset, "it has format %d, this pgraft reads %d to %d", h.Format, formatUncut, Format)
	case k.Err() != nil:
		return r.fail(offset, "%T: %v", f, k.Err())
	case len(k.Bytes()) > 0:
		return r.fail(offset, "%T with %d bytes too many", f, len(k.Bytes()))
	case isHeader == r.began:
		return r.fail(offset, "%T out of place", f)
	}
	if isHeader {
		r.began, r.header = true, *h
	}
	return f, true
}

// begin takes the magic.
func (r *Reader) begin() {
	switch n := len(Magic); {
	case len(r.b) < n && string(r.b) == Magic[:len(r.b)]:
		r.err = &DamageError{Left: len(r.b), Cut: true, Detail: "it has no header"}
	case len(r.b) < n || string(r.b[:n]) != Magic:
		r.err = &DamageError{Left: len(r.b), Detail: "it is not a pgraft trace"}
	case r.at == 0:
		if r.at = n; len(r.b) == n {
			r.err = &DamageError{Offset: n, Cut: true, Detail: "it has no header"}
		}
	}
}

// body returns the next frame's kind and payload, checked.
func (r *Reader) body() ([]byte, bool) {
	left := r.b[r.at:]
	if len(left) < frameHeaderBytes {
		r.cut("%d bytes of a frame's first %d", len(left), frameHeaderBytes)
		return nil, false
	}
	n, want := binary.LittleEndian.Uint32(left), binary.LittleEndian.Uint32(left[4:])
	left = left[frameHeaderBytes:]
	switch {
	case n == 0 || n > maxFrameBytes:
		r.fail(r.at, "a frame of %d bytes", n)
		return nil, false
	case int(n) > len(left):
		r.cut("a frame of %d bytes of which %d are there", n, len(left))
		return nil, false
	}
	if got := crc(left[:n]); got != want {
		r.fail(r.at, "a frame of kind %d and %d bytes has checksum %08x, not %08x", left[0], n, got, want)
		return nil, false
	}
	return left[:n], true
}

func (r *Reader) fail(offset int, format string, args ...any) (Frame, bool) {
	r.err = &DamageError{Offset: offset, Left: len(r.b) - offset, Detail: fmt.Sprintf(format, args...)}
	return nil, false
}

func (r *Reader) cut(format string, args ...any) {
	r.fail(r.at, format, args...)
	r.err.Cut = true
}

// Header is the file's header once Next has returned it.
func (r *Reader) Header() Header { return r.header }

// Offset is where the next frame begins, in bytes.
func (r *Reader) Offset() int { return r.at }

// Err is nil at the end of a whole trace, and otherwise a *DamageError.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

func newFrame(kind byte, format uint64) Frame {
	if format == Format {
		format = 0
	}
	switch kind {
	case kindHeader:
		return &Header{}
	case kindBoot:
		return &Boot{format: format}
	case kindInput:
		return &Input{}
	case kindCheckpoint:
		return &Checkpoint{format: format}
	case kindNote:
		return &Note{}
	case kindEnd:
		return &End{}
	}
	return nil
}

// At returns a reader of the frames from offset on, for one who has read the
// whole file before.
func At(b []byte, offset int) *Reader {
	r := NewReader(b)
	if offset > len(Magic) {
		r.Next() // the header
	}
	r.at = offset
	return r
}
