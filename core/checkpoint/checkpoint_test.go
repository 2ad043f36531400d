package checkpoint

import "testing"

// A new version of the library that changes any field fails here, and Open
// refuses it.
func TestLibraryIsTheOneKnown(t *testing.T) {
	if err := check(); err != nil {
		t.Fatal(err)
	}
}

func TestCodecBothWays(t *testing.T) {
	type state struct {
		n    uint64
		flag bool
		blob []byte
		none []byte
		id   [16]byte
		m    map[uint64]bool
		l    []uint64
	}
	walk := func(c *Codec, s *state) {
		c.Uint(&s.n)
		c.Flag(&s.flag)
		c.Blob(&s.blob)
		c.Blob(&s.none)
		c.Array(&s.id)
		ByID(c, &s.m, c.Flag)
		List(c, &s.l, c.Uint)
	}
	in := state{n: 1 << 60, flag: true, blob: []byte{}, id: [16]byte{1, 2}, m: map[uint64]bool{9: true, 2: false}, l: []uint64{7, 0}}
	w := Writer(nil)
	walk(w, &in)
	var out state
	r := Reader(w.Bytes())
	walk(r, &out)
	switch {
	case r.Err() != nil || len(r.Bytes()) != 0:
		t.Fatalf("%v, %d bytes left", r.Err(), len(r.Bytes()))
	case out.n != in.n || !out.flag || out.blob == nil || len(out.blob) != 0 || out.none != nil || out.id != in.id,
		len(out.m) != 2 || !out.m[9] || len(out.l) != 2 || out.l[0] != 7:
		t.Errorf("%+v, want %+v", out, in)
	}
	for n := range len(w.Bytes()) {
		c := Reader(w.Bytes()[:n])
		walk(c, &state{})
		if c.Err() == nil {
			t.Errorf("read to its end from %d of %d bytes", n, len(w.Bytes()))
		}
	}
}
