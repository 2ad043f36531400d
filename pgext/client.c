/*
 * client.c
 *		The backend's side of a request: find a slot, publish, wait for the
 *		reply.
 *
 * A request is given up by releasing its slot, from wherever the wait ends: an
 * error or a cancel, a timeout, the end of the backend.  The worker finds out by
 * itself (engine_slots.c).  The segments that large data travels in belong to
 * the backend's resource owner, so they go away with the query however it ends.
 *
 * Which states of a slot the backend may touch stands in shmem.c.  The statics
 * below are this backend's own: it has at most one request under way, since
 * nothing that it does while waiting runs SQL.
 */
#include "pgraft.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How long a function waits for the engine worker to come up. */
#define PGRAFT_ENGINE_WAIT_MS	5000

/* How long it waits for an answer to what has no timeout of its own. */
#define PGRAFT_CALL_TIMEOUT_MS	60000

/* What the engine gets on top to answer by itself that time is up. */
#define PGRAFT_CALL_GRACE_MS	1000

/* A wake-up that went to a client that was just cancelled is made up for. */
#define PGRAFT_SLOT_RECHECK_MS	1000

/* The slot that this backend owns, or -1, and the word it has given it. */
static int	my_slot = -1;
static uint64 my_gen;

/* The parts of waiting that the caller has to tell apart. */
typedef enum WaitResult
{
	WAIT_ANSWERED,
	WAIT_ENGINE_GONE,			/* and with it the request, if it was taken */
	WAIT_TIMED_OUT
} WaitResult;

static inline PgraftSlot *
slot_of_mine(void)
{
	return &pgraft_shared->slots[my_slot];
}

static long
remaining_ms(TimestampTz deadline)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
}

/*
 * Gives the slot up, whatever state it is in.  Also the cleanup of an error or
 * of a backend that ends, so it must not fail.
 */
static void
release_slot(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	PgraftSlot *slot;
	int			slotno = my_slot;
	uint64		word;

	if (slotno < 0)
		return;
	slot = slot_of_mine();
	do
		word = pg_atomic_read_u64(&slot->word);
	while (!pgraft_slot_advance(slot, word,
								PGRAFT_WORD(my_gen + 1, PGRAFT_SLOT_FREE)));
	my_slot = -1;

	/* the worker may keep something for it */
	switch (PGRAFT_WORD_STATE(word))
	{
		case PGRAFT_SLOT_INFLIGHT:
		case PGRAFT_SLOT_LARGE:
		case PGRAFT_SLOT_FETCH:
			pgraft_notify_worker(slotno);
			break;
		default:
			break;
	}
	ConditionVariableSignal(&pgraft_shared->slot_cv);
}

static bool
try_acquire_slot(void)
{
	uint32		start = pgraft_my_proc_number();

	for (uint32 i = 0; i < PGRAFT_SLOTS; i++)
	{
		uint32		slotno = (start + i) % PGRAFT_SLOTS;
		PgraftSlot *slot = &pgraft_shared->slots[slotno];
		uint64		word = pg_atomic_read_u64(&slot->word);
		uint64		gen = PGRAFT_WORD_GEN(word) + 1;

		if (PGRAFT_WORD_STATE(word) == PGRAFT_SLOT_FREE &&
			pgraft_slot_advance(slot, word, PGRAFT_WORD(gen, PGRAFT_SLOT_OWNED)))
		{
			my_slot = slotno;
			my_gen = gen;
			return true;
		}
	}
	return false;
}

static void
acquire_slot(const PgraftCall *call, TimestampTz deadline)
{
	if (try_acquire_slot())
		return;

	ConditionVariablePrepareToSleep(&pgraft_shared->slot_cv);
	while (!try_acquire_slot())
	{
		long		left = remaining_ms(deadline);

		if (left <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("no pgraft request slot became free in time"),
					 errdetail("All %d slots are in use; %s was not handed to the pgraft engine.",
							   PGRAFT_SLOTS, call->what),
					 errhint("Try again with fewer sessions at once.")));
		ConditionVariableTimedSleep(&pgraft_shared->slot_cv,
									Min(left, PGRAFT_SLOT_RECHECK_MS),
									pgraft_wait_event_slot());
	}
	ConditionVariableCancelSleep();
}

