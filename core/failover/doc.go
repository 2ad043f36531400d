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
//     reports that meet every set which may have acknowledged, or reach into a fork since
//     that was granted so, and an epoch opens only once enough of its own set have flushed
//     its fork.
//   - At no instant do two servers decide to acknowledge. This rests on Raft's lease
//     (Fence, F1 and F3).
//   - Nobody is demoted for nothing: an epoch begins only if those who are there could
//     pass the rules of a grant, or an operator says so.
//   - A change of the sync set loses nothing: from its decision on a commit counts for
//     both sets, and the log takes it only once all that was flushed before is on the new
//     one. A member that is to leave the cluster leaves the set first: the primary takes it
//     out when it says priority 0 or that it takes no part (Told.Leaves), or when it does
//     not keep up, and until then its removal is void (MayLeave). So an operator who
//     removes a member that is up gives it priority 0 first.
//   - With durability async a failover may give up commits, those of the last maximum_lag
//     bytes at most, and the history says so. The primary logs how far its WAL reaches,
//     acknowledges half of that more, and a grant goes to nobody who lacks more than the
//     other half of what was logged. WAL of an epoch before the last open one counts as far as
//     that one's lineage has it. A fork whose epoch does not open gives nothing up.
//   - Nothing that was acknowledged is given up but by an operator's override, which names
//     it in the log before it takes effect; and no more than it names. A member that it names
//     and that has come back since is waited for, for seal_timeout: its report counts. One
//     whose epoch does not open gives nothing up, but for data that was made anew meanwhile.
//   - A switchover loses nothing and needs no rewind: the primary stops once all commits that
//     had begun are acknowledged and on the target, and gives up its lease before. For
//     failover_delay at most it lets no commit begin while it leads; then it gives up.
//   - When failover is enabled, the epoch opens once no commit of before is under way and all
//     that is visible is on the set. WAL of before counts there once all of it from a checkpoint
//     on was compared with the primary's, and else is made anew.
//   - Where required is asked for while too few standbys are there, no commit is acknowledged
//     until they keep up and W has risen. The primary says so (SetTooSmall).
//   - Where failover has been disabled, who was a primary of before stays fenced until it is
//     a standby; nobody's epoch or timeline is given again once it is enabled anew.
//     What a server shows that takes no part is as PostgreSQL has it: a primary of before may
//     show what nobody else has.
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
// interval, and when Output.Tell says so. A boot number is raised, and durable, before New is
// called with it.
//
// # What its host owes
//
// Package host has the rules of that as code, and says which is where.
//
//   - What it reports is durable: a seal, a note, a flush position. End is the end of
//     valid WAL, never above what is synced.
//   - A seal ends every source of WAL, and a promotion that was ordered before: it takes
//     the file promote away, as only a full start does that else. A restart in place takes
//     it away before redo starts: that alone promotes a server by the file. A seal is done
//     only when the startup process has the setting, also where replay is held. No order
//     to follow or to promote in an epoch up to the seal is carried out.
//   - A seal leaves no trace of WAL that did not come: the first segment of a timeline of
//     which no record is there, and history files above the last timeline with a record, are
//     put aside, and recovery starts anew where it aims at such a timeline or where half a
//     record fills its last segment, whether it has come there yet or not. Else PostgreSQL
//     ends at the promotion or at the first record that follows, or makes the new timeline a
//     child of one that this server has nothing of: Forked would then quarantine it. A
//     walreceiver that connects writes history files: one that is there once it has ended
//     makes recovery start anew, too. A boot does the same before recovery begins, as it
//     waits for ever for a timeline that leads nowhere. A server that takes no part is not
//     started anew for that: it boots as it was. It is as it takes part again.
//   - Seals, notes and boots outlive a rejoin. A rejoin that was cut short is a clone the
//     next time: what pg_rewind left cannot be rewound. Data that was made anew is
//     trusted again.
//   - A rejoin keeps the seal: its source is the primary of an epoch above it. One of an
//     epoch before may still run, and not know that it is none any more.
//   - Data that was rewound and does not start is cloned: the source may lack WAL from the
//     last common checkpoint on.
//   - Data that was made anew needs its source's WAL up to where that was by then. A server
//     that is sealed before it has it is Untrusted, until its data is cloned: a promotion
//     would end it, each time.
//   - Data that a rejoin left half way waits for a primary to be made anew from. Meanwhile
//     the engine runs without a server: two members that wait would leave the cluster
//     without a quorum, and so without a primary.
//   - Whose node was removed gives no orders any more. Its server stays fenced, and one that
//     takes writes is restarted in place as a standby, as with Demote: commits that wait
//     there would do so for ever.
//   - A follower has the history files of all numbers up to its newest timeline, those of
//     every gap, too, written from the newest one down.
//   - A look that comes while a promotion is ending is not reported (host.Memory.Between): it
//     shows what a crash leaves there, and another epoch would begin.
//   - Until a promotion has ended, the files of the numbers that it skips name no parent:
//     recovery looks for newer timelines until it has seen the request, and would make the new
//     timeline a child of one of them. Then they are written as a follower has them.
//   - Notes of a data directory that goes along to another Raft id stay: Wrote, the seal and
//     whose WAL each timeline is. Its Raft store is new, so it may be Untrusted at its boot.
//   - When failover is enabled, JoinedOn is the timeline that is there, and the one on which
//     it is enabled notes that it wrote it (Wrote). A server that was released joins again first.
//   - While an operator enables failover the server that takes writes keeps its WAL for all others
//     (Enabling.From): a standby joins with a restartpoint that is no older, so all that has to be
//     compared is there.
//   - Join is carried out while no promotion is under way, nor asked for. Whoever has an operator
//     enable failover tells its machine whom that is for (Joins): the standbys first, and the
//     server that takes writes once all of them have, as it boots as a standby from then on. The
//     entry is tried before (Enabling), so that it has not joined for nothing.
//   - While Shared.Prove says so, Record.From is given: nothing says yet whose the WAL is that
//     came while failover was off. Compared.Have is then of all WAL from there on, unless the last
//     record is another.
//   - Release is carried out once no promotion is under way, nor asked for by the file
//     promote: the names go, then the Raft store's note of having joined, and then the data
//     directory's, with the seal in the same write, so that one that was cut short is given
//     again. In between no other order is carried out.
//   - Orders may come late and twice. Each names the boot, and mostly the epoch, that it
//     is for, and is carried out only if these still hold: an epoch does as long as it is
//     above the seal. That of a Rejoin, which destroys what was there, has to be Shared.Epoch
//     besides: the seal for the next one may be late, too.
//   - Timelines are noted before the first byte of their WAL comes: the one that it is
//     promoted to, and all of Follow.Notes.
//   - A note stands only beside its history file or a record of its timeline: Follow's
//     history files are written before its notes, and what takes a history file away takes
//     the note away first, once no source can bring WAL. PostgreSQL gives a promotion one
//     number more than its newest history file has. With a note alone, a server that is
//     promoted by hand would begin that very timeline, and its WAL would pass for the epoch's:
//     it could be granted the next epoch before those who have what was acknowledged.
//   - A primary lets no standby connect whose token is not of its epoch and boot: with
//     the conninfo of an epoch before, a standby that has not heard yet would get WAL of
//     a timeline that it has not noted.
//   - Server.Boots is what Shared.Boots was before the host looked at Flushed: a member whose
//     data went back is trusted once it has what the primary had flushed after it knew of that
//     member's boot.
//   - Compared.Have says that the primary's WAL could be read, record by record, to the place
//     where the follower's last record ends. There Equal is false also where none ends. What
//     is gone, was recycled as it was read, or cannot be read is not there: of who differs
//     one is somebody's handiwork, and the follower is quarantined. It is not cloned: it may
//     be the one who has what was acknowledged.
//   - Server.Lacks rests on what the walreceiver logs, a text in the primary's language
//     with no SQLSTATE of its own: the primary's walsenders speak English, whatever
//     lc_messages is.
//   - Names are put in force in the order of their numbers: those of an order that comes
//     late are of a set that may not be in force any more.
//   - Shared memory is published before Server.Decision says so, and F3 reads it as fence.go
//     says. Names that are not those of SetNames come from nobody: an emptied
//     synchronous_standby_names is refused.
//   - A commit is counted as under way from before F1 lets it until its client is answered.
//     Server.Quiet is reported only of a look that came after Shared.Switchover was published.
//   - Server.Founded is reported only of a look that came after Shared.Founding was published
//     for that epoch: first that no commit is under way, then where WAL is inserted, then that
//     it is flushed up to there. A host sees to that flush itself, as a commit with
//     synchronous_commit off does not.
//   - Stop is a fast shutdown, after which the server boots as a standby; a stop by anybody else
//     stays one. Server.Ended is of a stream that the primary has ended, with all of its WAL,
//     and not of a connection that broke.
//   - After each start of the server it is a standby, with no source of WAL.
//   - Before recovery begins a boot finds out whether the data is what it was (Found), as
//     recovery takes some of the evidence away: backup_label is renamed. Notes and history
//     files of which there is no WAL go first, or the end of WAL is looked for on a timeline
//     that leads nowhere. A doubt is noted in the data directory then. It stays until the
//     data was made anew or Trust is carried out, and meanwhile the nonce is not renewed.
//   - The nonce is renewed at each start of the engine, in the order of Nonces, before
//     anything is reported of the server; so what is counted of a boot is never older than
//     its nonce. The floor is written as Floor says, once the timeline that the server
//     joined on is reached.
//   - A rejoin's marker lies outside the data directory, beside the server's own files. It
//     is there, durable, before the first byte of the data changes, and goes last, after the
//     own files are back and the nonce is new. The backup_label of the clone that a rejoin
//     has made is no doubt, nor is WAL that it lacks while its source's epoch is the newest,
//     until it has been consistent. That is noted: what it lacks later was lost.
//   - The source of a rejoin says itself, right before, that it is still the primary of the
//     epoch in the order: else a fork that is over is what the data is made from.
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
