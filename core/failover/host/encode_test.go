package host

import (
	"reflect"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

const dataText = `pgraft data 1
joined 1
joined_on 3
sealed 18446744073709551615
cut 2A/DEADBEEF
anew 5
nonce 00000000000000ff
doubt 2
unguarded 1
timeline 4 5
timeline 4294967295 6
wrote 3
wrote 4
crc32c 490948ee
`

const storeText = `pgraft store 1
joined 1
boot 12
nonce ffffffffffffffff
next_nonce 0000000000000000
floor 5 0/5000
crc32c 9225fc20
`

func example() (Data, Store) {
	return Data{Joined: true, JoinedOn: 3, Sealed: ^uint64(0), Notes: []failover.Note{{Timeline: 4, Epoch: 5}, {Timeline: ^uint32(0), Epoch: 6}}, Cut: 0x2a_deadbeef,
			Anew: 5, Nonce: 255, Doubt: failover.DoubtForeign, Unguarded: true, Wrote: []uint32{3, 4}},
		Store{Joined: true, Boot: 12, Nonce: ^uint64(0), Floor: failover.Position{Epoch: 5, LSN: 0x5000}}
}

// What is on disk is what the C code reads, to the byte.
func TestNotesOnDisk(t *testing.T) {
	d, s := example()
	if got := string(d.Marshal()); got != dataText {
		t.Errorf("the data directory's note is\n%s\nwant\n%s", got, dataText)
	}
	if got := string(s.Marshal()); got != storeText {
		t.Errorf("the store's note is\n%s\nwant\n%s", got, storeText)
	}
	if got, err := UnmarshalData([]byte(dataText)); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v, %v, want %+v", got, err, d)
	}
	if got, err := UnmarshalStore([]byte(storeText)); err != nil || got != s {
		t.Errorf("%+v, %v, want %+v", got, err, s)
	}
	var none Data
	if got, err := UnmarshalData(none.Marshal()); err != nil || !reflect.DeepEqual(got, none) {
		t.Errorf("an empty note is read as %+v, %v", got, err)
	}
	if got, err := UnmarshalStore((&Store{}).Marshal()); err != nil || got != (Store{}) {
		t.Errorf("an empty note is read as %+v, %v", got, err)
	}
	// A field that is added is missed here, until Marshal has it.
	if n := reflect.TypeFor[Data]().NumField() + reflect.TypeFor[Store]().NumField(); n != 10+5 {
		t.Errorf("the notes have %d fields", n)
	}
}

// A note that differs by a byte, or lacks its end, is none.
func TestDamagedNotes(t *testing.T) {
	d, s := example()
	for _, b := range [][]byte{d.Marshal(), s.Marshal()} {
		refused := func(b []byte) bool {
			_, err := UnmarshalData(b)
			_, err2 := UnmarshalStore(b)
			return err != nil && err2 != nil
		}
		for i := range b {
			if !refused(b[:i]) {
				t.Errorf("%d bytes of it are read:\n%s", i, b)
			}
			for _, flip := range []byte{1, 0x20, 0x80, '\n' ^ b[i]} {
				c := append([]byte{}, b...)
				if c[i] ^= flip; flip != 0 && !refused(c) {
					t.Errorf("byte %d of it may be %q:\n%s", i, c[i], b)
				}
			}
		}
		if !refused(append(b, '\n')) {
			t.Error("it may go on")
		}
	}
}

// What no build of this version writes is refused, though its sum is right.
func TestForeignNotes(t *testing.T) {
	body := func(text string) string { return text[:strings.Index(text, "crc32c")] }
	for _, c := range []struct{ text, old, new, want string }{
		{dataText, "data 1", "data 2", "of another version"},
		{dataText, "joined 1", "joined 2", "other fields"},
		{dataText, "joined 1", "joined x", "joined x"},
		{dataText, "doubt 2", "doubt 99", "other fields"},
		{dataText, "doubt 2\n", "", "other fields"},
		{dataText, "doubt 2", "doubt 2\ndoubt 2", "other fields"},
		{dataText, "anew 5", "anew 05", "other fields"},
		{dataText, "wrote 3", "wrote 4294967296", "wrote 4294967296"},
		{dataText, "wrote 3", "rote 3", "no such field"},
		{dataText, "timeline 4 5\n", "timeline 4\n", "timeline 4"},
		{storeText, "store 1", "store 0", "of another version"},
		{storeText, "floor 5 0/5000", "floor 5", "floor 5"},
		{storeText, "floor 5 0/5000", "floor 5 0/0005000", "other fields"},
		{storeText, "boot 12", "boot 12 ", "other fields"},
		{storeText, "boot 12", "toob 12", "no such field"},
	} {
		b := summed([]byte(strings.Replace(body(c.text), c.old, c.new, 1)))
		_, err := UnmarshalData(b)
		if c.text == storeText {
			_, err = UnmarshalStore(b)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in the place of %q: %v, want one with %q", c.new, c.old, err, c.want)
		}
	}
}

func TestNotes(t *testing.T) {
	d := Data{JoinedOn: 1}
	d.Note([]failover.Note{{Timeline: 2, Epoch: 4}, {Timeline: 3, Epoch: 5}})
	c := d.Clone()
	c.Note([]failover.Note{{Timeline: 2, Epoch: 6}, {Timeline: 4, Epoch: 7}})
	for timeline, want := range map[uint32][2]uint64{1: {0, 0}, 2: {4, 6}, 3: {5, 5}, 4: {0, 7}} {
		if got := [2]uint64{d.EpochOf(timeline), c.EpochOf(timeline)}; got != want {
			t.Errorf("timeline %d is of epochs %v, want %v", timeline, got, want)
		}
	}
	for timeline, want := range map[uint32]bool{1: false, 2: false, 4: true} {
		if d.IsNobodys(timeline) != want {
			t.Errorf("timeline %d is nobody's: %v", timeline, !want)
		}
	}
}
