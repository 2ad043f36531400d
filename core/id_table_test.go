package core

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// The table against a map, with ids that meet, ids that come twice, and numbers that run
// over.
func TestRapidIDTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r requestIDs
		r.window = 1 << 40
		r.byID.dropped = rapid.SampledFrom([]uint64{0, numberMask - 20, 1<<32 - 20}).Draw(t, "dropped")
		want := map[[16]byte]place{}
		ids := rapid.Uint64Range(0, rapid.SampledFrom([]uint64{3, 100, 1 << 60}).Draw(t, "ids"))
		draw := func(t *rapid.T) (id [16]byte) {
			binary.LittleEndian.PutUint64(id[:8], 0x9e3779b97f4a7c15) // all of one slot
			if rapid.Bool().Draw(t, "apart") {
				binary.LittleEndian.PutUint64(id[:8], 1)
			}
			binary.LittleEndian.PutUint64(id[8:], ids.Draw(t, "id"))
			return id
		}
		index := uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				index++
				id := draw(t)
				r.add(id, place{index, 7})
				want[id] = place{index, 7}
			},
			"forget": func(t *rapid.T) {
				r.window = rapid.Uint64Range(1, 40).Draw(t, "window")
				r.encode()
				for _, x := range r.order {
					if x.at.index+r.window <= index {
						delete(want, x.id)
					}
				}
				r.forget(index)
			},
			"find": func(t *rapid.T) {
				id := draw(t)
				got, ok := r.find(id)
				if at, there := want[id]; ok != there || got != at {
					t.Fatalf("%x is at %v (%t), want %v (%t)", id, got, ok, at, there)
				}
			},
			"": func(t *rapid.T) {
				if r.byID.used != len(want) || 4*r.byID.used > 3*len(r.byID.slots) {
					t.Fatalf("%d ids of %d in %d slots", r.byID.used, len(want), len(r.byID.slots))
				}
			},
		})
	})
}
