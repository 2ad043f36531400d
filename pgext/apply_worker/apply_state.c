/*
 * apply_state.c
 *		What the server knows of its apply worker, in shared memory of its own.
 *
 * What guards what (PgraftApplyShared):
 *
 *	wakeups			atomic; anybody adds to it, and then sets the worker's latch.
 *	worker_latch	atomic; written by the apply worker only.  A stale value is
 *					harmless: it is the latch of some PGPROC.
 *	applied			atomic; written by the apply worker only, once what the entry
 *					has done can be seen by others.
 *	applied_cv		guards itself; broadcast after applied has changed.
 *	report, connects	the spinlock mutex.  Only the apply worker writes them.
 */
#include "apply_worker/apply_worker.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "shmem/shmem.h"

typedef struct PgraftApplyShared
{
	pg_atomic_uint32 wakeups;
	pg_atomic_uint64 worker_latch;
	pg_atomic_uint64 applied;	/* index up to which this database has applied */
	ConditionVariable applied_cv;	/* applied has changed */
	slock_t		mutex;
	PgraftApplyReport report;	/* but for its member applied */
	int			connects;		/* attempts since the last that succeeded */
} PgraftApplyShared;

static PgraftApplyShared *shared = NULL;

/* wakeups when the worker looked at its tables last; the worker's own */
static uint32 seen_wakeups;

Size
pgraft_apply_shmem_size(void)
{
	return CACHELINEALIGN(sizeof(PgraftApplyShared));
}

/* In the postmaster, with AddinShmemInitLock held. */
void
pgraft_apply_shmem_attach(void)
{
	bool		found;

	shared = ShmemInitStruct("pgraft apply", sizeof(PgraftApplyShared), &found);
	if (found)
		return;
	memset(shared, 0, sizeof(PgraftApplyShared));
	pg_atomic_init_u32(&shared->wakeups, 0);
	pg_atomic_init_u64(&shared->worker_latch, 0);
	pg_atomic_init_u64(&shared->applied, 0);
	ConditionVariableInit(&shared->applied_cv);
	SpinLockInit(&shared->mutex);
}

/* The worker is about to look at its tables: it knows of all wake-ups so far. */
void
pgraft_apply_look(void)
{
	seen_wakeups = pg_atomic_read_u32(&shared->wakeups);
}

/* Whether what the worker waits for can wait. */
bool
pgraft_apply_is_disturbed(void)
{
	return ShutdownRequestPending || ConfigReloadPending ||
		seen_wakeups != pg_atomic_read_u32(&shared->wakeups);
}

/* Has the worker look at its tables, and retry what it waits to retry. */
void
pgraft_apply_wake(void)
{
	Latch	   *latch;

	pg_atomic_fetch_add_u32(&shared->wakeups, 1);
	latch = (Latch *) (uintptr_t) pg_atomic_read_u64(&shared->worker_latch);
	if (latch != NULL)
		SetLatch(latch);
}

static void
detach(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	pg_atomic_write_u64(&shared->worker_latch, 0);
	SpinLockAcquire(&shared->mutex);
	shared->report.state = PGRAFT_APPLY_STOPPED;
	shared->report.pid = 0;
	SpinLockRelease(&shared->mutex);
}

/*
 * This process is the worker from now on, until it exits.  Returns how many
 * attempts of its predecessors' have failed in a row at one entry, at which, and
 * when the next one is due.
 */
int
pgraft_apply_attach(uint64 *failed_at, TimestampTz *next_retry)
{
	PgraftApplyReport *report = &shared->report;
	int			failures = 0;

	before_shmem_exit(detach, (Datum) 0);
	pg_atomic_write_u64(&shared->worker_latch, (uint64) (uintptr_t) &MyProc->procLatch);
	SpinLockAcquire(&shared->mutex);
	report->state = PGRAFT_APPLY_CONNECTING;
	report->pid = MyProcPid;
	*failed_at = report->failing_index;
	*next_retry = report->next_retry;
	if (report->failing_index != 0)
		failures = (int) Min(report->retries, INT_MAX - 1) + 1;
	SpinLockRelease(&shared->mutex);
	return failures;
}

