/*
 * shmem.c
 *		Shared memory of pgraft: the status block, the request slots, and what
 *		wakes whom.
 *
 * What guards what (PgraftShared):
 *
 *	status			a sequence lock of its own, see status.h.  Written by the
 *					engine worker's process only: by its C main thread before
 *					the engine starts and after it stopped, by the engine in
 *					between.  (By the postmaster, if there is no such worker.)
 *	engine_generation	atomic; changed by the engine worker only.  Odd while an
 *					engine takes requests; every start and every exit changes
 *					it, so that waiting backends see that their engine is gone.
 *	worker_latch	atomic; written by the engine worker only.  A stale value is
 *					harmless: it is the latch of some PGPROC.
 *	pending			atomic bitmap, a bit per slot.  Backends set a bit after
 *					they changed the slot, the worker clears it before it looks.
 *	unused			atomic bitmap, a bit per slot that nobody owns.  Who clears a
 *					bit owns the slot, until he has set it again.
 *	failures, failed_with, next_start	atomic; written by the engine worker only.
 *	engine_cv, slot_cv	guard themselves.
 *	last_error		the spinlock mutex.
 *
 * And in a slot (PgraftSlot):
 *
 *	word			atomic, compare-and-swap only; see shmem.h.
 *	client, engine_generation, op, max_entry_bytes, timeout_ms, request_id, args, data_len,
 *	data_dsm, data
 *					written by the backend that owns the slot, in state OWNED.
 *					The worker copies them in state REQUEST, and what it copied
 *					counts only if its compare-and-swap from that very word to
 *					INFLIGHT succeeds; else the owner took the request back
 *					meanwhile and the copy is thrown away.
 *	reply_dsm		written by the owner in state LARGE, before FETCH.
 *	reply_len, reply
 *					written by the worker only, one of its threads at a time, in
 *					state INFLIGHT; read by the owner in LARGE and DONE, which only
 *					the worker sets.  If the owner gives the slot up while the
 *					worker writes, the next owner does not mind: it reads neither
 *					before the worker has written them again.
 *
 * So a backend can drop its request at any instant with one compare-and-swap,
 * and needs nobody's consent for it.
 */
#include "shmem/shmem.h"

#include <time.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/shmem.h"

PgraftShared *pgraft_shared = NULL;

Size
pgraft_shmem_size(void)
{
	return CACHELINEALIGN(sizeof(PgraftShared));
}

/*
 * In the postmaster, with AddinShmemInitLock held; true if the memory was made
 * just now, at the server's start or in a crash restart.
 */
bool
pgraft_shmem_attach(void)
{
	bool		found;

	pgraft_shared = ShmemInitStruct("pgraft", sizeof(PgraftShared), &found);
	if (found)
		return false;
	memset(pgraft_shared, 0, sizeof(PgraftShared));
	pg_atomic_init_u32(&pgraft_shared->engine_generation, 0);
	pg_atomic_init_u64(&pgraft_shared->worker_latch, 0);
	for (int i = 0; i < PGRAFT_SLOT_WORDS; i++)
	{
		pg_atomic_init_u64(&pgraft_shared->pending[i], 0);
		pg_atomic_init_u64(&pgraft_shared->unused[i], ~UINT64CONST(0));
	}
	pg_atomic_init_u32(&pgraft_shared->failures, 0);
	pg_atomic_init_u64(&pgraft_shared->failed_with, 0);
	pg_atomic_init_u64(&pgraft_shared->next_start, 0);
	ConditionVariableInit(&pgraft_shared->engine_cv);
	ConditionVariableInit(&pgraft_shared->slot_cv);
	SpinLockInit(&pgraft_shared->mutex);
	for (int i = 0; i < PGRAFT_SLOTS; i++)
		pg_atomic_init_u64(&pgraft_shared->slots[i].word,
						   PGRAFT_WORD(0, PGRAFT_SLOT_FREE));
	return true;
}

/* Why the engine worker is not up; an empty string once it is. */
void
pgraft_last_error_set(const char *message)
{
	SpinLockAcquire(&pgraft_shared->mutex);
	pgraft_text_copy(pgraft_shared->last_error, PGRAFT_LAST_ERROR_SIZE, message, PG_UTF8);
	SpinLockRelease(&pgraft_shared->mutex);
}

/* buf has PGRAFT_LAST_ERROR_SIZE bytes */
void
pgraft_last_error_get(char *buf)
{
	SpinLockAcquire(&pgraft_shared->mutex);
	memcpy(buf, pgraft_shared->last_error, PGRAFT_LAST_ERROR_SIZE);
	SpinLockRelease(&pgraft_shared->mutex);
	pgraft_text_show(buf, PG_UTF8);
}

/* When the engine is started again; 0: it is up, or nobody has to wait for it. */
void
pgraft_next_start_set(TimestampTz when)
{
	pg_atomic_write_u64(&pgraft_shared->next_start, (uint64) when);
	if (when != 0)
		ConditionVariableBroadcast(&pgraft_shared->engine_cv);
}

TimestampTz
pgraft_next_start(void)
{
	return (TimestampTz) pg_atomic_read_u64(&pgraft_shared->next_start);
}

/* Moves a slot on; false if somebody else did so first. */
bool
pgraft_slot_advance(PgraftSlot *slot, uint64 from, uint64 to)
{
	return pg_atomic_compare_exchange_u64(&slot->word, &from, to);
}

/* Tells the engine worker to look at a slot. */
void
pgraft_notify_worker(uint32 slotno)
{
	Latch	   *latch;

	pg_atomic_fetch_or_u64(&pgraft_shared->pending[PGRAFT_SLOT_WORD(slotno)],
						   PGRAFT_SLOT_BIT(slotno));
	latch = (Latch *) (uintptr_t) pg_atomic_read_u64(&pgraft_shared->worker_latch);
	if (latch != NULL)
		SetLatch(latch);
}

/* What is known without asking the engine, whatever it does or does not do. */
PgraftStatus
pgraft_last_status(void)
{
	PgraftStatus status;

	while (!pgraft_status_read(&pgraft_shared->status, &status))
		CHECK_FOR_INTERRUPTS();
	return status;
}

/*
 * Whether this node has the leader's lease, now.  It ends by itself, on the clock that
 * goes on while a machine sleeps.  What cannot be read proves no lease.  Raises no error.
 */
bool
pgraft_has_lease(void)
{
	PgraftStatus status;
	struct timespec now;

	return pgraft_status_read(&pgraft_shared->status, &status) &&
		clock_gettime(CLOCK_BOOTTIME, &now) == 0 &&
		status.lease_expiry_ns > (int64) now.tv_sec * INT64CONST(1000000000) + now.tv_nsec;
}
