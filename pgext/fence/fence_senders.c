/*
 * fence_senders.c
 *		Which standbys have flushed a commit.
 *
 * A walsender counts for a member while it goes by a token of that member's that the
 * engine has announced, and holds the member's own slot.  So nobody is counted who
 * merely calls himself a standby, such as pg_receivewal.
 *
 * What guards what:
 *
 *	senders[].pid	atomic; a walsender writes it last as it takes an entry, and
 *					clears it as it ends.  An entry that is 0 is anybody's.
 *	senders[].token	written by the walsender that owns the entry, before its pid.
 *
 * PostgreSQL guards WalSndCtl and the slots.
 */
#include "fence/fence.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "replication/slot.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

typedef struct SenderEntry
{
	pg_atomic_uint32 pid;
	PgraftToken token;
} SenderEntry;

static SenderEntry *senders = NULL; /* max_wal_senders */

Size
pgraft_senders_shmem_size(void)
{
	return CACHELINEALIGN(mul_size(max_wal_senders, sizeof(SenderEntry)));
}

/* In the postmaster, with AddinShmemInitLock held. */
void
pgraft_senders_shmem_attach(void)
{
	bool		found;

	senders = ShmemInitStruct("pgraft senders", pgraft_senders_shmem_size(), &found);
	if (found)
		return;
	memset(senders, 0, pgraft_senders_shmem_size());
	for (int i = 0; i < max_wal_senders; i++)
		pg_atomic_init_u32(&senders[i].pid, 0);
}

static void
leave(int code pg_attribute_unused(), Datum entry)
{
	pg_atomic_write_u32(&senders[DatumGetInt32(entry)].pid, 0);
}

/* This process is a walsender, whose standby goes by a token. */
void
pgraft_senders_enter(const PgraftToken *token)
{
	for (int i = 0; i < max_wal_senders; i++)
	{
		SenderEntry *entry = &senders[i];
		uint32		nobody = 0;

		/* UINT32_MAX is no pid: the entry is taken, and not written yet */
		if (!pg_atomic_compare_exchange_u32(&entry->pid, &nobody, UINT32_MAX))
			continue;
		entry->token = *token;
		pg_write_barrier();
		pg_atomic_write_u32(&entry->pid, (uint32) MyProcPid);
		before_shmem_exit(leave, Int32GetDatum(i));
		return;
	}
	ereport(FATAL,
			(errcode(ERRCODE_TOO_MANY_CONNECTIONS),
			 errmsg("number of requested standby connections exceeds \"max_wal_senders\" (currently %d)",
					max_wal_senders)));
}

/* The token that a process goes by; false if it has none. */
static bool
token_of(pid_t pid, PgraftToken *token)
{
	for (int i = 0; i < max_wal_senders; i++)
	{
		SenderEntry *entry = &senders[i];

		if (pg_atomic_read_u32(&entry->pid) != (uint32) pid)
			continue;
		pg_read_barrier();
		*token = entry->token;
		pg_read_barrier();
		return pg_atomic_read_u32(&entry->pid) == (uint32) pid;
	}
	return false;
}

static bool
holds_slot_of(pid_t pid, uint64 member)
{
	char		name[PGRAFT_SLOT_NAME_BYTES];
	bool		holds = false;

	pgraft_slot_name(name, member);
	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots && !holds; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		if (!slot->in_use || strcmp(NameStr(slot->data.name), name) != 0)
			continue;
		SpinLockAcquire(&slot->mutex);
		holds = pgraft_slot_pid(slot) == pid;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(ReplicationSlotControlLock);
	return holds;
}

/*
 * The next walsender from *i on whose standby has a token and holds its member's slot.
 * Raises no error.
 */
static bool
next_sender(int *i, XLogRecPtr end, PgraftSender *sender)
{
	while (*i < max_wal_senders)
	{
		WalSnd	   *walsnd = &WalSndCtl->walsnds[(*i)++];
		pid_t		pid;

		SpinLockAcquire(&walsnd->mutex);
		pid = walsnd->pid;
		sender->flushed = walsnd->flush;
		SpinLockRelease(&walsnd->mutex);
		if (pid != 0 && sender->flushed >= end && token_of(pid, &sender->token) &&
			holds_slot_of(pid, sender->token.member))
			return true;
	}
	return false;
}

/* Fills found with at most max of them, as the engine is told of them. */
int
pgraft_senders_get(PgraftSender *found, int max)
{
	int			n = 0;
	int			i = 0;

	while (n < max && next_sender(&i, InvalidXLogRecPtr, &found[n]))
		n++;
	return n;
}

static bool
is_same(const PgraftToken *a, const PgraftToken *b)
{
	return a->epoch == b->epoch && a->boot == b->boot && a->member == b->member && a->follow == b->follow;
}

/*
 * How many members of the sync set have flushed WAL up to end, and of the one that is
 * to follow.  A member counts once.  Raises no error.
 */
void
pgraft_senders_count(const PgraftFence *fence, XLogRecPtr end, uint32 *set, uint32 *next)
{
	bool		seen[PGRAFT_MAX_COUNTED] = {false};
	PgraftSender sender;
	int			i = 0;

	*set = *next = 0;
	if (fence->ncounted == 0)
		return;
	while (next_sender(&i, end, &sender))
	{
		for (uint64 m = 0; m < fence->ncounted; m++)
		{
			const PgraftCounted *counted = &fence->counted[m];

			if (seen[m] || !is_same(&counted->token, &sender.token))
				continue;
			seen[m] = true;
			*set += (counted->in & PGRAFT_IN_SET) != 0;
			*next += (counted->in & PGRAFT_IN_NEXT) != 0;
		}
	}
}