/*
 * Returns how many attempts to connect have failed in a row: a failed one ends
 * the process, so it cannot count by itself.
 */
int
pgraft_apply_connect_begin(void)
{
	int			failed;

	SpinLockAcquire(&shared->mutex);
	failed = shared->connects++;
	SpinLockRelease(&shared->mutex);
	return failed;
}

void
pgraft_apply_connect_end(void)
{
	SpinLockAcquire(&shared->mutex);
	shared->connects = 0;
	SpinLockRelease(&shared->mutex);
}

static void
end_failure(PgraftApplyReport *report)
{
	report->failing_since = 0;
	report->failing_index = 0;
	report->retries = 0;
	report->next_retry = 0;
}

/* function is NULL for none.  Any state but FAILED ends a failure. */
void
pgraft_apply_set_state(PgraftApplyState state, const char *function)
{
	PgraftApplyReport *report = &shared->report;
	int			encoding = GetDatabaseEncoding();

	SpinLockAcquire(&shared->mutex);
	report->state = state;
	report->encoding = encoding;
	pgraft_text_copy(report->function, sizeof(report->function), function ? function : "", encoding);
	if (state != PGRAFT_APPLY_FAILED)
		end_failure(report);
	SpinLockRelease(&shared->mutex);
}

/*
 * All up to index is done with, and to be seen by others; entry says that the
 * function was called for it.
 */
void
pgraft_apply_set_applied(uint64 index, bool entry)
{
	PgraftApplyReport *report = &shared->report;
	TimestampTz now = entry ? GetCurrentTimestamp() : 0;

	SpinLockAcquire(&shared->mutex);
	if (entry)
	{
		report->state = PGRAFT_APPLY_RUNNING;
		end_failure(report);
		report->entries++;
		report->last_applied = now;
	}
	SpinLockRelease(&shared->mutex);
	if (pg_atomic_exchange_u64(&shared->applied, index) != index)
		ConditionVariableBroadcast(&shared->applied_cv);
}

/* index is that of the entry it happened on, 0 for none. */
void
pgraft_apply_set_error(const ErrorData *error, uint64 index, TimestampTz next_retry)
{
	PgraftApplyReport *report = &shared->report;
	TimestampTz now = GetCurrentTimestamp();
	const char *sqlstate = unpack_sql_state(error->sqlerrcode);
	int			encoding = GetDatabaseEncoding();

	SpinLockAcquire(&shared->mutex);
	if (report->failing_since == 0 || report->failing_index != index)
	{
		report->failing_since = now;
		report->failing_index = index;
		report->retries = 0;
	}
	else
		report->retries++;
	report->state = PGRAFT_APPLY_FAILED;
	report->next_retry = next_retry;
	report->last_error_time = now;
	report->encoding = encoding;
	pgraft_text_copy(report->last_error, sizeof(report->last_error),
					 error->message ? error->message : "missing error text", encoding);
	memcpy(report->last_error_sqlstate, sqlstate, sizeof(report->last_error_sqlstate));
	SpinLockRelease(&shared->mutex);
}

void
pgraft_apply_get(PgraftApplyReport *report)
{
	SpinLockAcquire(&shared->mutex);
	*report = shared->report;
	SpinLockRelease(&shared->mutex);
	pgraft_text_show(report->function, report->encoding);
	pgraft_text_show(report->last_error, report->encoding);
	report->applied = pg_atomic_read_u64(&shared->applied);
}

/* How many committed entries this node has still to apply. */
uint64
pgraft_apply_lag(const PgraftApplyReport *report)
{
	PgraftStatus status = pgraft_last_status();

	if (status.commit_index < report->applied)
		return 0;				/* a status of before */
	return status.commit_index - report->applied;
}

/* Broadcast when more is applied: for ConditionVariableTimedSleep(). */
ConditionVariable *
pgraft_applied_cv(void)
{
	return &shared->applied_cv;
}
