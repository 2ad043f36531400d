/*
 * engine_failures.c
 *		The engine's failures in a row, and the pause that they call for.
 *
 * A failed engine takes its worker along; so shared memory counts failures, and
 * the next worker reads them.  Crashes are counted apart (crashes.c).
 *
 * Writes PgraftShared's failures, failed_with, next_start and last_error; see
 * shmem.c for their guards.
 */
#include "engine_worker/engine_worker.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "shmem/shmem.h"

/*
 * The engine is done for, and the worker about to exit.  Whoever looks is told
 * why, and when it is started again.
 */
void
pgraft_failures_note(const char *message)
{
	uint32		failures = pg_atomic_add_fetch_u32(&pgraft_shared->failures, 1);

	pgraft_last_error_set(message);
	pg_atomic_write_u64(&pgraft_shared->failed_with, (uint64) PgReloadTime);
	pgraft_next_start_set(TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  pgraft_retry_ms(failures)));
}

/* The engine runs well, or was stopped by hand. */
void
pgraft_failures_forget(void)
{
	pg_atomic_write_u32(&pgraft_shared->failures, 0);
}

/*
 * A failed worker is gone for a second: a reload that comes then finds nobody to
 * signal, but the postmaster, which this process has the time of the reload from.
 */
static bool
reloaded_since_failure(void)
{
	return PgReloadTime > (TimestampTz) pg_atomic_read_u64(&pgraft_shared->failed_with);
}

/* How long to wait before the engine is started again; 0 after a reload. */
int
pgraft_failures_wait_ms(void)
{
	if (pg_atomic_read_u32(&pgraft_shared->failures) == 0 || reloaded_since_failure())
		return 0;
	return Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), pgraft_next_start()),
			   PGRAFT_MAX_RETRY_MS);
}
