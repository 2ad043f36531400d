//go:build integration

package fence

import (
	"context"
	"os"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// cases run one after the other on the same servers.
var cases = []struct {
	name string
	run  func(*world)
}{
	{"waits for the lease, and goes on", waitsForTheLease},
	{"refuses a commit, and nothing is left of it", refusesACommit},
	{"can be canceled while it waits to begin", cancelsBeforeItBegins},
	{"waits while failover is being enabled", waitsWhileFounding},
	{"logs errors", logsErrors},
	{"leaves alone what commits nothing", leavesAlone},
	{"keeps prepared transactions", keepsPrepared},
	{"refuses what works beyond its transaction", refusesBeyond},
	{"lets errors of the transaction come first", deferredFirst},
	{"counts commits under way", countsUnderWay},
	{"stays invisible when the wait is canceled", holdsCanceled},
	{"stays invisible whatever is logged", holdsUnlogged},
	{"stays invisible when the session is terminated", holdsTerminated},
	{"holds in procedures and prepared transactions", holdsElsewhere},
	{"stays invisible whatever synchronous_commit is", raisesSynchronousCommit},
	{"keeps the names", keepsNames},
	{"acknowledges nothing without the lease", needsTheLease},
	{"says that the outcome is unknown", saysUnknown},
	{"holds every kind of commit", holdsEveryKind},
	{"counts who holds the slot of its token", countsSlots},
	{"counts both sets", countsBothSets},
	{"acknowledges up to a limit", keepsTheLimit},
	{"refuses standbys of other epochs", refusesOtherEpochs},
	{"shows that it is read-only", showsReadOnly},
	{"shows no data that may go away", showsNothing},
	{"says of the cluster what shows no data", saysOfTheCluster},
	{"waits for the next engine", waitsForTheNextEngine},
	{"is as PostgreSQL has it while failover is off", isPlainWhileOff},
}

func TestFence(t *testing.T) {
	w := newWorld(t, installed(t))
	for _, c := range cases {
		w.run(c.name, c.run)
	}
}

func installed(t *testing.T) pgcluster.Install {
	t.Helper()
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config of a PostgreSQL with the extension; run make test-fence")
	}
	install, err := pgcluster.Find(pgConfig)
	must(t, err)
	must(t, install.CheckExtension())
	return install
}

func newCluster(ctx context.Context, t *testing.T, config pgcluster.Config) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.New(ctx, config)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range c.Servers {
				t.Log(s.LogTail(40))
			}
		}
		if err := c.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestMain removes what the tests made also when a signal ends them.
func TestMain(m *testing.M) {
	pgcluster.DestroyOnSignal()
	os.Exit(m.Run())
}
