/*
 * apply_worker.c
 *		The background worker that applies committed entries to a database.
 *
 * It reads in its tables which function is registered and how far it has come
 * (apply_tables.c), asks the engine for what follows, through a slot like any
 * backend (client.c), and applies that entry by entry (apply_entry.c).  The
 * progress is part of the same transaction as what the function does, so an
 * entry is applied exactly once, wherever a crash comes.  Commits are not
 * flushed: what a crash takes back is in the log still.  For that, the engine is
 * told to keep the log from the last entry on that is certainly on disk here.
 *
 * On any error it starts again from its tables: at once if it was woken, else
 * after a pause that doubles from one second to a minute.  Nothing is passed
 * over.  An error of the worker's own never ends it; a SIGTERM does, and so does
 * one that is FATAL: the postmaster starts it again after a second, and it goes on
 * with what shared memory says of its last attempt.  A function that crashes takes
 * the server along each time it is called; so after crashes in a row without an
 * entry that was applied, the worker waits before it calls it again (crashes.c).
 *
 * What it shares is apply_state.c's.  The statics are this process's own.
 */
#include "apply_worker/apply_worker.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "settings/settings.h"

/* In the server's data directory; see crashes.c. */
#define PGRAFT_APPLY_CRASHES_FILE	"pgraft.apply"

/* A registration may also be written by hand, which wakes nobody. */
#define PGRAFT_APPLY_IDLE_MS		10000

/* How soon a promotion is noticed. */
#define PGRAFT_APPLY_STANDBY_MS		1000

/* Failed attempts in a row, and the entry that the last one failed at. */
static int	failures;
static uint64 failed_at;

/* Attempts to connect in a row, until one succeeds. */
static int	connecting = 0;

static emit_log_hook_type prev_emit_log_hook = NULL;

/*
 * Within an entry's transaction it is a termination like any backend's, so that
 * no function can catch it.  Outside it only ends whatever wait there is, and
 * the loop exits without a word: servers are stopped every day.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	ShutdownRequestPending = true;
	if (pgraft_in_apply_function)
		pgraft_die();
	else
	{
		int			save_errno = errno;

		InterruptPending = true;
		QueryCancelPending = true;
		SetLatch(MyLatch);
		errno = save_errno;
	}
}

/*
 * An error that ends the process, as one of an entry's function may, or a database
 * that is not there: the next process, and pgraft_stat_apply, know of it.
 */
static void
note_fatal(ErrorData *error)
{
	int			failed = failed_at == pgraft_apply_at_index ? failures + 1 : 1;

	if (error->elevel >= FATAL && !ShutdownRequestPending)
		pgraft_apply_set_error(error, pgraft_apply_at_index,
							   TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														   pgraft_retry_ms(connecting > 0 ? connecting : failed)));
	if (prev_emit_log_hook)
		prev_emit_log_hook(error);
}

static void
exit_if_asked(void)
{
	if (ShutdownRequestPending)
	{
		pgraft_crashes_forget();
		proc_exit(1);			/* 0 would be for good */
	}
}

static void
note_exit(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	pgraft_crashes_end();
}

/*
 * Called once it is known how far the last life of this worker has come.  Returns
 * how long to wait, if it crashes each time.
 */
static long
pause_after_crashes(uint64 index)
{
	uint32		crashes = pgraft_crashes_without(index);
	long		ms = pgraft_crashes_wait_ms();
	ErrorData	error = {.sqlerrcode = ERRCODE_CRASH_SHUTDOWN};

	if (ms == 0)
		return 0;
	error.message = psprintf("the apply worker has crashed %u times in a row after entry " UINT64_FORMAT ", and the server with it",
							 crashes, index);
	pgraft_apply_set_error(&error, 0, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms));
	ereport(WARNING,
			(errmsg("%s", error.message),
			 errdetail("It goes on in %ld s.", ms / 1000),
			 errhint("Put the apply function right.  Reload the configuration to have the worker go on at once.")));
	return ms;
}

