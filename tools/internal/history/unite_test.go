package history

import (
	"testing"
	"time"
)

// What all nodes note alike is one moment of the cluster, but that each is down: the
// lane of one that never starts again shows it by its own moment.
func TestUnite(t *testing.T) {
	var b Builder
	for node := uint32(1); node <= 3; node++ {
		b.Moment(node, time.Second, Down, "crashes")
		b.Moment(node, time.Second, Note, "the faults are over")
		b.Moment(node, time.Duration(node)*time.Second, Cut, "cut off")
	}
	b.unite()
	got := map[MomentKind][]uint32{}
	for _, m := range b.moments {
		got[m.Kind] = append(got[m.Kind], m.node)
	}
	if len(got[Down]) != 3 || got[Down][2] != 3 || len(got[Note]) != 1 || got[Note][0] != 0 || len(got[Cut]) != 3 {
		t.Errorf("%v", got)
	}
}
