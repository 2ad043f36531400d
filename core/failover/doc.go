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
// Members are named by Raft id, which is never given again, and LSNs are ends: the
// place right behind the last byte meant.
package failover
