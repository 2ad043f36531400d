/*
 * client.c
 *		The backend's side of a request: send it, wait for the reply.
 *
 * A request is given up by releasing its slot (client_slot.c), from wherever the
 * wait ends: an error or a cancel, a timeout, the end of the backend.  The worker
 * finds out by itself (engine_slots.c).  The segments that large data travels in
 * belong to the backend's resource owner, so they go away with the query however
 * it ends.
 *
 * Reads PgraftShared's engine_generation (atomic) and the slot that this backend owns, in the
 * states that shmem.c allows.
 */
#include "client/client.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"

/* How long a function waits for the engine worker to come up. */
#define PGRAFT_ENGINE_WAIT_MS	5000

/* How long it waits for an answer to what has no timeout of its own. */
#define PGRAFT_CALL_TIMEOUT_MS	60000

/* What the engine gets on top to answer by itself that time is up. */
#define PGRAFT_CALL_GRACE_MS	1000

/* The parts of waiting that the caller has to tell apart. */
typedef enum WaitResult
{
	WAIT_ANSWERED,
	WAIT_ENGINE_GONE,			/* and with it the request, if it was taken */
	WAIT_TIMED_OUT,
	WAIT_GIVEN_UP
} WaitResult;

/* There is no engine, and will be none soon. */
static void
report_no_engine(void)
{
	char		last_error[PGRAFT_LAST_ERROR_SIZE];
	TimestampTz start = pgraft_next_start();

	pgraft_last_error_get(last_error);
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the pgraft engine is not running"),
			 last_error[0] == '\0' ? 0 : errdetail("Its last error: %s", last_error),
			 start > GetCurrentTimestamp() ?
			 errhint("It is started again at %s, and at once when the configuration is reloaded.",
					 timestamptz_to_str(start)) :
			 errhint("It is being started; see the server log for what stops it.")));
}

/* The server was started with no room for the worker. */
static void
require_registered_engine(void)
{
	if (!pgraft_engine_is_registered)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the pgraft engine is not running"),
				 errdetail("\"max_worker_processes\" is %d, which leaves no room for it.", max_worker_processes),
				 errhint("Raise \"max_worker_processes\" by two and restart the server.")));
}

/*
 * Waits until an engine takes requests; returns its generation.  Nobody waits for one
 * that is not started in time.
 */
static uint32
wait_for_engine(PgraftDeadline call_deadline)
{
	uint32		engine = pg_atomic_read_u32(&pgraft_shared->engine_generation);
	PgraftDeadline deadline;

	if (PGRAFT_ENGINE_UP(engine))
		return engine;

	require_registered_engine();
	deadline = pgraft_deadline_earlier(pgraft_deadline_in(PGRAFT_ENGINE_WAIT_MS), call_deadline);
	ConditionVariablePrepareToSleep(&pgraft_shared->engine_cv);
	for (;;)
	{
		long		left;

		engine = pg_atomic_read_u32(&pgraft_shared->engine_generation);
		if (PGRAFT_ENGINE_UP(engine))
			break;
		left = pgraft_remaining_ms(deadline);
		if (left <= 0 || TimestampDifferenceMilliseconds(GetCurrentTimestamp(), pgraft_next_start()) > left)
			report_no_engine();
		ConditionVariableTimedSleep(&pgraft_shared->engine_cv, left,
									pgraft_wait_event(PGRAFT_WAIT_ENGINE_START));
	}
	ConditionVariableCancelSleep();
	return engine;
}

/* What to do where there is no request id. */
#define LOOK_FIRST "Look whether it took effect before you try again."

static int
hint_for_unknown(const PgraftCall *call)
{
	return errhint("%s", call->request_id != NULL ? PGRAFT_HINT_PROPOSE_AGAIN : LOOK_FIRST);
}

/* What is not known of a write that the engine has taken, for a DETAIL. */
static char *
unknown_detail(const PgraftCall *call)
{
	return psprintf("It is not known whether %s took effect: request %s was handed to the pgraft engine, which may have carried it out or may still do so.",
					call->what, pgraft_client_request_name(call));
}

/* Whether the session is about to end, with an error that cannot be added to. */
static bool
session_ends(void)
{
	if (!INTERRUPTS_CAN_BE_PROCESSED())
		return false;
#if PG_VERSION_NUM >= 170000
	if (TransactionTimeoutPending)
		return true;
#endif
	return ProcDiePending;
}

/*
 * CHECK_FOR_INTERRUPTS() for a write.  A cancel, a timeout or a conflict with
 * recovery is no plain failure of it, though the error will read like one: so the
 * error says what is not known.  Where the session ends, a WARNING comes before.
 */
static void
check_for_interrupts_of_write(const PgraftCall *call)
{
	MemoryContext context = CurrentMemoryContext;

	if (session_ends() && !pgraft_client_withdraw())
		ereport(WARNING,
				(errcode(ERRCODE_T_R_STATEMENT_COMPLETION_UNKNOWN),
				 errmsg("the session ends while it waits for %s", call->what),
				 errdetail_internal("%s", unknown_detail(call)),
				 hint_for_unknown(call)));
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (!pgraft_client_withdraw())
		{
			error->detail = unknown_detail(call);
			error->hint = pstrdup(call->request_id != NULL ? PGRAFT_HINT_PROPOSE_AGAIN : LOOK_FIRST);
		}
		ReThrowError(error);
	}
	PG_END_TRY();
}

