package host

import (
	"testing"

	"github.com/pgraft/pgraft/core/failover"
)

func TestSourceOfARejoin(t *testing.T) {
	o := failover.Rejoin{Epoch: 5, History: []failover.Branch{{Timeline: 1}, {Timeline: 3, Begin: 0x3000}}}
	type says struct{ ready, isOf, stillIs, newer bool }
	for _, c := range []struct {
		name  string
		spoil func(*Asked)
		want  says // Newer than a seal up to 4
	}{
		{"as it has to be", func(*Asked) {}, says{true, true, true, true}},
		{"it takes no writes", func(x *Asked) { x.Production = false }, says{}},
		{"it has not checkpointed", func(x *Asked) { x.Checkpointed = 2 }, says{newer: true}},
		{"it is on another timeline", func(x *Asked) { x.Timeline, x.Checkpointed = 4, 4 }, says{ready: true, newer: true}},
		{"it is no primary any more", func(x *Asked) { x.Primary = false }, says{ready: true, isOf: true}},
		{"it is a later epoch's", func(x *Asked) { x.Epoch = 6 }, says{ready: true, isOf: true, newer: true}},
		{"it is one of an epoch that this server is sealed for", func(x *Asked) { x.Epoch = 4 }, says{ready: true, isOf: true}},
	} {
		x := Asked{Production: true, Timeline: 3, Checkpointed: 3, Primary: true, Epoch: 5}
		c.spoil(&x)
		if got := (says{x.Ready(), x.IsOf(o), x.StillIs(o), x.Newer(4)}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
