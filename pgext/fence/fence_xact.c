/*
 * fence_xact.c
 *		A transaction on its way through its commit: F1 before, settings that F2
 *		needs meanwhile, F3 after.
 *
 * The statics are each process's own, and of the transaction that it is in.
 */
#include "fence/fence.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "replication/logicalworker.h"
#include "replication/syncrep.h"
#include "utils/guc.h"
#if PG_VERSION_NUM >= 160000
#include "utils/guc_hooks.h"
#endif

/* of a setting: it was not raised */
#define PGRAFT_NOT_RAISED	(-1)

/* As tools/internal/rejoin calls itself and pg_rewind. */
#define REJOIN_NAME	"pgraft rejoin"

static PgraftCommit commit;
static bool begun;				/* F1 let it */
static bool wrote;				/* WAL that standbys need */
static bool finishes_prepared;	/* of another transaction; F1 let that */
static bool has_read;			/* a statement has begun that may read */

static int	saved_synchronous_commit = PGRAFT_NOT_RAISED;
static int	saved_log_min_messages = PGRAFT_NOT_RAISED;

/*
 * Whether this process is subject to the fence: whatever may acknowledge something to
 * somebody.  A server in recovery takes no writes anyway.
 */
bool
pgraft_fence_applies(void)
{
	return IsUnderPostmaster && !RecoveryInProgress() && !pgraft_is_autovacuum();
}

/*
 * For the commit: whatever the session has set, it becomes visible only once standbys
 * have flushed it, and a WARNING reaches the log hook.  What the apply worker writes is
 * made again from the log, so it need not wait.
 */
static void
raise_settings(void)
{
	if (pgraft_is_apply_worker || !commit.fenced)
		return;
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
	{
		saved_synchronous_commit = synchronous_commit;
		synchronous_commit = SYNCHRONOUS_COMMIT_REMOTE_FLUSH;
		assign_synchronous_commit(SYNCHRONOUS_COMMIT_REMOTE_FLUSH, NULL);
	}
	/* LOG as this setting's value hides a WARNING, and is a lower number */
	if (pgraft_log_min_messages > WARNING || pgraft_log_min_messages == LOG)
	{
		saved_log_min_messages = pgraft_log_min_messages;
		pgraft_log_min_messages = WARNING;
	}
}

static void
restore_settings(void)
{
	if (saved_synchronous_commit != PGRAFT_NOT_RAISED)
	{
		synchronous_commit = saved_synchronous_commit;
		assign_synchronous_commit(saved_synchronous_commit, NULL);
		saved_synchronous_commit = PGRAFT_NOT_RAISED;
	}
	if (saved_log_min_messages != PGRAFT_NOT_RAISED)
	{
		pgraft_log_min_messages = saved_log_min_messages;
		saved_log_min_messages = PGRAFT_NOT_RAISED;
	}
}

void
pgraft_fence_refuse_to_show(void)
{
	PgraftFence fence;
	char	   *hint;

	(void) pgraft_fence_get(&fence);
	hint = pgraft_hint_primary(&fence);
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("this server shows no data now"),
			 errdetail("It has, or may have, changes that the cluster will not keep."),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/*
 * Does this session read for a member whose data is made anew?  The primary of an epoch
 * may not open it without that member, and shows no data before.  Whoever may read
 * all of it by pg_basebackup may.
 */
static bool
is_rejoin(void)
{
	return strcmp(application_name, REJOIN_NAME) == 0 && has_rolreplication(GetSessionUserId());
}

/* Whether a statement that begins may read. */
bool
pgraft_fence_may_read(void)
{
	if (!IsUnderPostmaster || pgraft_is_apply_worker || pgraft_is_autovacuum() ||
		IsParallelWorker())
		return true;
	if (!pgraft_look_readable())
		return is_rejoin();
	has_read = true;
	return true;
}

/* A statement begins that reads. */
void
pgraft_fence_reads(void)
{
	if (!pgraft_fence_may_read())
		pgraft_fence_refuse_to_show();
}

/* Before COMMIT PREPARED or ROLLBACK PREPARED: later it is too late for an error. */
void
pgraft_fence_finishes_prepared(const char *what)
{
	if (!pgraft_fence_applies())
		return;
	pgraft_fence_begin(what, &commit);
	raise_settings();
	finishes_prepared = true;
}

/*
 * Before a statement that works beyond its transaction: refused at its end it would leave
 * something half done.  Its commits are looked at as any other.
 */
void
pgraft_fence_autonomous(const char *what)
{
	PgraftCommit not_yet;

	if (!pgraft_fence_applies())
		return;
	pgraft_fence_begin(what, &not_yet);
	pgraft_commit_ended();
}

static void
before_commit(const char *what, bool has_xid)
{
	PgraftFence fence;

	if (!has_xid)
	{
		if ((has_read || IsLogicalWorker()) && !pgraft_look_readable())
			pgraft_fence_refuse_to_show();
		/* a NOTIFY gets its xid after this */
		(void) pgraft_fence_get(&fence);
		commit.fenced = fence.failover;
		commit.epoch = fence.epoch;
		return;
	}
	pgraft_fence_begin(what, &commit);
	begun = true;
	wrote = !XLogRecPtrIsInvalid(XactLastRecEnd);
	raise_settings();
}

static void
after_commit(bool prepared, bool has_xid)
{
	if (!begun && !finishes_prepared && !has_xid)
		return;
	if (pgraft_is_apply_worker)
	{
		pgraft_commit_ended();
		return;
	}
	commit.end = InvalidXLogRecPtr;
	if (prepared)
		commit.end = GetFlushRecPtr(NULL);	/* its record's end is not known
											 * any more, and flushed */
	else if (finishes_prepared || (begun && wrote))
		commit.end = XactLastCommitEnd;
	pgraft_fence_ack(&commit);
}

static void
xact_event(XactEvent event, void *arg pg_attribute_unused())
{
	bool		has_xid = TransactionIdIsValid(GetTopTransactionIdIfAny());

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (finishes_prepared || !IsUnderPostmaster || pgraft_is_autovacuum())
				break;
			before_commit(event == XACT_EVENT_PRE_COMMIT ? "COMMIT" : "PREPARE TRANSACTION",
						  has_xid || event == XACT_EVENT_PRE_PREPARE);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			restore_settings();
			if (pgraft_fence_applies())
				after_commit(event == XACT_EVENT_PREPARE, has_xid);
			begun = wrote = finishes_prepared = has_read = false;
			break;
		case XACT_EVENT_ABORT:
			restore_settings();
			pgraft_commit_ended();
			begun = wrote = finishes_prepared = has_read = false;
			break;
		default:
			break;				/* a parallel worker's: its leader commits */
	}
}

void
pgraft_fence_xact_install(void)
{
	RegisterXactCallback(xact_event, NULL);
}