/*
 * Waits until the worker has answered.  A reply that is too large for the slot
 * is fetched from it through *reply_segment.
 */
static WaitResult
wait_for_reply(const PgraftCall *call, uint32 engine, PgraftDeadline deadline,
			   dsm_segment **reply_segment)
{
	PgraftSlot *slot = pgraft_client_slot();

	*reply_segment = NULL;
	for (;;)
	{
		/* read before the word: an answer given before the engine left counts */
		uint32		now_engine = pg_atomic_read_u32(&pgraft_shared->engine_generation);
		PgraftSlotState state;
		long		left;

		pg_memory_barrier();
		state = PGRAFT_WORD_STATE(pg_atomic_read_u64(&slot->word));
		if (state == PGRAFT_SLOT_DONE)
		{
			pg_read_barrier();
			return WAIT_ANSWERED;
		}
		if (now_engine != engine)
			return WAIT_ENGINE_GONE;
		if (state == PGRAFT_SLOT_LARGE)
		{
			pg_read_barrier();
			*reply_segment = pgraft_client_fetch();
			continue;
		}
		left = pgraft_remaining_ms(deadline);
		if (left <= 0)
			return WAIT_TIMED_OUT;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, pgraft_wait_event(PGRAFT_WAIT_REPLY));
		ResetLatch(MyLatch);
		if (pgraft_op_is_write(call->op))
			check_for_interrupts_of_write(call);
		else
			CHECK_FOR_INTERRUPTS();
		if (call->give_up != NULL && call->give_up())
			return WAIT_GIVEN_UP;
	}
}

/* No answer, and the worker had taken the request. */
static void
report_unanswered(const PgraftCall *call, WaitResult result)
{
	if (pgraft_op_is_write(call->op))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_STATEMENT_COMPLETION_UNKNOWN),
				 result == WAIT_TIMED_OUT ?
				 errmsg("it is not known whether %s took effect: the pgraft engine did not answer in time", call->what) :
				 errmsg("it is not known whether %s took effect: the pgraft engine stopped before it answered", call->what),
				 errdetail("Request %s was handed to the engine, which may have carried it out or may still do so.",
						   pgraft_client_request_name(call)),
				 hint_for_unknown(call)));
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the pgraft engine did not answer in time"),
			 errhint("See the server log.")));
}

/* Not sent: nothing happened, and nothing will. */
static void
report_not_sent(const PgraftCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the pgraft engine did not take the request in time"),
			 errdetail("Nothing came of %s.", pgraft_call_name(call)),
			 errhint("See the server log.")));
}

static char *
call_engine(const PgraftCall *call, size_t *len)
{
	int			timeout = call->timeout_ms > 0 ? call->timeout_ms : PGRAFT_CALL_TIMEOUT_MS;
	PgraftDeadline deadline = pgraft_deadline_in(timeout);
	PgraftDeadline hard_deadline = call->may_end ? deadline :
	pgraft_deadline_in(timeout + PGRAFT_CALL_GRACE_MS);
	dsm_segment *reply_segment;
	PgraftSlot *slot;
	char	   *body;

	for (;;)
	{
		uint32		engine = wait_for_engine(deadline);
		dsm_segment *data_segment;
		WaitResult	result;

		pgraft_client_acquire(call, deadline);
		data_segment = pgraft_client_publish(call, engine, deadline);
		result = wait_for_reply(call, engine, hard_deadline, &reply_segment);
		if (result == WAIT_GIVEN_UP || (call->may_end && result == WAIT_TIMED_OUT))
		{
			if (data_segment != NULL)
				dsm_detach(data_segment);
			return NULL;
		}
		if (result == WAIT_ENGINE_GONE && !pgraft_op_is_write(call->op))
			pgraft_client_release(0, (Datum) 0);	/* asking again is safe */
		else if (result != WAIT_ANSWERED && !pgraft_client_withdraw())
			report_unanswered(call, result);
		if (data_segment != NULL)
			dsm_detach(data_segment);
		if (result == WAIT_ANSWERED)
			break;
		/* it never reached an engine, or changed nothing: so again */
		if (pgraft_remaining_ms(deadline) > 0)
			continue;
		if (call->may_end)
			return NULL;
		report_not_sent(call);
	}

	slot = pgraft_client_slot();
	*len = slot->reply_len;
	body = MemoryContextAllocHuge(CurrentMemoryContext, *len + 1);
	memcpy(body, reply_segment ? dsm_segment_address(reply_segment) : slot->reply, *len);
	if (reply_segment != NULL)
		dsm_detach(reply_segment);
	return body;
}

/*
 * Asks the engine; returns the palloc'd body of its reply, see engine.h, or NULL
 * if call->give_up or call->may_end said so.
 */
char *
pgraft_call(const PgraftCall *call, size_t *len)
{
	char	   *volatile body = NULL;

	Assert(pgraft_client_slot() == NULL);
	Assert(call->what != NULL || !pgraft_op_is_write(call->op));
	if (pgraft_op_is_write(call->op))
		pgraft_refuse_in_apply_function(call->op == PGRAFT_OP_PROPOSE ?
										"replicating an entry" : call->what);
	PG_ENSURE_ERROR_CLEANUP(pgraft_client_release, (Datum) 0);
	{
		body = call_engine(call, len);
	}
	PG_END_ENSURE_ERROR_CLEANUP(pgraft_client_release, (Datum) 0);
	pgraft_client_release(0, (Datum) 0);
	return body;
}
