/*
 * fence_ack.c
 *		F3: whether a commit is acknowledged.  Its record is written and it is
 *		visible, so nothing here may raise an error: the session is let go on, or
 *		it ends without an answer, and its client does not know what came of it.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include "fence/fence_port.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"

/* An ErrorResponse's fields, each ended by a zero, as is the whole. */
static const char farewell[] =
"SFATAL\0" "VFATAL\0"
"C08007\0"						/* transaction_resolution_unknown */
"Mthe outcome of this transaction is unknown\0"
"DIt is committed on this server, which could not find out whether it is on the primary from now on.\0"
"HConnect to the primary and look whether it is there.\0";

/* As PostgreSQL itself ends a session whose wait for standbys was terminated. */
static void
end_session(const char *why)
{
	if (whereToSendOutput == DestRemote)
	{
		(void) pq_putmessage('E', farewell, sizeof(farewell));
		(void) pq_flush_if_writable();
	}
	whereToSendOutput = DestNone;
	ProcDiePending = true;
	InterruptPending = true;
	ereport(LOG,
			(errmsg("pgraft ends the session without acknowledging its commit: %s", why)));
}

/* Waits; returns why it must not go on, or NULL. */
static const char *
wait_on(long ms)
{
	int			events;

	if (ProcDiePending)
		return "it was terminated";
	if (QueryCancelPending)
	{
		QueryCancelPending = false;
		return "it was canceled";
	}
	events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, ms,
					   pgraft_wait_event(PGRAFT_WAIT_FENCE_ACK));
	ResetLatch(MyLatch);
	return (events & WL_POSTMASTER_DEATH) != 0 ? "the postmaster has died" : NULL;
}

/* Returns once the commit is acknowledged, or the session is about to end. */
void
pgraft_fence_ack(PgraftCommit *commit)
{
	const char *why = NULL;
	long		waited = 0;

	while (why == NULL)
	{
		PgraftAckVerdict verdict = pgraft_look_ack(commit);

		if (verdict == PGRAFT_ACK)
			break;
		if (verdict == PGRAFT_ACK_OVER)
			why = "the epoch in which it began is over";
		else if (verdict == PGRAFT_ACK_HOLD)
		{
			long		pause = pgraft_look_again_ms(waited);

			/*
			 * for one that began while failover was off, and was not to be
			 * flushed
			 */
			if (!XLogRecPtrIsInvalid(commit->end))
				XLogFlush(commit->end);
			why = wait_on(pause);
			waited += pause;
		}
	}
	if (why != NULL)
		end_session(why);
	pgraft_commit_ended();
}
