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
