/*
 * fence_state.c
 *		What the fence goes by, in shared memory, and how many commits are under
 *		way.
 *
 * What guards what (FenceShared):
 *
 *	block			a sequence lock of its own, see fencing.h.  Written by the
 *					postmaster at a boot; then by the engine worker's process only,
 *					by one thread at a time: the mutex "publishing", which is that
 *					process's, sees to that.
 *	under_way		atomic; each backend counts itself in and out.
 *	empty_names		atomic; written by the engine worker's process.
 *
 * The other statics are each process's own.
 */
#include "fence/fence.h"

#include <pthread.h>

#include "access/xlog.h"
#include "port/atomics.h"
#include "storage/shmem.h"

typedef struct FenceShared
{
	PgraftFenceBlock block;
	pg_atomic_uint32 under_way;
	pg_atomic_uint32 empty_names;	/* synchronous_standby_names may be */
} FenceShared;

static FenceShared *shared = NULL;	/* NULL: there is no fence here */

static pthread_mutex_t publishing = PTHREAD_MUTEX_INITIALIZER;
static bool is_open = false;	/* for what the engine publishes; guarded by
								 * publishing */

static bool is_counted = false; /* in under_way */

bool
pgraft_fence_is_there(void)
{
	return shared != NULL;
}

Size
pgraft_fence_shmem_size(void)
{
	return CACHELINEALIGN(sizeof(FenceShared));
}

/*
 * In the postmaster, with AddinShmemInitLock held.  What is published first is of a
 * server that takes no part in failover, which is as PostgreSQL has it.
 */
void
pgraft_fence_shmem_attach(void)
{
	bool		found;

	shared = ShmemInitStruct("pgraft fence", sizeof(FenceShared), &found);
	if (found)
		return;
	memset(shared, 0, sizeof(FenceShared));
	shared->block.copies[0].reads = 1;
	pg_atomic_init_u32(&shared->under_way, 0);
	pg_atomic_init_u32(&shared->empty_names, 0);
}

/*
 * In the postmaster, at a boot of a server that takes part: failover is on, and nothing
 * else is known until the engine publishes it (host.Unknown).
 */
void
pgraft_fence_unknown(void)
{
	PgraftFence now;

	memset(&now, 0, sizeof(now));
	now.failover = 1;
	now.joined = 1;
	pgraft_fence_write(&shared->block, &now);
}

/*
 * No engine says any more what holds: failover is on, if it was, and nothing else.
 * What was published before is no set, no open epoch and no lease.  A standby that
 * could be read still can.  The epoch stays, so that a commit which waits for the next
 * engine is not taken for one of an epoch that is over.
 */
static void
forget(void)
{
	PgraftFence was;
	PgraftFence now;

	(void) pgraft_fence_read(&shared->block, &was);
	memset(&now, 0, sizeof(now));
	now.failover = was.failover;
	now.joined = was.joined;
	now.quarantined = was.quarantined;
	now.epoch = was.epoch;
	now.reads = was.reads && (!was.failover || GetRecoveryState() != RECOVERY_STATE_DONE);
	pgraft_fence_write(&shared->block, &now);
}

/* In the engine worker, before the engine starts. */
void
pgraft_fence_open(void)
{
	if (shared == NULL)
		return;
	pthread_mutex_lock(&publishing);
	forget();
	is_open = true;
	pthread_mutex_unlock(&publishing);
}

/*
 * See engine.h: on any thread of the engine worker's process, so nothing here may raise
 * an error.
 */
void
pgraft_fence_publish(const PgraftFence *fence)
{
	pthread_mutex_lock(&publishing);
	if (is_open)
		pgraft_fence_write(&shared->block, fence);
	pthread_mutex_unlock(&publishing);
}

/* In the engine worker as it ends: nothing that its threads still do is published. */
void
pgraft_fence_close(void)
{
	if (shared == NULL)
		return;
	pthread_mutex_lock(&publishing);
	is_open = false;
	forget();
	pthread_mutex_unlock(&publishing);
}

/* Returns the version that it is of. */
uint64
pgraft_fence_get(PgraftFence *fence)
{
	return pgraft_fence_read(&shared->block, fence);
}

uint64
pgraft_fence_get_version(void)
{
	return pgraft_fence_version(&shared->block);
}

/*
 * Whether synchronous_standby_names may be empty: only where pgraft itself has put them
 * so (host.PutNames), as a set that needs no standby has none.  It is said before they
 * are put.
 */
void
pgraft_fence_let_names_be_empty(bool may)
{
	if (shared != NULL)
		pg_atomic_write_u32(&shared->empty_names, may);
}

bool
pgraft_fence_names_may_be_empty(void)
{
	return pg_atomic_read_u32(&shared->empty_names) != 0;
}

/*
 * A commit is under way from before it asks whether it may begin until it is decided
 * whether it is acknowledged; not while it waits to begin.  Who publishes that none may
 * begin, and then finds none under way, knows that there is none: each side writes
 * first and then looks at what the other wrote.
 */
void
pgraft_commit_begins(void)
{
	if (!is_counted)
		pg_atomic_fetch_add_u32(&shared->under_way, 1);
	is_counted = true;
}

void
pgraft_commit_ended(void)
{
	if (is_counted)
		pg_atomic_fetch_sub_u32(&shared->under_way, 1);
	is_counted = false;
}

uint32
pgraft_commits_under_way(void)
{
	pg_memory_barrier();
	return pg_atomic_read_u32(&shared->under_way);
}