/* Waits; less long if somebody wakes the worker. */
static void
pause_for(long ms)
{
	PgraftDeadline until = pgraft_deadline_in(ms);
	long		left;

	while (!pgraft_apply_is_disturbed() && (left = pgraft_remaining_ms(until)) > 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, pgraft_wait_event(PGRAFT_WAIT_APPLY_MAIN));
		ResetLatch(MyLatch);
		exit_if_asked();
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Applies what there is to apply until it is disturbed; returns how long to wait
 * before the next turn.
 */
static long
turn(MemoryContext batch)
{
	static bool paused = false;
	static bool begun = false;
	PgraftApplySession *session = palloc(sizeof(*session));

	pgraft_apply_load(session);
	pgraft_apply_set_applied(session->index, false);
	if (session->function == NULL)
	{
		pgraft_apply_set_state(PGRAFT_APPLY_IDLE, NULL);
		pgraft_apply_retain(0, false);
		return PGRAFT_APPLY_IDLE_MS;
	}
	if (RecoveryInProgress())
	{
		pgraft_apply_set_state(PGRAFT_APPLY_STANDBY, session->function);
		pgraft_apply_retain((int64) session->index + 1, session->import != NULL);
		return PGRAFT_APPLY_STANDBY_MS;
	}
	if (!begun)
	{
		long		pause = paused ? 0 : pause_after_crashes(session->index);

		paused = true;
		if (pause > 0)
			return pause;
		begun = true;
		pgraft_crashes_begin();
	}
	if (failed_at != 0 && failed_at <= session->index)
		failures = 0;			/* an operator has passed over it */
	pgraft_apply_set_state(failures > 0 ? PGRAFT_APPLY_FAILED : PGRAFT_APPLY_RUNNING,
						   session->function);
	for (;;)
	{
		PgraftRows	rows;
		bool		waits = session->asked;

		MemoryContextReset(batch);
		MemoryContextSwitchTo(batch);
		(void) pgraft_crashes_runs_well();
		pgraft_apply_retain_after(session);
		pgstat_report_stat(false);
		pgstat_report_activity(STATE_IDLE, NULL);
		switch (pgraft_apply_next(session, &rows))
		{
			case PGRAFT_NEXT_DISTURBED:
				return 0;
			case PGRAFT_NEXT_NO_MEMBER:
				failures = 0;
				pgraft_apply_set_state(PGRAFT_APPLY_WAITING, session->function);
				continue;
			case PGRAFT_NEXT_ENTRIES:
				break;
		}
		if (failed_at == 0 || failures == 0)
		{
			failures = 0;		/* the engine is back */
			pgraft_apply_set_state(PGRAFT_APPLY_RUNNING, session->function);
		}
		if (pgraft_apply_rows(session, &rows))
			failures = 0;
		if (pgraft_apply_is_disturbed())
			return 0;
		if (waits && rows.nrows == PGRAFT_NEXT_HEADER_ROWS)
			return 0;			/* time to look at the tables again */
	}
}

/* Reports the error and cleans up, as far as that is not done by its raiser. */
static long
after_error(MemoryContext context)
{
	ErrorData  *error;
	long		pause;

	if (failed_at != pgraft_apply_at_index)
		failures = 0;
	failed_at = pgraft_apply_at_index;
	pause = pgraft_retry_ms(++failures);
	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	if (!ShutdownRequestPending)
	{
		EmitErrorReport();
		pgraft_apply_set_error(error, pgraft_apply_at_index,
							   TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause));
	}
	FlushErrorState();
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	AbortOutOfAnyTransaction();
	ReleaseAuxProcessResources(false);
	pgraft_in_apply_function = false;
	pgraft_apply_at_index = 0;
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
	return pause;
}

/*
 * What a DBA may have set for sessions of this database must not get into the
 * way, nor have triggers fire on one node and not on another; and neither must a
 * flush per entry.  Who the worker is comes first: a role that the database sets
 * may read nothing here.
 */
static void
override_settings(void)
{
	static const char *const settings[][2] = {
		{"synchronous_commit", "off"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"session_replication_role", "origin"},
		{"role", "none"},
		{"row_security", "on"},
		{"exit_on_error", "off"},
#if PG_VERSION_NUM >= 170000
		{"transaction_timeout", "0"},
#endif
	};

	StartTransactionCommand();	/* it looks the role up */
	SetConfigOption("session_authorization", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false),
					PGC_SUSET, PGC_S_OVERRIDE);
	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	CommitTransactionCommand();
}

/*
 * A database that is not there ends the process, with a FATAL in the server log:
 * the more attempts failed, the longer the next one waits.
 */
static void
connect_database(void)
{
	connecting = pgraft_apply_connect_begin() + 1;
	if (connecting > 1)
		pause_for(pgraft_retry_ms(connecting - 1));
	exit_if_asked();
	BackgroundWorkerInitializeConnection(pgraft_database, NULL, 0);
	pgraft_apply_connect_end();
	connecting = 0;
	override_settings();
	CreateAuxProcessResourceOwner();
}

void
pgraft_apply_main(Datum arg pg_attribute_unused())
{
	MemoryContext context;
	MemoryContext batch;
	TimestampTz next_retry;

	pgraft_is_apply_worker = true;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGQUIT, pgraft_crashes_quit);
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = note_fatal;
	pgraft_apply_look();
	failures = pgraft_apply_attach(&failed_at, &next_retry);
	(void) pgraft_crashes_open(PGRAFT_APPLY_CRASHES_FILE);
	before_shmem_exit(note_exit, (Datum) 0);
	BackgroundWorkerUnblockSignals();
	connect_database();
	if (failures > 0)
		pause_for(Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_retry),
					  PGRAFT_MAX_RETRY_MS));

	context = AllocSetContextCreate(TopMemoryContext, "pgraft apply", ALLOCSET_DEFAULT_SIZES);
	batch = AllocSetContextCreate(TopMemoryContext, "pgraft apply batch", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		long		pause = 0;

		exit_if_asked();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		pgraft_apply_look();
		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		PG_TRY();
		{
			pause = turn(batch);
		}
		PG_CATCH();
		{
			pause = after_error(context);
		}
		PG_END_TRY();
		MemoryContextSwitchTo(context);
		exit_if_asked();
		pgstat_report_stat(true);
		pause_for(pause);
	}
}
