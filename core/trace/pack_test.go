package trace

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// What is packed, in one piece or several, is unpacked; zeros take no room.
func TestPack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want, packed []byte
		for range rapid.IntRange(0, 5).Draw(t, "pieces") {
			var piece []byte
			for range rapid.IntRange(0, 5).Draw(t, "runs") {
				piece = append(piece, rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "bytes")...)
				piece = append(piece, make([]byte, rapid.IntRange(0, 500).Draw(t, "zeros"))...)
			}
			want, packed = append(want, piece...), pack(packed, piece)
		}
		got, err := unpack(9, packed)
		if err != nil || got[0] != 9 || !bytes.Equal(got[1:], want) {
			t.Fatalf("%x is packed to %x, that unpacked to %x, %v", want, packed, got, err)
		}
		cut := packed[:rapid.IntRange(0, max(0, len(packed)-1)).Draw(t, "cut")]
		if got, err := unpack(9, cut); err == nil && len(cut) < len(packed) && bytes.Equal(got[1:], want) {
			t.Fatalf("%x cut to %x is unpacked all the same", packed, cut)
		}
	})
	if n := len(pack(nil, append([]byte("x"), make([]byte, 1<<20)...))); n > 8 {
		t.Errorf("a megabyte of zeros takes %d bytes", n)
	}
	for _, bad := range [][]byte{{5}, {1, 'x'}, {0, 0xff, 0xff, 0xff, 0xff, 0x7f}, bytes.Repeat([]byte{0, 0xff, 0xff, 0xff, 0x7f}, 3)} {
		if b, err := unpack(9, bad); err == nil {
			t.Errorf("%x is unpacked to %d bytes", bad, len(b))
		}
	}
}
