// Package failover decides who is the primary of a cluster of streaming PostgreSQL
// servers, and when a commit may be acknowledged. It is pure: core drives it with
// applied entries, ticks, what members tell and what this node's server reports, and
// hands its proposals and orders on. It knows nothing of Raft but what it is told.
//
// # Two halves
//
//   - State is replicated: it changes by the entries of the log alone (Apply), so it is
//     the same on every member at the same index, and a snapshot carries it.
//   - Machine is one member's: what it heard, what it waits for, what it orders its
//     server to do. A member that was away acts by the State that it finds, never by
//     the entries that it skipped.
//
// # What it promises
//
//   - A commit that was acknowledged is on every later primary. This rests on no clock:
//     every member seals before it reports, a grant goes to the greatest position of
//     reports that meet every set which may have acknowledged, and an epoch opens only
//     once enough of its own set have flushed its fork.
//   - At no instant do two servers decide to acknowledge. This rests on Raft's lease
//     (Fence, F1 and F3).
//   - Nobody is demoted for nothing: an epoch begins only if those who are there could
//     pass the rules of a grant.
//   - Memory is bounded: by the number of members, MaxForks and MaxPast.
//
// # What its driver owes
//
// Core applies every committed entry of this package, in order, with the members as of
// the entries before it; asks MayLeave as it applies a removal, a demotion or a
// replacement, and does nothing where that refuses; and calls Forget for who is gone.
// It calls Decide at each tick and after each input that changed what is looked at,
// appends Output.Append only as the leader of that very term, and routes Output.Propose,
// of which any may be lost. It tells Tells to every other member with each heartbeat
// interval. A boot number is
// raised, and durable, before New is called with it.
//
// # What its host owes
//
//   - What it reports is durable: a seal, a note, a flush position. End is the end of
//     valid WAL, never above what is synced.
//   - A seal ends every source of WAL, and a promotion that was ordered before: it takes
//     the file promote away, as only a full start does that else. It is done only when
//     the startup process has the setting, also where replay is held. No order to follow
//     or to promote in an epoch up to the seal is carried out.
//   - A seal leaves no trace of WAL that did not come: the first segment of a timeline of
//     which no record is there, and history files above the last timeline with a record,
//     are put aside, and recovery starts anew where it aims at such a timeline or where
//     half a record fills its last segment. Else PostgreSQL ends at the promotion or at
//     the first record that follows, or makes the new timeline a child of one that this
//     server has nothing of: Forked would then quarantine it. A boot does the same before
//     recovery begins, as it waits for ever for a timeline that leads nowhere.
//   - Seals, notes and boots outlive a rejoin. A rejoin that was cut short is a clone the
//     next time: what pg_rewind left cannot be rewound. Data that was made anew is
//     trusted again.
//   - Data that was rewound and does not start is cloned: the source may lack WAL from the
//     last common checkpoint on.
//   - Data that a rejoin left half way waits for a primary to be made anew from. Meanwhile
//     the engine runs without a server: two members that wait would leave the cluster
//     without a quorum, and so without a primary.
//   - When failover is enabled, JoinedOn is the timeline that is there.
//   - Orders may come late and twice. Each names the boot, and mostly the epoch, that it
//     is for, and is carried out only if these still hold.
//   - Timelines are noted before the first byte of their WAL comes: the one that it is
//     promoted to, and all of Follow.Notes.
//   - A primary lets no standby connect whose token is not of its epoch and boot: with
//     the conninfo of an epoch before, a standby that has not heard yet would get WAL of
//     a timeline that it has not noted.
//   - After each start of the server it is a standby, with no source of WAL.
//   - A server not in recovery answers no statement until Shared.Open, but for the one on
//     which failover is being enabled (Founding and Primary), whatever
//     Shared.Reads says: that may be from before the promotion, and stays what it was for
//     as long as the engine is away.
//   - From an engine's end until the next one's first decision, Shared says that failover
//     is on and nothing else: what is left in shared memory of the engine before is no
//     set, no open epoch and no lease. A standby that could be read still can.
//
// Members are named by Raft id, which is never given again, and LSNs are ends: the
// place right behind the last byte meant.
package failover
