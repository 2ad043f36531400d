package failover

import (
	"reflect"
	"strings"
	"testing"
)

// A state that no Apply can have made is refused, as Apply rests on it.
func TestStatesThatAreRefused(t *testing.T) {
	for _, x := range []struct {
		name  string
		spoil func(*State)
		want  string
	}{
		{"unknown mode", func(s *State) { s.Mode = ModeManual + 1 }, "with mode 4"},
		{"unknown stage", func(s *State) { s.Epoch.Stage = StageOpen + 1 }, "stage 5"},
		{"unknown durability", func(s *State) { s.Settings.Durability = Async + 1 }, "durability 3"},
		{"unknown request", func(s *State) { s.Epoch.Ask.Way = ways }, "request 7"},
		{"off in an epoch", func(s *State) { s.Mode = ModeOff }, "mode 0 at stage 3"},
		{"on without an epoch", func(s *State) { s.Epoch = Epoch{} }, "mode 2 at stage 0"},
		{"a primary that nobody knows", func(s *State) { s.Epoch.Primary = 9 }, "primary 9"},
		{"a timeline that nobody knows", func(s *State) { s.Epoch.Timeline = 9 }, "timeline 9"},
		{"members not in order", func(s *State) { s.Members[2], s.Members[3] = s.Members[3], s.Members[2] }, "member 300000003 as number 3"},
		{"unknown quarantine", func(s *State) { s.Members[0].Quarantined = quarantines }, "quarantined 7"},
		{"reports not in order", func(s *State) { s.Reports[0], s.Reports[1] = s.Reports[1], s.Reports[0] }, "a report of member 200000002 as number 1"},
		{"a report of nobody", func(s *State) { s.Reports[0].Member = 9 }, "a report of member 9"},
		{"timelines not in order", func(s *State) { s.Forks = append(s.Forks, Fork{Timeline: 1}) }, "timeline 1 of 0 as number 2"},
		{"its own parent", func(s *State) { s.Forks[0].Parent = 1 }, "timeline 1 of 1"},
		{"timeline 0", func(s *State) { s.Forks[0].Timeline = 0 }, "timeline 0"},
	} {
		s := forked(t).s.Clone()
		x.spoil(&s)
		if _, err := UnmarshalState(s.Marshal()); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want one with %q", x.name, err, x.want)
		}
	}
	var none State
	if b := none.Marshal(); len(b) != 0 {
		t.Errorf("a cluster without failover has %d bytes of state", len(b))
	}
	if _, err := UnmarshalState([]byte{0xff}); err == nil {
		t.Error("bytes that are no message are a state")
	}
}

// A change of any field is one.
func TestSharedEqual(t *testing.T) {
	filled := func() (s Shared) {
		n := uint64(0)
		fill(t, reflect.ValueOf(&s).Elem(), &n)
		return s
	}
	was, same := filled(), filled()
	if !was.Equal(&same) {
		t.Errorf("%+v is not %+v", was, same)
	}
	for i := range reflect.TypeFor[Shared]().NumField() {
		now := filled()
		field := reflect.ValueOf(&now).Elem().Field(i)
		field.SetZero()
		if was.Equal(&now) || now.Equal(&was) {
			t.Errorf("without %s it is the same", reflect.TypeFor[Shared]().Field(i).Name)
		}
	}
}

// What is told, and what a host reports, come through their bytes with every field.
func TestToldAndServerHaveEveryField(t *testing.T) {
	var told Told
	var server Server
	n := uint64(0)
	fill(t, reflect.ValueOf(&told).Elem(), &n)
	fill(t, reflect.ValueOf(&server).Elem(), &n)
	server.Damage = QuarantinedUnguarded
	if got := ToldFrom(told.Message()); !reflect.DeepEqual(got, told) {
		t.Errorf("%+v came back as %+v", told, got)
	}
	if got, err := UnmarshalServer(server.Marshal()); err != nil || !reflect.DeepEqual(got, server) {
		t.Errorf("%+v came back as %+v: %v", server, got, err)
	}
	server.Damage = quarantines
	if _, err := UnmarshalServer(server.Marshal()); err == nil {
		t.Error("an unknown damage is taken")
	}
	if _, err := UnmarshalServer([]byte{0xff}); err == nil {
		t.Error("bytes that are no message are a report")
	}
}
