package core

import (
	"encoding/binary"
	"math/bits"
)

// idTable says where in requestIDs.order an id is. It is a hash table of numbers alone,
// as a map would hold each id once more, in three times the memory. An id's number is how
// many were added before it, ever; dropped of these are not in order any more. Where ids
// meet, they are beside each other; who chooses ids so that all of them do makes each
// look one through all of them.
type idTable struct {
	slots   []uint32 // number + 1, without its uppermost bits; 0: free. A power of two, a quarter of them free
	used    int
	dropped uint64
}

// numberMask is what a slot keeps of a number: much more than there are ids at once.
const numberMask = 1<<31 - 1

const leastSlots = 16

func slotOf(id [16]byte, slots int) int {
	high, low := bits.Mul64(binary.LittleEndian.Uint64(id[:8])^0x9e3779b97f4a7c15, binary.LittleEndian.Uint64(id[8:])^0xc2b2ae3d27d4eb4f)
	return int(high^low) & (slots - 1)
}

// at is the place in order that a slot in use names.
func (t *idTable) at(slot int) int {
	return int((uint64(t.slots[slot]-1) - t.dropped) & numberMask)
}

// look is the slot of an id of order; false: it has none, and this one is free. There
// are slots.
func (t *idTable) look(order []committedID, id [16]byte) (slot int, found bool) {
	for slot = slotOf(id, len(t.slots)); t.slots[slot] != 0; slot = (slot + 1) & (len(t.slots) - 1) {
		if order[t.at(slot)].id == id {
			return slot, true
		}
	}
	return slot, false
}

// add enters order[i]. Of equal ids the last counts.
func (t *idTable) add(order []committedID, i int) {
	if 4*(t.used+1) > 3*len(t.slots) {
		old := *t
		t.slots = make([]uint32, max(leastSlots, 2*len(old.slots)))
		for slot, n := range old.slots {
			if n != 0 {
				to, _ := t.look(order, order[old.at(slot)].id)
				t.slots[to] = n
			}
		}
	}
	slot, found := t.look(order, order[i].id)
	if !found {
		t.used++
	}
	t.slots[slot] = uint32((t.dropped+uint64(i))&numberMask) + 1
}

// remove takes an id of order out, if it is there, and closes the gap: what lies behind
// it in a row and belongs before it moves up.
func (t *idTable) remove(order []committedID, id [16]byte) {
	if t.used == 0 {
		return
	}
	free, found := t.look(order, id)
	if !found {
		return
	}
	t.used--
	mask := len(t.slots) - 1
	for slot := (free + 1) & mask; t.slots[slot] != 0; slot = (slot + 1) & mask {
		home := slotOf(order[t.at(slot)].id, len(t.slots))
		if (slot-home)&mask >= (slot-free)&mask {
			t.slots[free] = t.slots[slot]
			free = slot
		}
	}
	t.slots[free] = 0
}
