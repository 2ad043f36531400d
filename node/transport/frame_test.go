package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/rapidtest"
)

func TestMain(m *testing.M) { rapidtest.Main(m, nil) }

// TestFrames: what is written comes out again, however the stream is cut up.
func TestFrames(t *testing.T) {
	readers := []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
	}
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want [][]byte
		for range rapid.IntRange(0, 5).Draw(t, "frames") {
			data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data"), rapid.SampledFrom([]int{1, 3000}).Draw(t, "times"))
			want = append(want, data)
			stream = appendFrame(stream, data)
		}
		r := bufio.NewReader(rapid.SampledFrom(readers).Draw(t, "reader")(bytes.NewReader(stream)))
		for i, w := range want {
			got, err := readFrame(r, maxFrameBytes)
			if err != nil || !bytes.Equal(got, w) {
				t.Fatalf("frame %d: %d bytes, error %v; want %d bytes", i, len(got), err, len(w))
			}
		}
		if _, err := readFrame(r, maxFrameBytes); err != io.EOF {
			t.Fatalf("after the last frame: %v, want EOF", err)
		}
	})
}

// TestFrameDamage: a frame with one bit changed, or cut short, is never taken.
func TestFrameDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := appendFrame(nil, rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data"))
		if rapid.Bool().Draw(t, "cut") {
			n := rapid.IntRange(1, len(frame)-1).Draw(t, "to")
			if _, err := readFrame(bufio.NewReader(bytes.NewReader(frame[:n])), maxFrameBytes); err != io.ErrUnexpectedEOF {
				t.Fatalf("cut to %d of %d bytes: %v", n, len(frame), err)
			}
			return
		}
		bit := rapid.IntRange(0, 8*len(frame)-1).Draw(t, "bit")
		frame[bit/8] ^= 1 << (bit % 8)
		if data, err := readFrame(bufio.NewReader(bytes.NewReader(frame)), maxFrameBytes); err == nil {
			t.Fatalf("bit %d changed: %d bytes taken", bit, len(data))
		}
	})
}

func TestFrameTooLarge(t *testing.T) {
	for _, n := range []uint32{maxFrameBytes + 1, 1<<32 - 1} {
		if _, err := readFrame(bufio.NewReader(bytes.NewReader(header(n, 0))), maxFrameBytes); !errors.Is(err, errFrameTooLarge) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, n := range []int{1, firstReadBytes - 1, firstReadBytes, firstReadBytes + 1, 5 * firstReadBytes} {
		frame := appendFrame(nil, make([]byte, n))
		got, err := readFrame(bufio.NewReader(bytes.NewReader(frame)), n)
		if err != nil || len(got) != n || cap(got) != n {
			t.Errorf("%d bytes: got %d (capacity %d), %v", n, len(got), cap(got), err)
		}
		if _, err := readFrame(bufio.NewReader(bytes.NewReader(frame)), n-1); !errors.Is(err, errFrameTooLarge) {
			t.Errorf("%d bytes, at most %d: %v", n, n-1, err)
		}
	}
}

// TestFrameClaim: a header that claims 64 MiB takes memory only for what comes.
func TestFrameClaim(t *testing.T) {
	const arrived = 100 << 10
	stream := append(header(maxFrameBytes, 0), make([]byte, arrived)...)
	r := bufio.NewReader(bytes.NewReader(stream))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readFrame(r, maxFrameBytes)
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes arrived, %d were allocated", arrived, took)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendFrame(nil, []byte("hello")))
	f.Add(header(maxFrameBytes, 0))
	f.Add(header(1<<32-1, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, err := readFrame(bufio.NewReader(bytes.NewReader(b)), maxFrameBytes)
		if err == nil && !bytes.Equal(appendFrame(nil, data), b[:frameHeaderBytes+len(data)]) {
			t.Fatalf("%x was read as %x", b, data)
		}
	})
}

// FuzzGreeting: no stranger's first bytes do harm, and a greeting that is taken
// is one that can be sent.
func FuzzGreeting(f *testing.F) {
	f.Add(greeting(f, &corepb.Hello{Protocol: 1, ClusterId: "main"}))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &corepb.Hello{}
		if err := readGreeting(bufio.NewReader(bytes.NewReader(b)), h); err != nil {
			if err.Error() == "" {
				t.Fatal("an error that says nothing")
			}
			return
		}
		again := &corepb.Hello{}
		if err := readGreeting(bufio.NewReader(bytes.NewReader(greeting(t, h))), again); err != nil || !proto.Equal(h, again) {
			t.Fatalf("%v came back as %v, error %v", h, again, err)
		}
	})
}
