package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	// maxFrameBytes bounds the payload of one frame: a core message, at most a
	// snapshot of the core's state.
	maxFrameBytes = 64 << 20
	// maxHandshakeBytes bounds a Hello or a Welcome, which come from strangers.
	maxHandshakeBytes = 64 << 10

	frameHeaderBytes = 8
	// firstReadBytes is what a frame's length alone may make readFrame
	// allocate; more only as bytes arrive.
	firstReadBytes = 256 << 10
	bufferBytes    = 64 << 10 // one reader's and one writer's buffer
	// handshakeBufferBytes is the reader's buffer before it is known who is there.
	handshakeBufferBytes = 4 << 10
)

var (
	errFrameTooLarge = errors.New("frame too large")
	errFrameCorrupt  = errors.New("frame corrupt")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// putFrameHeader writes the header of a frame with payload data into h.
func putFrameHeader(h *[frameHeaderBytes]byte, data []byte) {
	binary.BigEndian.PutUint32(h[0:], uint32(len(data)))
	binary.BigEndian.PutUint32(h[4:], crc32.Checksum(data, castagnoli))
}

// appendFrame appends a whole frame to b.
func appendFrame(b, data []byte) []byte {
	var h [frameHeaderBytes]byte
	putFrameHeader(&h, data)
	return append(append(b, h[:]...), data...)
}

// readFrame reads one frame of at most limit payload bytes. The payload is the
// caller's. A stream that ends between two frames gives io.EOF, one that ends
// inside a frame io.ErrUnexpectedEOF.
func readFrame(r *bufio.Reader, limit int) ([]byte, error) {
	var h [frameHeaderBytes]byte
	if _, err := io.ReadFull(r, h[:1]); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r, h[1:]); err != nil {
		return nil, noEOF(err)
	}
	n, sum := binary.BigEndian.Uint32(h[0:]), binary.BigEndian.Uint32(h[4:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", errFrameTooLarge, n, limit)
	}
	data, err := readPayload(r, int(n))
	if err != nil {
		return nil, err
	}
	if got := crc32.Checksum(data, castagnoli); got != sum {
		return nil, fmt.Errorf("%w: %d bytes have CRC32C %08x, the header says %08x", errFrameCorrupt, n, got, sum)
	}
	return data, nil
}

// maxFramesAtOnce bounds what readFrames returns.
const maxFramesAtOnce = 256

// readFrames appends the payloads of the next frame, which it waits for, and of those
// whole ones that follow it in r's buffer. They are the caller's. With an error come the
// frames before it.
func readFrames(r *bufio.Reader, limit int, messages [][]byte) ([][]byte, error) {
	data, err := readFrame(r, limit)
	if err != nil {
		return messages, err
	}
	messages = append(messages, data)
	for len(messages) < maxFramesAtOnce && r.Buffered() >= frameHeaderBytes {
		h, err := r.Peek(frameHeaderBytes)
		if err != nil {
			return messages, err
		}
		if uint64(r.Buffered()) < frameHeaderBytes+uint64(binary.BigEndian.Uint32(h)) {
			break
		}
		data, err := readFrame(r, limit)
		if err != nil {
			return messages, err
		}
		messages = append(messages, data)
	}
	return messages, nil
}

// readPayload reads n bytes. The buffer at most doubles with what has arrived,
// so that a claimed length costs a stranger its bytes, not us our memory.
func readPayload(r io.Reader, n int) ([]byte, error) {
	data := make([]byte, min(n, firstReadBytes))
	for have := 0; ; {
		if _, err := io.ReadFull(r, data[have:]); err != nil {
			return nil, noEOF(err)
		}
		if have = len(data); have == n {
			return data, nil
		}
		grown := make([]byte, min(n, 2*have))
		copy(grown, data)
		data = grown
	}
}

// noEOF names the end of a stream where there should have been more.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
