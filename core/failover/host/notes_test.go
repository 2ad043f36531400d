package host

import (
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

// A server that is promoted, and follows, without end keeps notes of the newest timelines: as
// many as the log keeps.
func TestNotesAreBounded(t *testing.T) {
	var d Data
	const last = 3 * failover.MaxForks
	for i := uint32(1); i <= last; i++ {
		timeline := i ^ 1 // they need not come in order
		d.Note([]failover.Note{{Timeline: timeline, Epoch: uint64(timeline) + 7}})
		d.write(timeline)
	}
	if len(d.Notes) != failover.MaxForks || len(d.Wrote) != failover.MaxForks {
		t.Fatalf("%d notes, and %d timelines written", len(d.Notes), len(d.Wrote))
	}
	wrote := map[uint32]bool{}
	for _, n := range d.Wrote {
		wrote[n] = true
	}
	for timeline := uint32(last - failover.MaxForks + 2); timeline < last; timeline++ {
		if d.EpochOf(timeline) != uint64(timeline)+7 || !wrote[timeline] {
			t.Errorf("timeline %d is epoch %d's, written %v", timeline, d.EpochOf(timeline), wrote[timeline])
		}
	}
	old, err := UnmarshalData(d.Marshal())
	if err != nil || len(old.Notes) != len(d.Notes) {
		t.Errorf("on disk it is %d notes, %v", len(old.Notes), err)
	}
}
