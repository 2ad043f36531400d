package sim

import (
	"encoding/binary"
	"math/bits"
)

// digest is a running 64-bit hash: each word is folded in by a multiplication
// of 64 by 64 to 128 bits, as wyhash does. It is for telling runs apart, not
// against an adversary.
type digest uint64

const (
	foldA = 0xa0761d6478bd642f
	foldB = 0xe7037ed1a0b428db
)

func (d *digest) word(x uint64) {
	hi, lo := bits.Mul64(uint64(*d)^foldA, x^foldB)
	*d = digest(hi ^ lo ^ x)
}

func (d *digest) words(xs ...uint64) {
	for _, x := range xs {
		d.word(x)
	}
}

func (d *digest) flag(b bool) {
	if b {
		d.word(1)
	} else {
		d.word(2)
	}
}

func (d *digest) bytes(b []byte) {
	d.word(uint64(len(b)))
	for len(b) >= 8 {
		d.word(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var rest [8]byte
	copy(rest[:], b)
	d.word(binary.LittleEndian.Uint64(rest[:]))
}

func (d *digest) text(s string) {
	d.word(uint64(len(s)))
	for len(s) >= 8 {
		d.word(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	for i := range len(s) {
		d.word(uint64(s[i]))
	}
}
