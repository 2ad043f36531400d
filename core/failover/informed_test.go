package failover

import "testing"

// What a new leader waits for, and when members tell it.

// A new leader decides once all who are connected have told it, or after an election
// timeout.
func TestNewLeaderIsInformed(t *testing.T) {
	d := witness(t).gone(a)
	d.ticks(15)
	d.a.Leads = false
	d.ticks(15)
	d.a.Leads, d.a.Term = true, 6
	d.a.Peers[1].Silent = 3 // b was heard, and has not told
	d.heard[b] = false
	d.nothing(5, NotInformed).there(standby(), b).expect(1, Begin{2}, 0)
}

// A new leader does not wait for a member that has closed its connections: the primary that was
// killed, most of all.
func TestNewLeaderWaitsForNobodyClosed(t *testing.T) {
	d := witness(t)
	d.m.See(Port{Member: a, Epoch: 1, Answers: true}, d.a.Now)
	d.a.Leads, d.a.Leader = false, 0
	d.gone(a).nothing(5, Nothing)
	d.a.Peers[0].Closed = true
	d.m.See(Port{Member: a, Epoch: 1, Refuses: true, Reset: true}, d.a.Now)
	d.a.Leads, d.a.Leader, d.a.Term = true, w, 6
	d.expect(1, Begin{2}, 0)

	// One that is closed, while its PostgreSQL port answers, is given the delay, and no
	// leadership: it could not be handed over.
	d = witness(t)
	d.a.Leads, d.a.Leader = false, 0
	d.gone(a).nothing(5, Nothing)
	d.a.Peers[0].Closed = true
	d.a.Leads, d.a.Leader, d.a.Term = true, w, 6
	d.nothing(4, PrimaryAway)
	d.expect(11, Begin{2}, 0)
}

// What was told since this node was elected counts, also before an entry of its term is committed.
func TestNewLeaderWasTold(t *testing.T) {
	d := witness(t).gone(a)
	d.ticks(15)
	d.a.Leads, d.a.Leader = false, b
	d.ticks(15)
	d.a.Leader, d.a.Term = w, 6
	d.nothing(1, EntryUnderWay)
	d.gone(b).gone(c)
	d.a.Leads = true
	d.expect(1, Begin{2}, 0)
}

// A member tells at once what others may wait for, and how far its WAL has come with the heartbeats.
func TestTellsAtOnce(t *testing.T) {
	d := sit(opened(t), b)
	d.a.Leads, d.a.Lease, d.a.Leader = false, false, a
	told := func(what string, want bool) {
		t.Helper()
		if d.ticks(1); d.out.Tell != want {
			t.Errorf("%s: told at once: %v", what, d.out.Tell)
		}
	}
	told("its first leader", true)
	told("nothing", false)
	d.server(nil)
	told("its server is there", true)
	told("nothing", false)
	d.server(func(v *Server) { v.End, v.Replayed = 600, 550 })
	told("WAL has come", false)
	d.server(func(v *Server) { v.Streaming = true })
	told("it has a source", true)
	d.server(nil)
	told("it has none", true)
	d.a.Leader = 0
	told("it follows nobody", false)
	d.a.Leader, d.a.Term = c, 6
	told("another leader", true)
	d.do(Begin{2})
	told("another epoch", true)
	told("nothing", false)
}
