package failover

import (
	"reflect"
	"testing"
)

// enabling is a primary, node 1, with standbys 2 and 3 and a witness 4, all of which take part.
func enabling() *Enabling {
	told := func(t Told) Told { t.Boot = 5; return t }
	standby := Told{Server: true, Recovery: true, Timeline: 2, Leaves: true}
	return &Enabling{Self: 1, Boot: 7, System: 9, State: &State{},
		Server: &Server{Address: "host=1", Priority: 100, History: []Branch{{1, 0}, {2, 100}}, End: 500, Flushed: 500},
		Place:  Place{Index: 20, Members: []uint64{1, 2, 3, 4}, Voters: []uint64{1, 2, 3, 4}}, Heard: []uint64{1, 2, 3, 4}, SilentMillis: 1000,
		Said: []Said{{Member: 2, Told: told(standby)}, {Member: 3, Told: told(standby)}, {Member: 4, Told: told(Told{})}}}
}

// joins has a server describe itself as one that takes part.
func (x *Enabling) joins(ids ...uint64) *Enabling {
	for _, id := range ids {
		x.State.Members = put(x.State.Members, Member{ID: id, Address: "host", Data: true, Joined: true, Priority: 100, Boot: 5}, func(m Member) uint64 { return m.ID })
	}
	return x
}

func TestWhatIsMissingForFailover(t *testing.T) {
	told := func(x *Enabling, id uint64) *Told { t, _ := x.said(id); return t }
	for _, c := range []struct {
		name  string
		spoil func(*Enabling)
		want  []Lack
	}{
		{"nothing", func(*Enabling) {}, nil},
		{"the server was not looked at", func(x *Enabling) { x.Server = nil }, []Lack{{1, LackServer}}},
		{"this is a standby", func(x *Enabling) { x.Server.Recovery = true }, []Lack{{1, LackPrimary}}},
		{"it stops", func(x *Enabling) { x.Server.Stopping = true }, []Lack{{1, LackStop}}},
		{"it is never to be the primary", func(x *Enabling) { x.Server.Priority = 0 }, []Lack{{1, LackPriority}}},
		{"it is quarantined", func(x *Enabling) { x.joins(1).State.Members[0].Quarantined = QuarantinedByOperator }, []Lack{{1, LackQuarantine}}},
		{"it is a learner", func(x *Enabling) { x.Place.Voters = []uint64{2, 3, 4} }, []Lack{{1, LackVote}}},
		{"another is away", func(x *Enabling) { x.Heard = []uint64{1, 3, 4} }, []Lack{{2, LackAway}}},
		{"another says no more", func(x *Enabling) { x.Said[0].Millis = 1000 }, []Lack{{2, LackAway}}},
		{"two others take no part", func(x *Enabling) { x.Said = x.Said[:1] }, []Lack{{3, LackPart}, {4, LackPart}}},
		{"another takes writes", func(x *Enabling) { told(x, 3).Recovery = false }, []Lack{{3, LackRecovery}}},
		{"another's data is older", func(x *Enabling) { told(x, 3).Untrusted = true }, []Lack{{3, LackTrust}}},
		{"another is quarantined", func(x *Enabling) { x.joins(3).State.Members[0].Quarantined = QuarantinedByOperator }, []Lack{{3, LackQuarantine}}},
		{"nobody is on this timeline", func(x *Enabling) { told(x, 2).Timeline, told(x, 3).Timeline = 1, 1 }, []Lack{{0, LackStandbys}}},
		{"nobody need be, with preferred", func(x *Enabling) {
			told(x, 2).Timeline, told(x, 3).Timeline = 1, 1
			x.State.Epoch.Number, x.State.Settings = 3, DefaultSettings()
			x.State.Settings.Durability = Preferred
		}, nil},
	} {
		x := enabling()
		if c.spoil(x); !reflect.DeepEqual(x.Lacks(), c.want) {
			t.Errorf("%s: %v, want %v", c.name, x.Lacks(), c.want)
		}
	}
	for l := range lackings {
		if l.String() == "unknown" {
			t.Errorf("%d has no words", l)
		}
		if passes := l == LackServer || l == LackPart || l == LackAway || l == LackStandbys; l.Passes() != passes {
			t.Errorf("%v passes: %v", l, l.Passes())
		}
	}
}

// The primary joins last, so the entry is tried before.
func TestEnablingStepByStep(t *testing.T) {
	x := enabling()
	if got, want := x.Unjoined(false), []Lack{{2, LackJoined}, {3, LackJoined}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	x.joins(2)
	x.joins(3).State.Members[1].Boot = 4 // the engine before said so
	if got, want := x.Unjoined(false), []Lack{{3, LackJoined}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	x.joins(3)
	x.From, x.Said[0].Told.Checkpoint, x.Said[1].Told.Checkpoint = 300, 299, 300
	if got, want := x.Unjoined(false), []Lack{{2, LackRestartpoint}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	x.Said[0].Told.Timeline = 1 // it has no WAL to compare here
	if got := x.Unjoined(false); len(got) > 0 {
		t.Errorf("%v", got)
	}
	x.Said[0].Told = Told{Boot: 5, Server: true, Recovery: true, Timeline: 2, Checkpoint: 301}
	if got, want := x.Unjoined(true), []Lack{{1, LackJoined}}; len(x.Unjoined(false)) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	x.Said[1].Told.Timeline = 4 // it was somewhere else
	e, void := x.Enable()
	want := Enable{Epoch: 1, Primary: 1, Boot: 7, System: 9, LSN: 500, History: x.Server.History, Highest: 4, Set: Set{1, []uint64{2}}, Settings: DefaultSettings()}
	if void != NotVoid || !reflect.DeepEqual(e, want) {
		t.Errorf("%v: %+v, want %+v", void, e, want)
	}
	if len(x.State.Members) != 2 || x.State.Mode != ModeOff {
		t.Errorf("trying it changed the state: %+v", x.State)
	}
	x.Server.Joined, x.Server.JoinedOn = true, 2
	if x.joins(1); len(x.Unjoined(true)) > 0 {
		t.Errorf("%v", x.Unjoined(true))
	}
	x.State.System = 8
	if _, void = x.Enable(); void != VoidSystem {
		t.Errorf("with another system identifier: %v", void)
	}
}