/* Waits until an engine takes requests; returns its epoch. */
static uint32
wait_for_engine(TimestampTz call_deadline)
{
	uint32		epoch = pg_atomic_read_u32(&pgraft_shared->epoch);
	TimestampTz deadline;

	if (PGRAFT_ENGINE_UP(epoch))
		return epoch;

	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										   PGRAFT_ENGINE_WAIT_MS);
	deadline = Min(deadline, call_deadline);
	ConditionVariablePrepareToSleep(&pgraft_shared->engine_cv);
	for (;;)
	{
		long		left;

		epoch = pg_atomic_read_u32(&pgraft_shared->epoch);
		if (PGRAFT_ENGINE_UP(epoch))
			break;
		left = remaining_ms(deadline);
		if (left <= 0)
		{
			char		last_error[PGRAFT_LAST_ERROR_SIZE];

			pgraft_last_error_get(last_error);
			ereport(ERROR,
					(errcode(ERRCODE_CANNOT_CONNECT_NOW),
					 errmsg("the pgraft engine is not running"),
					 last_error[0] == '\0' ? 0 :
					 errdetail("Its last error: %s", last_error),
					 errhint("It is restarted every second; see the server log for what stops it.")));
		}
		ConditionVariableTimedSleep(&pgraft_shared->engine_cv, left,
									pgraft_wait_event_engine());
	}
	ConditionVariableCancelSleep();
	return epoch;
}

static dsm_segment *
create_segment(size_t size)
{
	dsm_segment *segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);

	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many dynamic shared memory segments"),
				 errhint("Try again with fewer sessions at once.")));
	return segment;
}

/*
 * Fills the slot and publishes it.  Returns the segment with the data, or NULL
 * if the data fits into the slot.
 */
static dsm_segment *
publish(const PgraftCall *call, uint32 epoch, TimestampTz deadline)
{
	PgraftSlot *slot = slot_of_mine();
	dsm_segment *segment = NULL;

	slot->client = MyLatch;
	slot->epoch = epoch;
	slot->op = call->op;
	slot->max_entry_bytes = (uint32) pgraft_max_entry_size * 1024;
	slot->a = call->a;
	slot->b = call->b;
	slot->data_len = call->len;
	slot->data_dsm = DSM_HANDLE_INVALID;
	if (call->op == PGRAFT_OP_REPLICATE)
		slot->a = Max(remaining_ms(deadline), 1);
	if (call->len > PGRAFT_INLINE_REQUEST)
	{
		segment = create_segment(call->len);
		memcpy(dsm_segment_address(segment), call->data, call->len);
		slot->data_dsm = dsm_segment_handle(segment);
	}
	else if (call->len > 0)
		memcpy(slot->data, call->data, call->len);

	if (!pgraft_slot_advance(slot, PGRAFT_WORD(my_gen, PGRAFT_SLOT_OWNED),
							 PGRAFT_WORD(my_gen, PGRAFT_SLOT_REQUEST)))
		elog(ERROR, "pgraft slot %d was changed by another process", my_slot);
	pgraft_notify_worker(my_slot);
	return segment;
}

/*
 * Takes a published request back, to fill the slot anew.  False if the worker
 * has taken it.
 */
static bool
withdraw(void)
{
	if (!pgraft_slot_advance(slot_of_mine(),
							 PGRAFT_WORD(my_gen, PGRAFT_SLOT_REQUEST),
							 PGRAFT_WORD(my_gen + 1, PGRAFT_SLOT_OWNED)))
		return false;
	my_gen++;
	return true;
}

/* A cancelled write is no plain failure, though the error will read like one. */
static void
warn_of_cancel(const PgraftCall *call)
{
	if (!INTERRUPTS_CAN_BE_PROCESSED() || withdraw())
		return;
	ereport(WARNING,
			(errcode(ERRCODE_T_R_STATEMENT_COMPLETION_UNKNOWN),
			 errmsg("canceling the wait for %s, of which it is not known whether it took effect",
					call->what),
			 errdetail("Request " UINT64_FORMAT " was handed to the pgraft engine, which may have carried it out or may still do so.",
					   PGRAFT_REQUEST_ID(my_gen, my_slot))));
}

/*
 * Waits until the worker has answered.  A reply that is too large for the slot
 * is fetched from it through *reply_segment.
 */
