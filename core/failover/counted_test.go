package failover

import "testing"

// The data directory on which failover was enabled has no note of that. Its WAL is that
// epoch's also once the log has dropped its fork, as another one opened with async.
func TestFounderOfADroppedFork(t *testing.T) {
	again := with(first, func(e *Enable) {
		e.Epoch, e.LSN, e.Highest, e.History, e.Set = 2, 310, 2, []Branch{{1, 0}, {2, 300}}, Set{}
		lossy(&e.Settings)
	})
	x := opened(t).do(Disable{1}, again, Open{2, a, 0})
	x.do(Progress{2, a, 1, 320, 1000, x.s.Last.Since}, Begin{3}, Report{3, b, 1, Position{1, 290}, nil}, Grant{3, b, Set{}},
		Forked{3, b, []Branch{{1, 0}, {3, 290}}}, Open{3, b, 0}, Begin{4})
	if x.s.fork(2) != nil {
		t.Fatalf("the log keeps %+v", x.s.Forks)
	}
	d := sit(x, a).server(func(v *Server) {
		v.Sealed, v.Noted, v.JoinedOn, v.Wrote, v.History, v.End = 3, 0, 2, true, []Branch{{1, 0}, {2, 300}}, 400
	})
	d.once().proposes(Report{4, a, 1, Position{2, 400}, nil})
}
