package host

import (
	"reflect"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

func aRejoin() Rejoining {
	return Rejoining{Order: failover.Rejoin{Epoch: 6, Boot: 3, Primary: 1<<32 | 2, Address: "10.0.0.2:5432",
		History: []failover.Branch{{Timeline: 1}, {Timeline: 4, Begin: 0x2a_00001000}}, Notes: []failover.Note{{Timeline: 4, Epoch: 6}}},
		Others: []string{"10.0.0.3:5432", "[::1]:5432"}}
}

// ready is what the source of aRejoin says while it is the primary; newer, what the primary of a later
// epoch says.
var (
	ready = Asked{Production: true, Timeline: 4, Checkpointed: 4, Primary: true, Epoch: 6}
	newer = Asked{Production: true, Timeline: 7, Checkpointed: 7, Primary: true, Epoch: 9}
)

// What a rejoin does next, by how far it has come and by what is there.
func TestRejoinStepByStep(t *testing.T) {
	both, rewind, clone, none := Ways{Rewind: true, Clone: true}, Ways{Rewind: true}, Ways{Clone: true}, Ways{}
	cut := func(w Ways) Ways { w.Failed = true; return w }
	unready, deposed, stale := ready, ready, newer
	unready.Checkpointed, deposed.Epoch, stale.Epoch = 1, 5, 5
	lacks := func(d *Data) { d.Doubt = failover.DoubtHole }
	wants := func(x *Rejoining) { x.Order.Clone = true }
	for _, c := range []struct {
		name    string
		stage   Stage
		ways    Ways
		says    *Asked // nil: nobody answers
		another bool   // who says so is not the order's source
		change  func(*Rejoining)
		data    func(*Data)
		want    Step
	}{
		{"a rewind", StageOrdered, both, &ready, false, nil, nil, StepRewind},
		{"a rewind where no clone is allowed", StageOrdered, rewind, &ready, false, nil, nil, StepRewind},
		{"a clone, as it was ordered", StageOrdered, both, &ready, false, wants, nil, StepClone},
		{"a clone, as the data cannot be rewound", StageOrdered, clone, &ready, false, nil, nil, StepClone},
		{"a clone that is not allowed", StageOrdered, rewind, &ready, false, wants, nil, StepGiveUp},
		{"no way", StageOrdered, none, &ready, false, nil, nil, StepGiveUp},
		{"nobody answers", StageOrdered, both, nil, false, nil, nil, StepGiveUp},
		{"the primary has not checkpointed", StageOrdered, both, &unready, false, nil, nil, StepGiveUp},
		{"the primary is of another epoch", StageOrdered, both, &deposed, false, nil, nil, StepGiveUp},
		{"before anything is changed another primary is not enough", StageOrdered, both, &newer, true, nil, nil, StepGiveUp},

		{"a recovery that was cut short", StageRecovering, rewind, &ready, false, nil, nil, StepRewind},
		{"the same, onto a newer primary", StageRecovering, rewind, &newer, true, nil, nil, StepRewind},
		{"the same, and the other one is of an epoch up to the seal", StageRecovering, rewind, &stale, true, nil, nil, StepWait},
		{"the same, and nobody answers", StageRecovering, rewind, nil, false, nil, nil, StepWait},
		{"a recovery that failed", StageRecovering, cut(both), &ready, false, nil, nil, StepClone},
		{"the same where no clone is allowed", StageRecovering, cut(rewind), &ready, false, nil, nil, StepStop},

		{"a rewind that was cut short", StageRewinding, cut(both), &ready, false, nil, nil, StepClone},
		{"the same, though nobody says that it was", StageRewinding, both, &ready, false, nil, nil, StepClone},
		{"the same where no clone is allowed", StageRewinding, cut(rewind), &ready, false, nil, nil, StepStop},
		{"the same, and nobody answers", StageRewinding, cut(both), nil, false, nil, nil, StepWait},
		{"the same, and the source has not checkpointed", StageRewinding, cut(both), &unready, false, nil, nil, StepWait},
		{"the same, and there is a newer primary", StageRewinding, cut(both), &newer, true, nil, nil, StepClone},

		{"a clone that was cut short", StageCloning, cut(both), &ready, false, nil, nil, StepClone},
		{"the same, and no clone is allowed any more", StageCloning, cut(rewind), &ready, false, nil, nil, StepStop},
		{"data that is there", StageMade, cut(none), nil, false, nil, nil, StepFinish},
		{"own files that come back", StageBack, cut(none), nil, false, nil, nil, StepFinish},
		{"data that lacks WAL is not rewound", StageOrdered, both, &ready, false, nil, lacks, StepClone},
	} {
		x, own, says := aRejoin(), Data{Joined: true, Sealed: 5}, Asked{}
		x.Stage = c.stage
		if c.change != nil {
			c.change(&x)
		}
		if c.data != nil {
			c.data(&own)
		}
		if c.says != nil {
			says = *c.says
		}
		if got := x.Next(&own, c.ways, says, !c.another, c.says != nil); got != c.want {
			t.Errorf("%s: it does %d, want %d", c.name, got, c.want)
		}
	}
}

func TestRejoiningOnDisk(t *testing.T) {
	x := aRejoin()
	x.Stage, x.Order.Clone = StageMade, true
	x.From = Source{Epoch: 6, Timeline: 4, Notes: []failover.Note{{Timeline: 4, Epoch: 6}, {Timeline: 2, Epoch: 2}}}
	const text = `pgraft rejoin 1
stage 4
epoch 6 3
primary 4294967298 "10.0.0.2:5432"
clone 1
history 1 0/0
history 4 2A/1000
timeline 4 6
other "10.0.0.3:5432"
other "[::1]:5432"
from 6 4
from_timeline 4 6
from_timeline 2 2
`
	b := x.Marshal()
	if got := string(b[:len(b)-len("crc32c 00000000\n")]); got != text {
		t.Errorf("the marker is\n%s\nwant\n%s", got, text)
	}
	if got, err := UnmarshalRejoining(b); err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("%+v, %v, want %+v", got, err, x)
	}
	for i := range b {
		bad := append([]byte(nil), b...)
		bad[i] ^= 1
		if _, err := UnmarshalRejoining(bad); err == nil {
			t.Errorf("it is read with another byte at %d", i)
		}
	}
	unknown := aRejoin()
	unknown.Stage = stages
	if _, err := UnmarshalRejoining(unknown.Marshal()); err == nil {
		t.Error("a stage of another version is read")
	}
	if n := reflect.TypeFor[Rejoining]().NumField() + reflect.TypeFor[failover.Rejoin]().NumField() + reflect.TypeFor[Source]().NumField(); n != 4+7+3 {
		t.Errorf("the marker and its parts have %d fields", n)
	}
}

// The notes of an order are of its epoch: data made from another primary has that one's alone.
func TestRejoinNotesWhoseDataItIs(t *testing.T) {
	x := aRejoin()
	own, store := Data{Joined: true, Sealed: 5, Wrote: []uint32{1}, Unguarded: true}, Store{Joined: true, Boot: 3, Floor: failover.Position{Epoch: 5, LSN: 1}}
	for _, c := range []struct {
		from Source
		want []failover.Note
	}{
		{Source{Epoch: 6, Timeline: 4}, []failover.Note{{Timeline: 4, Epoch: 6}}},
		{Source{Epoch: 9, Timeline: 7}, []failover.Note{{Timeline: 7, Epoch: 9}}},
	} {
		x.From = c.from
		acts := x.Ends(own, store, 77)
		last, ok := acts[len(acts)-1].(NoteData)
		if !ok {
			t.Fatalf("the last act is %+v", acts[len(acts)-1])
		}
		if d := last.Data; !reflect.DeepEqual(d.Notes, c.want) || d.Sealed != 5 || d.Anew != c.from.Epoch || d.Unguarded || d.Nonce != 77 {
			t.Errorf("from epoch %d the note is %+v, want the notes %+v", c.from.Epoch, d, c.want)
		}
	}
}