static WaitResult
wait_for_reply(const PgraftCall *call, uint32 epoch, TimestampTz deadline,
			   dsm_segment **reply_segment)
{
	PgraftSlot *slot = slot_of_mine();

	*reply_segment = NULL;
	for (;;)
	{
		/* read before the word: an answer given before the engine left counts */
		uint32		now_epoch = pg_atomic_read_u32(&pgraft_shared->epoch);
		PgraftSlotState state;
		long		left;

		pg_memory_barrier();
		state = PGRAFT_WORD_STATE(pg_atomic_read_u64(&slot->word));
		if (state == PGRAFT_SLOT_DONE)
		{
			pg_read_barrier();
			return WAIT_ANSWERED;
		}
		if (now_epoch != epoch)
			return WAIT_ENGINE_GONE;
		if (state == PGRAFT_SLOT_LARGE)
		{
			pg_read_barrier();
			*reply_segment = create_segment(slot->reply_len);
			slot->reply_dsm = dsm_segment_handle(*reply_segment);
			if (!pgraft_slot_advance(slot, PGRAFT_WORD(my_gen, PGRAFT_SLOT_LARGE),
									 PGRAFT_WORD(my_gen, PGRAFT_SLOT_FETCH)))
				elog(ERROR, "pgraft slot %d was changed by another process",
					 my_slot);
			pgraft_notify_worker(my_slot);
			continue;
		}
		left = remaining_ms(deadline);
		if (left <= 0)
			return WAIT_TIMED_OUT;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, pgraft_wait_event_reply());
		ResetLatch(MyLatch);
		if (call->is_write && (QueryCancelPending || ProcDiePending))
			warn_of_cancel(call);
		CHECK_FOR_INTERRUPTS();
	}
}

/* No answer, and the worker had taken the request. */
static void
report_unanswered(const PgraftCall *call, WaitResult result)
{
	uint64		id = PGRAFT_REQUEST_ID(my_gen, my_slot);

	if (call->is_write)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_STATEMENT_COMPLETION_UNKNOWN),
				 result == WAIT_TIMED_OUT ?
				 errmsg("it is not known whether %s took effect: the pgraft engine did not answer in time", call->what) :
				 errmsg("it is not known whether %s took effect: the pgraft engine stopped before it answered", call->what),
				 errdetail("Request " UINT64_FORMAT " was handed to the engine, which may have carried it out or may still do so.", id),
				 errhint("Look whether it took effect before you try again.")));
	if (result == WAIT_TIMED_OUT)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the pgraft engine did not answer in time"),
				 errhint("See the server log.")));
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the pgraft engine stopped before it answered"),
			 errhint("It is restarted within a second; try again.")));
}

/* Not sent: nothing happened, and nothing will. */
static void
report_not_sent(const PgraftCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the pgraft engine did not take the request in time"),
			 errdetail("Nothing came of %s.", call->what),
			 errhint("See the server log.")));
}

static char *
call_engine(const PgraftCall *call, size_t *len)
{
	int			timeout = call->timeout_ms > 0 ? call->timeout_ms : PGRAFT_CALL_TIMEOUT_MS;
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	TimestampTz hard_deadline = TimestampTzPlusMilliseconds(deadline, PGRAFT_CALL_GRACE_MS);
	dsm_segment *reply_segment;
	PgraftSlot *slot;
	char	   *body;

	for (;;)
	{
		uint32		epoch = wait_for_engine(deadline);
		dsm_segment *data_segment;
		WaitResult	result;

		if (my_slot < 0)
			acquire_slot(call, deadline);
		data_segment = publish(call, epoch, deadline);
		result = wait_for_reply(call, epoch, hard_deadline, &reply_segment);
		if (result != WAIT_ANSWERED && !withdraw())
			report_unanswered(call, result);
		if (data_segment != NULL)
			dsm_detach(data_segment);
		if (result == WAIT_ANSWERED)
			break;
		/* it never reached an engine, so sending it again is safe */
		if (remaining_ms(deadline) <= 0)
			report_not_sent(call);
	}

	slot = slot_of_mine();
	*len = slot->reply_len;
	body = MemoryContextAllocHuge(CurrentMemoryContext, *len + 1);
	memcpy(body, reply_segment ? dsm_segment_address(reply_segment) : slot->reply, *len);
	if (reply_segment != NULL)
		dsm_detach(reply_segment);
	return body;
}

/*
 * Asks the engine; returns the palloc'd body of its reply, see engine.h.
 */
char *
pgraft_call(const PgraftCall *call, size_t *len)
{
	char	   *volatile body = NULL;

	Assert(my_slot < 0);
	PG_ENSURE_ERROR_CLEANUP(release_slot, (Datum) 0);
	{
		body = call_engine(call, len);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_slot, (Datum) 0);
	release_slot(0, (Datum) 0);
	return body;
}
