/*
 * fence_look.c
 *		What the rules of the fence need to know, looked at in the order that keeps
 *		them true for a process that is stopped between any two looks.
 *
 * The version comes first and last: if it is the same, nothing of what was published
 * has changed in between.  The lease is looked at right before it is read again.
 * Nothing here is shared, and nothing raises an error.
 */
#include "fence/fence.h"

#include "access/xlog.h"

#include "shmem/shmem.h"

/* For so long a wait looks again after a part of what it has waited, at most. */
#define PGRAFT_LOOK_PARTS	8
#define PGRAFT_LOOK_MS		100

/* F1.  *fence is what was published. */
PgraftBeginVerdict
pgraft_look_begin(bool waited, PgraftFence *fence)
{
	for (;;)
	{
		uint64		version = pgraft_fence_get(fence);
		PgraftBeginLook look = {
			.failover = fence->failover,
			.joined = fence->joined,
			.quarantined = fence->quarantined,
			.primary = fence->primary,
			.open = fence->open,
			.switchover = fence->switchover != 0,
			.founding = fence->founding,
			.waited = waited
		};

		look.lease = fence->lease_counts && pgraft_has_lease();
		if (pgraft_fence_get_version() == version)
			return pgraft_begin_verdict(&look);
	}
}

/*
 * F3.  A commit that began before failover was on belongs to the epoch that it finds
 * then: it is acknowledged by that epoch's set.
 */
PgraftAckVerdict
pgraft_look_ack(PgraftCommit *commit)
{
	PgraftFence fence;
	uint64		version = pgraft_fence_get(&fence);
	bool		wrote = !XLogRecPtrIsInvalid(commit->end);
	PgraftAckLook look = {
		.failover = fence.failover,
		.open = fence.open,
		.w = wrote ? fence.w : 0,
		.pending = fence.pending,
		.next_w = wrote ? fence.next_w : 0,
		.beyond = wrote && fence.limited && commit->end > fence.limit
	};

	if (fence.failover && !commit->fenced)
	{
		commit->fenced = true;
		commit->epoch = fence.epoch;
	}
	look.over = commit->epoch != fence.epoch;
	look.flushed = !wrote || GetFlushRecPtr(NULL) >= commit->end;
	if (look.w > 0 || look.next_w > 0)
		pgraft_senders_count(&fence, commit->end, &look.counted, &look.next);
	look.lease = fence.lease_counts && pgraft_has_lease();
	look.same = pgraft_fence_get_version() == version;
	return pgraft_ack_verdict(&look);
}

/* F2: whether a commit may become visible, as no failover loses it. */
bool
pgraft_look_replicated(XLogRecPtr end)
{
	PgraftFence fence;
	uint64		version = pgraft_fence_get(&fence);
	uint32		set;
	uint32		next;

	if (fence.failover)
	{
		if (!fence.open)
			return false;
		pgraft_senders_count(&fence, end, &set, &next);
		if (set < fence.w || (fence.pending && next < fence.next_w))
			return false;
	}
	return pgraft_fence_get_version() == version;
}

/*
 * Whether a statement may begin.  What the engine says of reads may be from before a
 * promotion that has just ended, so a server that is not in recovery has to be open
 * besides, or the one on which failover is being enabled.
 */
bool
pgraft_look_readable(void)
{
	PgraftFence fence;

	(void) pgraft_fence_get(&fence);
	return fence.reads &&
		(!fence.failover || fence.open || (fence.founding && fence.primary) || RecoveryInProgress());
}

/* F4: whether F1 would not let a commit begin now. */
bool
pgraft_look_fenced(void)
{
	PgraftFence fence;

	return pgraft_look_begin(true, &fence) != PGRAFT_BEGIN_GO;
}

/*
 * After how long a wait looks again.  Nobody wakes it: a lease is renewed and a standby
 * flushes many times a second, and the engine's threads must not look for who waits.  So
 * a short wait looks often, and many long ones cost little.
 */
long
pgraft_look_again_ms(long waited_ms)
{
	return Min(PGRAFT_LOOK_MS, waited_ms / PGRAFT_LOOK_PARTS + 1);
}
