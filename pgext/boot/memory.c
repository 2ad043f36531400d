/*
 * memory.c
 *		What a server's host remembers in shared memory, beside its notes: it outlives
 *		an engine that ends alone.
 *
 * What guards what (Remembered): the spinlock guards all.  The engine worker writes
 * memory and wal_end; the walreceiver writes lacks and ended; the postmaster makes
 * them at a boot.
 *
 * Shared memory is made anew at each boot, in a restart in place too.  So a boot leaves
 * nothing of what was remembered (host.Memory.Starts), but for what it finds itself.
 * The names that were put in force go as well: none are reported until they are put
 * in force again.
 */
#include "boot/boot.h"

#include "storage/shmem.h"
#include "storage/spin.h"

typedef struct Remembered
{
	slock_t		mutex;
	PgraftMemory memory;
	PgraftWalRecord wal_end;	/* the last record that was found valid; start
								 * 0: none is known */
} Remembered;

static Remembered *remembered = NULL;	/* NULL: the server takes no part */

static PgraftMemory seen;		/* what this process has read or written last */

Size
pgraft_memory_size(void)
{
	return CACHELINEALIGN(sizeof(Remembered));
}

/* In the postmaster, with AddinShmemInitLock held. */
void
pgraft_memory_attach(void)
{
	bool		found;

	remembered = ShmemInitStruct("pgraft memory", sizeof(Remembered), &found);
	if (found)
		return;
	memset(remembered, 0, sizeof(Remembered));
	SpinLockInit(&remembered->mutex);
}

void
pgraft_memory_get(PgraftMemory *memory)
{
	SpinLockAcquire(&remembered->mutex);
	*memory = remembered->memory;
	SpinLockRelease(&remembered->mutex);
	seen = *memory;
}

/* A walreceiver may have ended since this process has looked: what that said stays. */
void
pgraft_memory_set(const PgraftMemory *memory)
{
	PgraftMemory now = *memory;

	SpinLockAcquire(&remembered->mutex);
	if (now.lacks == seen.lacks)
		now.lacks = remembered->memory.lacks;
	if (now.ended == seen.ended)
		now.ended = remembered->memory.ended;
	remembered->memory = now;
	SpinLockRelease(&remembered->mutex);
	seen = now;
}

/*
 * In the walreceiver: whom it follows has told it that WAL which it needs is gone, or
 * has stopped and sent all.
 */
void
pgraft_memory_stream_ended(bool lacks, bool ended)
{
	SpinLockAcquire(&remembered->mutex);
	if (lacks)
		remembered->memory.lacks = 1;
	if (ended)
		remembered->memory.ended = 1;
	SpinLockRelease(&remembered->mutex);
}

/* From where the end of valid WAL is looked for; start 0: from a checkpoint. */
void
pgraft_wal_end_get(PgraftWalRecord *last)
{
	SpinLockAcquire(&remembered->mutex);
	*last = remembered->wal_end;
	SpinLockRelease(&remembered->mutex);
}

void
pgraft_wal_end_set(const PgraftWalRecord *last)
{
	SpinLockAcquire(&remembered->mutex);
	remembered->wal_end = *last;
	SpinLockRelease(&remembered->mutex);
}
