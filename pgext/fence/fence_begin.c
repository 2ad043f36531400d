/*
 * fence_begin.c
 *		F1: whether a commit may begin.  Nothing of it is written yet, so an error
 *		here is an ordinary one: the transaction is rolled back, and the session
 *		goes on.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "settings/settings.h"

/* What keeps it, in words; a sentence. */
static const char *
why(const PgraftFence *fence)
{
	if (!fence->joined)
		return "It takes no part in the failover of its cluster.";
	if (fence->quarantined)
		return "It is quarantined.";
	if (!fence->primary)
		return "It is not the primary.";
	if (fence->switchover != 0)
		return "The primary is about to change to another server.";
	if (!fence->open)
		return "It is the primary, and does not serve yet.";
	return "It is the primary, but does not hold the lease: a quorum of the cluster is out of reach.";
}

static void
refuse(const char *what, const PgraftFence *fence)
{
	char	   *hint = pgraft_hint_primary(fence);

	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot execute %s: this server takes no writes now", what),
			 errdetail_internal("%s", why(fence)),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/*
 * At a commit statement_timeout is off already: what it bounds else ends here.  Nothing
 * of it is written yet.
 */
static void
end_in_time(void)
{
	if (MyProcPort != NULL && StatementTimeout > 0 && !get_timeout_active(STATEMENT_TIMEOUT) &&
		TimestampDifferenceExceeds(GetCurrentStatementStartTimestamp(), GetCurrentTimestamp(), StatementTimeout))
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to statement timeout")));
}

/* While failover is being enabled a commit is not refused, so its client is told. */
static void
say_that_it_waits(const char *what)
{
	ereport(WARNING,
			(errmsg("%s waits until failover is enabled", what),
			 errhint("pgraft_stat_failover shows what is missing.  pgraft_disable_failover() ends the wait, and so does canceling the statement.")));
}

/*
 * Returns once it may; raises an error if it must not.  The apply worker has nobody to
 * tell, and would only try again: it waits.
 */
void
pgraft_fence_begin(const char *what, PgraftCommit *commit)
{
	PgraftDeadline deadline = pgraft_deadline_in(pgraft_fence_wait);
	long		waited = 0;
	bool		said = false;

	/*
	 * Once a commit is written it is too late for an error: these may raise
	 * one.
	 */
	(void) pgraft_wait_event(PGRAFT_WAIT_FENCE_HOLD);
	(void) pgraft_wait_event(PGRAFT_WAIT_FENCE_ACK);
	for (;;)
	{
		PgraftFence fence;
		PgraftBeginVerdict verdict;
		long		left = pgraft_remaining_ms(deadline);
		long		pause = pgraft_look_again_ms(waited);

		pgraft_commit_begins();
		verdict = pgraft_look_begin(left == 0 && !pgraft_is_apply_worker, &fence);
		if (verdict == PGRAFT_BEGIN_GO)
		{
			commit->fenced = fence.failover;
			commit->epoch = fence.epoch;
			return;
		}
		pgraft_commit_ended();
		if (verdict == PGRAFT_BEGIN_REFUSE)
			refuse(what, &fence);
		if (left > 0)
			pause = Min(pause, left);
		else if (fence.founding && !said)
		{
			say_that_it_waits(what);
			said = true;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 pause, pgraft_wait_event(PGRAFT_WAIT_FENCE_BEGIN));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		end_in_time();
		waited += pause;
	}
}
