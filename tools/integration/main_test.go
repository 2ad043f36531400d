//go:build integration

package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// scenarioLimit is how long one scenario may take before its waits give up.
const scenarioLimit = 90 * time.Second

type scenario struct {
	name  string
	short bool // runs with -short too
	run   func(context.Context, *testing.T, *suite)
}

// The order matters for time only: each can be run alone.
var scenarios = []scenario{
	{"forms a cluster", true, formsACluster},
	{"answers alike on every node", true, answersAlike},
	{"replicates from many sessions", true, replicatesFromManySessions},
	{"keeps data of every size and script", true, keepsData},
	{"logs no warning and comes back from a stop of all", true, logsNoWarning},
	{"kills the leader under load", true, killsTheLeader},
	{"hands leadership over as it stops", true, handsOverAsItStops},
	{"has the surface of the contract", true, hasTheSurface},
	{"proposes once", true, proposesOnce},
	{"shows the log as rows", true, showsTheLog},
	{"orders and fences reads", true, ordersReads},
	{"transfers leadership", true, transfersLeadership},
	{"counts what it does", true, countsWhatItDoes},
	{"rests while nothing is asked", true, rests},
	{"tells its health", false, tellsItsHealth},
	{"lets only the right roles in", false, letsRolesIn},
	{"refuses bad calls", false, refusesBadCalls},
	{"refuses nodes that do not fit", false, refusesNodes},
	{"does not undo on rollback", false, doesNotUndo},
	{"waits without a quorum", false, waitsWithoutQuorum},
	{"kills the engine worker", false, killsTheEngine},
	{"pauses the leader's engine worker", false, pausesTheLeader},
	{"survives a panic in the engine", false, survivesAPanic},
	{"runs without what the engine needs", true, runsWithoutWhatTheEngineNeeds},
	{"waits after crashes of the engine", false, waitsAfterCrashes},
	{"waits after crashes of an apply function", false, waitsAfterApplyCrashes},
	{"refuses an engine of another build", false, refusesAnotherBuild},
	{"works beside an older build", false, worksBesideAnOlderBuild},
	{"stops while its disk hangs", false, stopsWhileItsDiskHangs},
	{"kills all servers at once", false, killsAll},
	{"removes a follower and adds it back", false, removesAFollower},
	{"removes the leader and adds it back", false, removesTheLeader},
	{"replaces members under load", true, replacesUnderLoad},
	{"finishes a replacement that a crash cut short", false, replacesThroughACrash},
	{"needs its settings", false, needsItsSettings},
	{"keeps the last voter", false, keepsTheLastVoter},
	{"saves the trace", true, savesTheTrace},
	{"saves no trace of nothing", false, savesNoTrace},
	{"records large entries", true, recordsLargeEntries},
	{"comes back with its directory", true, comesBackWithItsDirectory},
	{"recovers from a lost quorum", false, recoversFromLostQuorum},
	{"documents its settings", true, documentsItsSettings},
	{"checks addresses", true, checksAddresses},
	{"documents its surface", true, documentsItsSurface},
	{"runs the documents", false, runsTheDocuments},
	{"reloads its settings", false, reloadsItsSettings},
	{"answers on HTTP", false, answersOnHTTP},
	{"follows the mode of the data directory", false, followsTheMode},
	{"works in every transaction", true, worksInTransactions},
	{"ends a wait when asked to", false, endsAWait},
	{"answers what was asked", true, answersWhatWasAsked},
	{"asks a restarted engine again", false, asksAgain},
	{"takes more clients than slots", false, takesManyClients},
	{"serves on a hot standby", false, servesOnAStandby},
	{"grants what a site grants", false, grantsRoles},
	{"goes on when there is room", false, goesOnWhenThereIsRoom},
	{"encrypts between nodes", true, encryptsBetweenNodes},
	{"renews its certificates", false, renewsCertificates},
	{"refuses a node that TLS refuses", false, refusesByTLS},
	{"waits for its TLS files", false, waitsForTLSFiles},
	{"holds against a stranger", false, holdsAgainstAStranger("127.0.0.9", false)},
	{"holds against a stranger on the members' machine, with TLS", false, holdsAgainstAStranger("127.0.0.1", true)},
	{"applies on every node", true, appliesOnEveryNode},
	{"stops at a poisoned entry", false, stopsAtAPoisonedEntry},
	{"guards the apply function", false, guardsTheApplyFunction},
	{"runs the config store", true, runsTheConfigStore},
	{"walks through the config store", false, walksThroughTheConfigStore},
	{"keeps what it has to apply", false, keepsWhatItHasToApply},
	{"survives its database", false, survivesItsDatabase},
	{"applies what its log lacks", false, appliesWhatItsLogLacks},
	{"says what is gone", false, saysWhatIsGone},
	{"moves, replaces and renames as its page says", false, livesThrough("Versions of pgraft side by side", "Copies")},
	{"refuses copies as its page says", false, livesThrough("Copies", "")},
	{"fills a late node", true, fillsALateNode},
	{"holds a failed import", false, holdsAFailedImport},
	{"waits on every node", true, waitsOnEveryNode},
	{"adds a node that is slow", false, addsANodeThatIsSlow},
	{"applies beside DDL", false, appliesBesideDDL},
	{"applies whatever is set", true, appliesWhateverIsSet},
	{"logs what it is told", false, logsWhatItIsTold},
	{"installs in a schema", false, installsInASchema},
	{"survives with a witness", true, survivesWithAWitness},
	{"keeps nothing for a witness", false, keepsNothingForAWitness},
	{"runs the page of the witness", false, runsTheWitnessPage},
	{"applies once across crashes", false, appliesOnceAcrossCrashes},
}

