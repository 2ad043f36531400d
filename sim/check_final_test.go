package sim

import (
	"testing"
	"time"

	"github.com/pgraft/pgraft/core/failover"
)

// Where servers fail over an entry has some time to be everywhere in the end, and no longer.
func TestHasAll(t *testing.T) {
	c := checks{w: &World{now: 60 * time.Second, servers: &servers{}},
		logEnds: []logEnd{{56 * time.Second, 400}, {57 * time.Second, 410}, {58 * time.Second, 420}}}
	for _, x := range []struct {
		has, last uint64
		want      bool
	}{{425, 425, true}, {410, 425, true}, {409, 425, false}, {405, 405, true}} {
		if got := c.hasAll(x.has, x.last); got != x.want {
			t.Errorf("who has %d of %d entries has all: %v", x.has, x.last, got)
		}
	}
	if c.w.servers = nil; c.hasAll(424, 425) || !c.hasAll(425, 425) {
		t.Error("nobody writes, and one entry is lacking")
	}
}

// An epoch that never opened gave up what it lacks if its timeline goes on, as where failover
// was disabled and enabled again there, and else nothing.
func TestFinal(t *testing.T) {
	s := failover.State{
		Last:  failover.Reign{Number: 4},
		Forks: []failover.Fork{{Timeline: 1, Epoch: 1}, {Timeline: 3, Parent: 1, Switch: 100, Epoch: 4}},
		Past: []failover.Past{{Epoch: 1, Timeline: 1, Opened: 5}, {Epoch: 2, Timeline: 2, GivenUp: 90}, {Epoch: 3, Timeline: 3, GivenUp: 200},
			{Epoch: 4, Timeline: 3, Opened: 50}, {Epoch: 5, Timeline: 4, GivenUp: 300}},
	}
	var got []uint64
	for _, p := range final(&s) {
		got = append(got, p.Epoch)
	}
	if len(got) != 3 || got[0] != 1 || got[1] != 3 || got[2] != 4 {
		t.Errorf("the epochs %v gave something up", got)
	}
}
