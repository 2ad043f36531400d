// Package sim runs a pgraft cluster in virtual time: real cores, and models of
// their disks, network, clocks, clients and operators, in one goroutine, from
// one seed. Start with Run:
//
//	r := sim.Run(sim.Options{Seed: 7})
//	if r.Failure != nil {
//		fmt.Println(r.Failure, r.Decisions)
//	}
//
// A seed and a commit reproduce a run to the byte: Result.Hash covers every
// input, output, wire byte and applied entry. Everything that goes wrong is a
// Decision: a fault kind, a time, a target and a parameter. A seed draws them
// up front (Plan); RunWith runs a seed with another list, a shorter one above
// all. Each source of randomness is a stream of its own with a name, so that
// leaving out one decision leaves what the others draw as it was.
//
// A node here does what package node does: it drives the core by core.Perform,
// keeps the same order between disk, network and replies, takes what arrives while it is
// at work as one batch (in half of the seeds, see inbox.go), and opens a directory, greets and dials by the same rules. No rule of the core is
// repeated or bent here.
//
// With Options.Failover the nodes have PostgreSQL servers, of package sim/postgres, that
// fail over as package core/failover decides: servers.go, server*.go, session.go.
//
// After every event the checkers look at what changed (check_*.go). The first
// violation ends the run and becomes Result.Failure.
package sim