// half lets two processes run the scenarios side by side, as their servers mostly wait.
var half = flag.Int("half", 0, "run every other scenario only: 1 from the first on, 2 from the second on")

func TestIntegration(t *testing.T) {
	if *half < 0 || *half > 2 {
		t.Fatalf("-half is 1 or 2, not %d", *half)
	}
	s := newSuite(t)
	for i, sc := range scenarios {
		if testing.Short() && !sc.short || *half != 0 && i%2 != *half-1 {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), scenarioLimit)
			t.Cleanup(cancel)
			t.Cleanup(func() { s.afterScenario(t) })
			sc.run(ctx, t, s)
		})
	}
}

// suite is what the scenarios share.
type suite struct {
	install pgcluster.Install
	// nil until a scenario needs it, and after one that failed
	cluster *pgcluster.Cluster
	ledger  *ledger
}

func newSuite(t *testing.T) *suite {
	pgConfig := os.Getenv("PGRAFT_PG_CONFIG")
	if pgConfig == "" {
		t.Fatal("PGRAFT_PG_CONFIG names no pg_config of a PostgreSQL with the extension; run\n\t" + command("$(which pg_config)", "", false))
	}
	install, err := pgcluster.Find(pgConfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := install.CheckExtension(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %s", install.Version, install.PGConfig)
	s := &suite{install: install}
	t.Cleanup(func() { s.drop(t) })
	return s
}

// command is how to run the tests, or one scenario, again.
func command(pgConfig, name string, short bool) string {
	text := "PGRAFT_PG_CONFIG=" + pgConfig + " go test -tags integration -count=1 -v"
	if short {
		text += " -short"
	}
	if name != "" {
		text += fmt.Sprintf(" -run '^%s$'", strings.ReplaceAll(name, "/", "$/^"))
	}
	return text + " ./tools/integration"
}

// afterScenario explains a failure, and gives the next scenario a new cluster.
func (s *suite) afterScenario(t *testing.T) {
	if !t.Failed() {
		return
	}
	if s.cluster != nil {
		for _, server := range s.cluster.Servers {
			t.Log(server.LogTail(25))
		}
	}
	t.Log("to run this scenario alone:\n\t" + command(s.install.PGConfig, t.Name(), testing.Short()))
	s.drop(t)
}

func (s *suite) drop(t *testing.T) {
	if s.cluster != nil {
		if err := s.cluster.Destroy(); err != nil {
			t.Error(err)
		}
		s.cluster = nil
	}
}

// TestMain removes what the tests made also when a signal ends them.
func TestMain(m *testing.M) {
	pgcluster.DestroyOnSignal(func() error { return errors.Join(unmountAll()...) })
	os.Exit(m.Run())
}
