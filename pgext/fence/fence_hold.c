/*
 * fence_hold.c
 *		F2: a commit becomes visible only once no failover loses it.
 *
 * PostgreSQL's own wait for standbys ends early when it is canceled or terminated: it
 * logs a WARNING, and then the commit becomes visible though it may be nowhere else.
 * emit_log_hook is called with that WARNING right before, with interrupts held.  The
 * wait goes on in there, until the commit is replicated or the whole server ends.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include <unistd.h>

#include "miscadmin.h"
#include "replication/syncrep.h"
#include "storage/proc.h"

#include "shmem/shmem.h"

/* How often it looks whether the server ends. */
#define PGRAFT_STOPPING_MS	100

static emit_log_hook_type prev_emit_log = NULL;

/* The WARNINGs of PostgreSQL's SyncRepWaitForLSN, whatever language they are in. */
static bool
is_early_end(const ErrorData *edata)
{
	return edata->elevel == WARNING && MyProc != NULL &&
		MyProc->syncRepState != SYNC_REP_NOT_WAITING &&
		edata->funcname != NULL && strcmp(edata->funcname, "SyncRepWaitForLSN") == 0;
}

/*
 * Whether the whole server was told to end.  A smart shutdown lets other sessions live,
 * so it does not count: until they have ended, it does not tell the engine either.
 */
static bool
server_ends(void)
{
	return ProcDiePending &&
		!PGRAFT_ENGINE_UP(pg_atomic_read_u32(&pgraft_shared->engine_generation)) &&
		pgraft_server_is_stopping();
}

/* True if the commit is replicated. */
static bool
hold(XLogRecPtr end)
{
	PgraftDeadline next = pgraft_deadline_in(0);
	long		waited = 0;

	while (!pgraft_look_replicated(end))
	{
		long		pause = pgraft_look_again_ms(waited);
		int			events;

		if (pgraft_remaining_ms(next) == 0)
		{
			if (server_ends())
				return false;
			next = pgraft_deadline_in(PGRAFT_STOPPING_MS);
		}
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, pause,
						   pgraft_wait_event(PGRAFT_WAIT_FENCE_HOLD));
		ResetLatch(MyLatch);
		/* a server without a postmaster ends: not one more reader sees it */
		if ((events & WL_POSTMASTER_DEATH) != 0)
			_exit(2);
		waited += pause;
	}
	return true;
}

static void
emit_log(ErrorData *edata)
{
	static bool holding = false;

	if (prev_emit_log)
		prev_emit_log(edata);
	if (holding || !is_early_end(edata) || !pgraft_fence_applies())
		return;
	holding = true;
	if (hold(MyProc->waitLSN))
	{
		/*
		 * it did not end early after all; nor is what came meanwhile for the
		 * next wait
		 */
		edata->output_to_client = false;
		edata->output_to_server = false;
		QueryCancelPending = false;
	}
	holding = false;
}

void
pgraft_fence_hold_install(void)
{
	prev_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
