package failover

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The world of the scripts, in which a round is a tick for everybody, with faults by
// chance: besides what the explorer looks at, no epoch begins while its primary was
// well less than failover_delay ago.
func TestExploreTimed(t *testing.T) {
	begins, acks := 0, 0
	for seed := uint64(1); seed <= *exploreSeeds; seed++ {
		r := rand.New(rand.NewPCG(seed, 9))
		args := []datadriven.CmdArg{{Key: "data", Vals: []string{fmt.Sprint(2 + r.IntN(3))}}, {Key: "witness", Vals: []string{fmt.Sprint(r.IntN(3))}}}
		if r.IntN(2) == 0 {
			args = append(args, datadriven.CmdArg{Key: "preferred"})
		}
		s := &story{t: t, d: &datadriven.TestData{Cmd: "cluster", CmdArgs: args}}
		s.cluster()
		x := s.x
		for range 400 {
			h := x.hosts[r.IntN(len(x.hosts))]
			switch r.IntN(12) {
			case 0, 1:
				if r.IntN(2) == 0 || h.cut {
					h.cut = !h.cut
				}
			case 2:
				if r.IntN(4) == 0 && !h.down {
					x.crash(h)
					h.killed = r.IntN(2) == 0
				}
			case 3, 4:
				h.down, h.killed = false, false
			case 5:
				h.lags = r.IntN(3) == 0
			case 6:
				// Everybody learns who leads before another one does.
				if r.IntN(3) == 0 && !h.down && !h.cut && x.rounds-x.elected > 2 {
					x.elect(h)
				}
			case 7:
				if r.IntN(6) == 0 && !h.down {
					x.start(h)
				}
			default:
				x.commit(h)
				h.flushed = len(h.wal)
				if err := x.ack(h); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			if err := x.round(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if x.needless != "" {
				t.Fatalf("seed %d: %s\n%s", seed, x.needless, strings.Join(x.trace, "\n"))
			}
		}
		if err := x.calm(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		begins, acks = begins+x.begins, acks+x.acks
	}
	t.Logf("%d seeds: %d epochs begun, %d commits acknowledged", *exploreSeeds, begins, acks)
	if n := int(*exploreSeeds); begins < n || acks < n {
		t.Errorf("%d epochs begun, %d commits acknowledged: little was tried", begins, acks)
	}
}
