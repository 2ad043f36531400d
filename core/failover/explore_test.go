package failover

import (
	"flag"
	"strings"
	"testing"
)

var (
	exploreSeeds = flag.Uint64("explore", 150, "how many seeds TestExplore runs")
	exploreSeed  = flag.Uint64("explore-seed", 0, "the one seed that TestExplore runs, with its whole trace")
)

const exploreSteps = 12000

// explore runs a seed: an error says what broke.
func explore(seed uint64, bug string) (*world, error) {
	x := newWorld(seed, 3+int(seed%2), bug)
	for range exploreSteps {
		if err := x.step(); err != nil {
			return x, err
		}
	}
	return x, x.calm()
}

// Random schedules of three or four servers with crashes, engines that restart, late
// and doubled proposals, old orders: what was acknowledged is on every later primary
// that opens, one serves in an epoch, and in the end one serves and all follow.
func TestExplore(t *testing.T) {
	if *exploreSeed != 0 {
		x, err := explore(*exploreSeed, "")
		t.Logf("%s\n%v", strings.Join(x.trace, "\n"), err)
		if err != nil {
			t.Fail()
		}
		return
	}
	var acks, opens, epochs, changes, voids, lost int
	for seed := uint64(1); seed <= *exploreSeeds; seed++ {
		x, err := explore(seed, "")
		if err != nil {
			t.Fatalf("seed %d: %v\ngo test ./core/failover -run TestExplore -v -explore-seed %d", seed, err, seed)
		}
		acks, opens, epochs = acks+x.acks, opens+len(x.opens), epochs+int(x.hosts[0].s.Epoch.Number)
		changes, voids, lost = changes+x.proof.changes, voids+x.proof.voids, lost+x.lost
	}
	t.Logf("%d seeds: %d commits acknowledged, %d epochs, %d open, %d changes of a set, %d void, %d commits given up", *exploreSeeds, acks, epochs, opens, changes, voids, lost)
	if n := int(*exploreSeeds); acks < 10*n || opens < 2*n || changes < n || voids == 0 || lost == 0 {
		t.Errorf("%d seeds acknowledged %d commits, opened %d epochs and changed %d sets, %d void, gave up %d commits: little was tried", n, acks, opens, changes, voids, lost)
	}
}

// The explorer finds what it is for. It begins near a seed that finds the bug, to be
// quick.
func TestExplorerFindsBugs(t *testing.T) {
	const most = 2000
	for _, x := range []struct {
		bug  string
		from uint64
	}{{"report before seal", 5890}, {"opens early", 740}, {"acknowledged by one less", 1}, {"bare LSN", 690}, {"flush position before the flush", 180}, {"names come late", 1}, {"pending set ignored", 1}} {
		t.Run(x.bug, func(t *testing.T) {
			for seed := x.from; seed < x.from+most; seed++ {
				if _, err := explore(seed, x.bug); err != nil && !strings.HasPrefix(err.Error(), "stuck") {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("not found in %d seeds", most)
		})
	}
}
