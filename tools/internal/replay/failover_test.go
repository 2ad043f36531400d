package replay

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// What a server is, by what was reported, decided and logged. Node 2's it is.
func TestServerState(t *testing.T) {
	type f = Failover
	epoch := func(f *f, stage failover.Stage) { f.State.Epoch.Stage = stage }
	promoted := func(f *f) {
		f.Server.Recovery, f.Server.History = false, branched
		f.State.Epoch.Primary, f.State.Epoch.Timeline = two, 3
	}
	serves := func(f *f) {
		promoted(f)
		f.Decided.Shared.Open, f.Decided.Shared.LeaseCounts = true, true
	}
	for _, c := range []struct {
		name   string
		lease  uint64
		change func(*f)
		want   ServerState
	}{
		{"nothing is ordered yet", 0, func(f *f) {}, ServerStandby},
		{"it streams", 0, func(f *f) { f.Server.Streaming = true }, ServerFollowing},
		{"it has sealed", 0, func(f *f) { epoch(f, failover.StageBegun); f.Server.Sealed = 1 }, ServerSealed},
		{"it has sealed, and another was granted the epoch", 0, func(f *f) { epoch(f, failover.StageGranted); f.Server.Sealed = 1 }, ServerSealed},
		{"it is to seal", 0, func(f *f) { epoch(f, failover.StageBegun); f.Server.Streaming = true }, ServerFollowing},
		{"an old seal", 0, func(f *f) { epoch(f, failover.StageBegun); f.State.Epoch.Number = 5; f.Server.Sealed = 1 }, ServerStandby},
		{"the epoch is its own", 0, func(f *f) {
			epoch(f, failover.StageGranted)
			f.State.Epoch.Primary, f.Server.Sealed = two, 1
		}, ServerPromoting},
		{"it crashed while promoting", 0, func(f *f) { promoted(f); f.Server.Recovery = true; epoch(f, failover.StageForked) }, ServerStandby},
		{"it has promoted", 0, func(f *f) { promoted(f); epoch(f, failover.StageGranted) }, ServerOpening},
		{"it waits for its set", 0, func(f *f) { promoted(f); epoch(f, failover.StageForked) }, ServerOpening},
		{"it serves", 9, serves, ServerPrimary},
		{"its lease is over", 0, serves, ServerFenced},
		{"its lease does not count", 9, func(f *f) { serves(f); f.Decided.Shared.LeaseCounts = false }, ServerFenced},
		{"the log does not know its boot", 9, func(f *f) { serves(f); f.Decided.Shared.Open = false }, ServerFenced},
		{"another epoch has begun", 9, func(f *f) { serves(f); f.Decided.Shared.Open = false; epoch(f, failover.StageBegun) }, ServerFenced},
		{"no WAL at all", 0, func(f *f) { promoted(f); f.Server.History = nil; epoch(f, failover.StageForked) }, ServerFenced},
		{"it has diverged", 0, func(f *f) { f.Decided.Orders = []failover.Order{failover.Rejoin{}} }, ServerRejoining},
		{"quarantined", 9, func(f *f) {
			serves(f)
			f.State.Members = []failover.Member{{ID: two, Quarantined: failover.QuarantinedUnnoted}}
		}, ServerQuarantined},
		{"not reported", 0, func(f *f) { f.Server = nil }, ServerUnknown},
		{"nothing decided", 0, func(f *f) { f.Decided = nil }, ServerUnknown},
		{"failover is off", 0, func(f *f) { f.State.Mode = failover.ModeOff }, ServerUnknown},
	} {
		x := &Failover{State: &failover.State{Mode: failover.ModeOn, Epoch: failover.Epoch{Number: 2, Stage: failover.StageOpen, Primary: three}},
			Boot: 1, Server: &failover.Server{Recovery: true, History: branched}, Decided: &core.FailoverOutput{}}
		c.change(x)
		if got := x.ServerState(core.Status{RaftID: two, LeaseTicks: c.lease}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := (*Failover)(nil).ServerState(core.Status{}); got != ServerUnknown {
		t.Errorf("without failover: %v", got)
	}
	if l := ServerStates(); len(l) != len(serverStateNames) || l[ServerFenced].String() != "fenced" {
		t.Errorf("%v", l)
	}
}

// Of what goes into a log the entries of failover are named.
func TestAppended(t *testing.T) {
	data := func(c *corepb.Command) []byte {
		b, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	begin := data(&corepb.Command{Failover: failover.Marshal(failover.Begin{Epoch: 2})})
	got := Appended([]core.Persist{{Entries: []core.Entry{{Index: 4, Term: 1}, {Index: 5, Term: 1, Data: data(&corepb.Command{RequestId: make([]byte, 16), Data: []byte("x")})}, {Index: 6, Term: 1, Data: begin}}},
		{}, {Entries: []core.Entry{{Index: 7, Term: 1, Kind: core.EntryConfChangeV2, Data: begin}, {Index: 8, Term: 2, Data: []byte{0xff}},
			{Index: 9, Term: 2, Data: data(&corepb.Command{Failover: []byte{0xff}})}}}})
	if want := []string{"6/1: begin epoch 2", "core: entry 8: not a command", "core: entry 9: failover: not an entry: 1 bytes"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What the log decides between two states, and what of it is a milestone.
func TestLogged(t *testing.T) {
	at := func(e failover.Epoch) *failover.State {
		return &failover.State{Mode: failover.ModeOn, Epoch: e, Last: failover.Reign{Number: 1, Primary: two, Set: failover.Set{W: 1, Members: []uint64{three}}}}
	}
	granted := failover.Epoch{Number: 2, Stage: failover.StageGranted, Primary: three, Boot: 4, From: failover.Position{Epoch: 1, LSN: 0x60}, Timeline: 3}
	forked := granted
	forked.Stage = failover.StageForked
	reopened := forked
	reopened.Boot, reopened.SetVersion = 5, 1
	founded := failover.Epoch{Number: 1, Stage: failover.StageForked, Primary: two, Boot: 1, From: failover.Position{Epoch: 1, LSN: 0x40}, Timeline: 1}
	begun := failover.Epoch{Number: 2, Stage: failover.StageBegun}
	member := failover.Member{ID: two, Data: true, Joined: true, Address: "host=b", Priority: 100, Boot: 1}
	with := func(s *failover.State, change func(*failover.State)) *failover.State { change(s); return s }
	for _, c := range []struct {
		name    string
		was, is *failover.State
		want    []string
		less    int // of want are no milestones, the last
	}{
		{"begun", at(founded), at(begun), []string{"epoch 2 begun, judged by epoch 1 of node 2, sync set 1 of node 3"}, 0},
		{"all at once", at(founded), at(forked), []string{"epoch 2 begun, judged by epoch 1 of node 2, sync set 1 of node 3",
			"epoch 2 granted to node 3, boot 4: timeline 3 from 0/60 of epoch 1, sync set 0 of nobody", "epoch 2 forked by node 3 on timeline 3"}, 0},
		{"founded", &failover.State{}, with(at(founded), func(s *failover.State) { s.Mode, s.Settings = failover.ModeFounding, failover.DefaultSettings() }),
			[]string{"epoch 1 founded by node 2, boot 1: timeline 1 from 0/40, sync set 0 of nobody", "failover is founding",
				"settings: durability required, sync_count 1, failover_delay 2000 ms, sync_timeout 2000 ms"}, 1},
		{"a report", at(begun), with(at(begun), func(s *failover.State) {
			s.Reports = []failover.Reported{{Member: three, Boot: 4, Position: failover.Position{Epoch: 1, LSN: 0x60}}}
		}), []string{"epoch 2: node 3 reports 0/60 of epoch 1, boot 4"}, 1},
		{"reopened, with another set", at(forked), at(reopened), []string{"epoch 2: the engine of node 3 is at boot 5", "epoch 2: sync set 0 of nobody, version 1"}, 2},
		{"a member", at(begun), with(at(begun), func(s *failover.State) { s.Members = []failover.Member{member} }), []string{"node 2: priority 100, boot 1, at host=b"}, 1},
		{"a member goes", with(at(begun), func(s *failover.State) { s.Members = []failover.Member{member} }), at(begun), []string{"node 2 is no member any more"}, 1},
		{"off", at(forked), with(at(failover.Epoch{Number: 2}), func(s *failover.State) { s.Mode = failover.ModeOff }), []string{"failover is off"}, 0},
		{"nothing", at(forked), at(forked), nil, 0},
	} {
		if got := logged(c.was, c.is); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if got, want := Milestones(c.was, c.is), c.want[:len(c.want)-c.less]; !slices.Equal(got, want) {
			t.Errorf("%s: milestones %q, want %q", c.name, got, want)
		}
	}
	bad := with(at(begun), func(s *failover.State) {
		s.Members = []failover.Member{{ID: two, Data: true, Joined: true, Failed: 2, Quarantined: failover.QuarantinedUnnoted}}
	})
	if got := Milestones(at(begun), bad); len(got) != 1 || got[0] != "node 2 is quarantined: "+failover.QuarantinedUnnoted.String() {
		t.Errorf("%q", got)
	}
	if got := Milestones(bad, bad); len(got) > 0 {
		t.Errorf("known already: %q", got)
	}
	if got := logged(at(begun), bad); len(got) != 1 || got[0] != "node 2: priority 0, boot 0, at , its last 2 grants did not open, quarantined: "+failover.QuarantinedUnnoted.String() {
		t.Errorf("%q", got)
	}
}
