package postgres

import "testing"

// A timeline whose first record is torn is one of which a server has nothing: a promotion
// was cut short by the loss of power.
func TestLastTimelineTorn(t *testing.T) {
	s := New(1, nil, Config{})
	at := s.disk.control.Checkpoint + 120
	s.WriteHistory(History{TLI: 2, Lines: []Left{{1, at}}})
	r := Record{Start: at, Prev: s.disk.control.Checkpoint, Len: 48, TLI: 2, PrevTLI: 1, Kind: EndOfRecovery}
	for _, c := range []struct {
		to   LSN
		want TLI
	}{{at + 10, 1}, {r.End(), 2}} {
		s.disk.wal.write(2, part{at, c.to, r})
		if got := s.LastTimeline(); got != c.want {
			t.Errorf("with its first record up to %v of %v: got timeline %d, want %d", c.to, r.End(), got, c.want)
		}
	}
}

// A record is compared by its end: what ends elsewhere is another, and what is not there,
// or is not flushed, is not compared.
func TestRecordEnding(t *testing.T) {
	s := New(1, nil, Config{})
	at := s.disk.control.Checkpoint + 120
	r := Record{Start: at, Prev: s.disk.control.Checkpoint, Len: 48, TLI: 1, Kind: EndOfRecovery}
	s.disk.wal.write(1, part{at, r.End(), r})
	s.wal.on, s.wal.tli, s.wal.flushed = true, 1, r.End()
	for _, c := range []struct {
		name  string
		end   LSN
		there bool
		whole bool
	}{
		{"none", 0, false, false},
		{"the record", r.End(), true, true},
		{"within it", at + 10, true, false},
		{"where nothing is", 64, false, false},
		{"past the flush", r.End() + 8, false, false},
	} {
		got, there := s.RecordEnding(c.end)
		if there != c.there || (got == r) != c.whole || !c.whole && got.Kind != 0 {
			t.Errorf("%s: %+v, %v", c.name, got, there)
		}
	}
}

// Half a record that fills its last segment is seen where it is in pg_wal, also while replay
// has not come there; one that ends within a segment does no harm.
func TestHalfBehindAPause(t *testing.T) {
	for _, fewer := range []int{0, 2} {
		l := cluster(t, 2, Config{MaxSend: PageBytes})
		d := l.s[2]
		l.commits(1, 3)
		l.caughtUp(1, 2)
		d.PauseReplay(true)
		at := l.s[1].Inserted()
		l.s[1].Internal(Logical, 100)
		p := l.half(2, 3*SegmentBytes, int(at.segmentEnd()+SegmentBytes-at)/PageBytes+1-fewer)
		if d.Replayed() != at || p.End <= at || d.HoldsHalf() != (fewer == 0) {
			t.Errorf("%d pages fewer: replayed %v of %v, which began at %v, received %v; holds a half: %v", fewer, d.Replayed(), p.End, at, d.Received(), d.HoldsHalf())
		}
	}
}
