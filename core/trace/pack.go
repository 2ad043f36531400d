package trace

import (
	"encoding/binary"
	"fmt"
)

// Where users' data was cut there are zeros. A Packed frame leaves out runs of
// them: its parts are each the length of some bytes, them, and a number of zeros.

const (
	// minZeros is how many zeros in a row are left out at least.
	minZeros = 64
	// zeroStride is how far apart it looks for them: no such run is between.
	zeroStride = minZeros / 2
)

// pack appends p to b, as parts.
func pack(b, p []byte) []byte {
	for len(p) > 0 {
		from, to := zeros(p)
		b = append(binary.AppendUvarint(b, uint64(from)), p[:from]...)
		b = binary.AppendUvarint(b, uint64(to-from))
		p = p[to:]
	}
	return b
}

// zeros finds the first run of zeros that is worth it; an empty one at the end if
// there is none.
func zeros(p []byte) (from, to int) {
	for i := 0; i+8 <= len(p); i = max(i, to) + zeroStride {
		if binary.LittleEndian.Uint64(p[i:]) != 0 {
			continue
		}
		for from = i; from > 0 && p[from-1] == 0; from-- {
		}
		for to = i + 8; to+8 <= len(p) && binary.LittleEndian.Uint64(p[to:]) == 0; to += 8 {
		}
		for ; to < len(p) && p[to] == 0; to++ {
		}
		if to-from >= minZeros {
			return from, to
		}
	}
	return len(p), len(p)
}

// unpack returns kind and what parts stand for.
func unpack(kind byte, parts []byte) ([]byte, error) {
	size := 1
	err := eachPart(parts, func(part []byte, zeros int) error {
		if size += len(part) + zeros; size > maxUnpackedBytes {
			return fmt.Errorf("more than %d bytes", maxUnpackedBytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	b[0] = kind
	at := 1
	return b, eachPart(parts, func(part []byte, zeros int) error {
		at += copy(b[at:], part) + zeros
		return nil
	})
}

func eachPart(parts []byte, f func(part []byte, zeros int) error) error {
	for len(parts) > 0 {
		size, n := binary.Uvarint(parts)
		if n <= 0 || size > uint64(len(parts)-n) {
			return fmt.Errorf("a part of %d bytes of which %d are there", size, len(parts)-max(n, 0))
		}
		part := parts[n : n+int(size)]
		parts = parts[n+int(size):]
		zeros, n := binary.Uvarint(parts)
		if n <= 0 || zeros > maxUnpackedBytes {
			return fmt.Errorf("a part followed by %d zeros", zeros)
		}
		parts = parts[n:]
		if err := f(part, int(zeros)); err != nil {
			return err
		}
	}
	return nil
}
