// Package core is the consensus of one pgraft node: go.etcd.io/raft/v3 with
// asynchronous storage writes, and every decision around it that can lose data
// or split the brain. It is pure: no clock, network, disk, goroutine or package
// variable. What happens to a node is an Input; what it has to do is an Output;
// the same inputs give the same outputs to the byte, on every machine.
//
// A host does this:
//
//	c, err := core.New(cfg, durable)      // durable: what its log store holds
//	core.Perform(c, core.Tick{}, host)    // for every input, on one goroutine
//
// and implements Host. Perform steps the core and calls the host in the order
// that safety rests on; package node and the simulator both use it.
//
// # What the host owes
//
//   - One goroutine, or a lock, around a Core.
//   - Persist batches are written in the order of their numbers, each atomically.
//     Persisted(Seq) comes once the batch and all before it are durable, if Sync
//     is set, and otherwise once it is written and those before it that have Sync set
//     are durable; several may share an fsync. After a failed write or fsync nothing
//     is persisted any more: the node stops.
//   - Messages of one Send reach the member whose Raft id To is, or nobody, any
//     number of times, in any order: a host must check who is at the other end
//     (Greet), not more. SnapshotSent is owed for a Send with Snapshot set,
//     in every outcome.
//   - Ticks come no faster than one per Config.TickMillis, by clocks of which none
//     runs more than 10 % faster than another member's. A late tick is dropped,
//     never made up for.
//   - Needs at each start, if it has a database that applies the log, or a log store
//     from which other members may be answered; then an answer to every order of
//     package retain, and no entry from Output.Retain on is dropped.
//   - Persisted.First, if log entries leave the store by its own retention.
//   - Applied(Index) once everything up to Index in Output.Apply is taken over, if
//     Host.Apply says that it is not yet. What waits may be given as one Batch.
//   - A restart begins with what is durable: Durable, with Config.Seed drawn
//     anew. The identity is durable before the first contact with anyone.
//   - When Members.Version is raised, connections of builds that do not know it end
//     before anything else is sent (Range, Persist.Version).
//   - Status is published before the messages of the same step leave, and so is
//     FailoverOutput.Shared.
//   - With Config.Failover, what package failover says that its host owes.
//
// # What it gets
//
//   - At most one leader in a term, and what an OK reply to a Propose says is
//     committed is in the log of every later leader (Raft paper, figure 3).
//   - At most one node at any instant whose published lease has not ended.
//   - Two proposals with one request id commit once; a request id is in a log
//     once. A request is answered Unknown exactly when its outcome is not known.
//   - A read point after everything that was committed before it was asked for.
//   - All nodes apply the same entries at the same indexes, and agree on who the
//     members are at each index. A change of members protects once a quorum
//     knows that it is committed, a heartbeat after its reply: each goes by the
//     newest membership that it knows to be committed (as the library does).
//   - Bounded memory: every queue has a named bound (config.go) and answers Busy
//     beyond it.
//
// Which file decides what: the map in ARCHITECTURE.md.
//
// Sources: Ongaro, Consensus: Bridging Theory and Practice (2014), "the thesis"
// in comments; Ongaro and Ousterhout, In Search of an Understandable Consensus
// Algorithm, "the Raft paper"; issues of etcd, CockroachDB and TiKV by number.
package core
