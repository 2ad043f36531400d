// Package host is what the host of a server that fails over does with an order of package
// failover, and what it reports: guards and small steps, as values. Who has a server carries
// the steps out: the simulator on its model of PostgreSQL, the engine on a real one. There is
// no clock, no disk and no server in it.
//
// # How it is driven
//
//   - At a boot: Boot, again and again, until it has a verdict.
//   - At an engine's start: Store.Begins, then Renewal until it is done, while data is not in
//     doubt. Nothing is reported before.
//   - With each order: a look (Seen), Obey, and its acts in their order. Acts that take time go
//     on by another look: Sealed once the sources of WAL have ended, Compared once a record was
//     looked up, Whole with a nonce that was drawn.
//   - With each look: Memory.Founds, then Report, unless Memory.Between.
//   - Every failover.FloorMillis: Floor.
//   - In a rejoin, beside it: Rejoining.Next, again and again, by what its source says (Asked), then
//     Rejoining.Ends, and Data.Consistent once the server has what it needs. At a node's removal: Removed. Where a server joins:
//     Join, then StartsAnew if nothing brings WAL; else a seal comes first.
//   - While no engine decides: Unknown is what shared memory says.
//
// # Which duty is where
//
// Of those that failover's package comment lists:
//
//   - What an order names holds, and it is not late: the guards of each order, in obey.go.
//   - A seal ends every source of WAL, and leaves no trace of WAL that did not come: seal,
//     StartsAnew, Sealed and without. That a seal is done only when the startup process has the setting is
//     EndSources' contract, and its carrier's to keep.
//   - Notes before WAL, and beside their history files: promote, follow and without give the
//     acts in that order.
//   - A boot is a standby's, with its doubt noted first: Boot. Where WAL ends, what the floor
//     and the nonces say: Find, Floor, Renewal, Whole.
//   - A rejoin keeps the seal, the notes and the boot: Back. Its source says itself that it is
//     one: Asked. Data that does not come whole is Untrusted: Data.IsShort.
//   - Release in its order: release. The end of a removed member: Removed.
//   - Quiet and Founded of a look that came after Shared was published: Memory.Founds, Report.
//   - Nothing is left of the engine before: Unknown, Memory.Starts.
//
// What is left to who carries out: the contracts in act.go, what a look is (Seen), the port,
// the helper that makes data anew, walsenders' language, who is let in by which token, and the
// fence (failover.F1, failover.F3).
package host
