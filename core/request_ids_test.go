package core

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/corepb"
)

// Committed request ids against a list and protobuf: what is found, what is forgotten, the
// bytes of a snapshot, and what a checkpoint gives back. All ids have one of a few
// hashes, so that they lie in each other's way.
func TestRequestIDs(t *testing.T) {
	r := envelopes{rand.New(rand.NewPCG(5, 6))}
	for _, window := range []uint64{2, 7, 50, 400} {
		ids := requestIDs{window: window, seed: 9}
		crowd := map[uint64][][16]byte{}
		for n := range uint64(1 << 16) {
			id := [16]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}
			if h := ids.hash(id) & 1023; h < 4 || h > 1020 {
				crowd[h] = append(crowd[h], id)
			}
		}
		var model []committedID
		index, found, encoded := uint64(0), 0, 0
		for range 4000 {
			index += 1 + r.Uint64N(2)
			ids.forget(index)
			model = slices.DeleteFunc(model, func(x committedID) bool { return x.at.index+window <= index })
			hs := []uint64{0, 1, 2, 3, 1021, 1022, 1023}
			l := crowd[hs[r.IntN(len(hs))]]
			id := l[r.IntN(len(l))]
			i := slices.IndexFunc(model, func(x committedID) bool { return x.id == id })
			at, ok := ids.find(id)
			if ok != (i >= 0) || ok && at != model[i].at {
				t.Fatalf("window %d, index %d: %x is found at %v, %v; the list has it at %d of %v", window, index, id, at, ok, i, model)
			}
			if ok {
				found++
			} else {
				model = append(model, committedID{id, place{index, r.number()}})
				ids.add(id, model[len(model)-1].at)
			}
			if r.IntN(10) > 0 {
				continue
			}
			st := &corepb.State{}
			for i := range model {
				x := &model[i]
				st.Requests = append(st.Requests, &corepb.Request{RequestId: x.id[:], Index: x.at.index, Term: x.at.term})
			}
			if got := ids.encode(); !bytes.Equal(got, marshal(st)) {
				t.Fatalf("%d ids are %x, protobuf writes %x", ids.len(), got, marshal(st))
			}
			encoded++
			w := checkpoint.Writer(nil)
			ids.state(w)
			again := requestIDs{window: window, seed: 9}
			if again.state(checkpoint.Reader(w.Bytes())); !slices.Equal(again.list(), model) {
				t.Fatalf("a checkpoint gives back %v of %v", again.list(), model)
			}
			if r.IntN(2) == 0 {
				ids = again
			}
		}
		if found < 2 || encoded < 300 || len(ids.ids) > 2*int(window)+16 {
			t.Errorf("window %d: found %d times, encoded %d times, %d places", window, found, encoded, len(ids.ids))
		}
	}
}

// Two ids of one hash are told apart, whichever comes first.
func TestRequestIDsOfOneHash(t *testing.T) {
	ids := requestIDs{window: 100, seed: 9}
	seen := map[uint64][16]byte{}
	for n := range uint64(1 << 20) {
		id := [16]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}
		other, ok := seen[ids.hash(id)]
		if seen[ids.hash(id)] = id; !ok {
			continue
		}
		for i, x := range [][16]byte{id, other} {
			if at, ok := ids.find(x); ok {
				t.Fatalf("%x is found at %v, only %x was added", x, at, id)
			}
			ids.add(x, place{uint64(i + 1), 1})
		}
		a, _ := ids.find(id)
		if b, _ := ids.find(other); a.index != 1 || b.index != 2 {
			t.Fatalf("%x is found at %v, %x at %v", id, a, other, b)
		}
		ids.forget(101)
		if _, ok := ids.find(id); ok {
			t.Fatalf("%x is remembered", id)
		}
		if at, ok := ids.find(other); !ok || at.index != 2 {
			t.Fatalf("%x is found at %v, %v", other, at, ok)
		}
		return
	}
	t.Fatal("no two ids have one hash")
}
