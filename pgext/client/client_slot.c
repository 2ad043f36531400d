/*
 * client_slot.c
 *		The slot that a backend's request is in: acquire, fill and publish,
 *		take back, release.
 *
 * Which states of a slot the backend may touch stands in shmem.c.  The statics
 * below are this backend's own: it has at most one request under way, since
 * nothing that it does while waiting runs SQL.
 */
#include "client/client.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/proc.h"

#include "settings/settings.h"

/* A wake-up that went to a client that was just cancelled is made up for. */
#define PGRAFT_SLOT_RECHECK_MS	1000

/* The slot that this backend owns, or -1, and its generation. */
static int	my_slot = -1;
static uint64 my_gen;

PgraftSlot *
pgraft_client_slot(void)
{
	return my_slot < 0 ? NULL : &pgraft_shared->slots[my_slot];
}

/* What to call the request that is under way; palloc'd. */
char *
pgraft_client_request_name(const PgraftCall *call)
{
	const uint8 *id = call->request_id;

	if (id == NULL)
		return psprintf(UINT64_FORMAT, PGRAFT_REQUEST_ID(my_gen, my_slot));
	return psprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
					id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7],
					id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]);
}

/*
 * Gives the slot up, whatever state it is in.  Also the cleanup of an error or
 * of a backend that ends, so it must not fail.
 */
void
pgraft_client_release(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	PgraftSlot *slot;
	int			slotno = my_slot;
	uint64		word;

	if (slotno < 0)
		return;
	slot = pgraft_client_slot();
	do
		word = pg_atomic_read_u64(&slot->word);
	while (!pgraft_slot_advance(slot, word,
								PGRAFT_WORD(my_gen + 1, PGRAFT_SLOT_FREE)));
	my_slot = -1;
	pg_atomic_fetch_or_u64(&pgraft_shared->unused[PGRAFT_SLOT_WORD(slotno)],
						   PGRAFT_SLOT_BIT(slotno));

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

/*
 * Sessions that wait for the cluster leave some slots alone.  While there is no
 * leader, proposals can fill all others for as long as propose_timeout, and
 * looking at the cluster has to work just then.  And sessions that wait until
 * an entry is applied must not keep it from being proposed.
 */
static uint32
slots_for(const PgraftCall *call)
{
	switch (call->op)
	{
		case PGRAFT_OP_PROPOSE:
			return PGRAFT_SLOTS - PGRAFT_RESERVED_SLOTS;
		case PGRAFT_OP_CONFIRM_LEADER:
		case PGRAFT_OP_READ_BARRIER:
		case PGRAFT_OP_WAIT_APPLIED:
			return PGRAFT_WAITING_SLOTS;
		default:
			return PGRAFT_SLOTS;
	}
}

/* Acquires a slot; false if another backend has it. */
static bool
acquire(uint32 slotno)
{
	pg_atomic_uint64 *unused = &pgraft_shared->unused[PGRAFT_SLOT_WORD(slotno)];
	uint64		bit = PGRAFT_SLOT_BIT(slotno);
	PgraftSlot *slot = &pgraft_shared->slots[slotno];
	uint64		word;

	if ((pg_atomic_read_u64(unused) & bit) == 0 ||
		(pg_atomic_fetch_and_u64(unused, ~bit) & bit) == 0)
		return false;
	word = pg_atomic_read_u64(&slot->word);
	my_slot = slotno;
	my_gen = PGRAFT_WORD_GEN(word) + 1;
	if (!pgraft_slot_advance(slot, word, PGRAFT_WORD(my_gen, PGRAFT_SLOT_OWNED)))
		elog(ERROR, "pgraft slot %d was changed by another process", my_slot);
	return true;
}

/*
 * Acquires one of the first slots: the one of this backend's number, if that is
 * not in use.
 */
static bool
try_acquire(uint32 nslots)
{
	uint32		own = pgraft_my_proc_number() % nslots;
	uint32		nwords = nslots / 64;

	if (acquire(own))
		return true;
	for (uint32 i = 0; i < nwords; i++)
	{
		uint32		number = (PGRAFT_SLOT_WORD(own) + i) % nwords;
		uint64		bits;

		while ((bits = pg_atomic_read_u64(&pgraft_shared->unused[number])) != 0)
			if (acquire(number * 64 + pg_rightmost_one_pos64(bits)))
				return true;
	}
	return false;
}

/* Waits for a free slot until the deadline. */
void
pgraft_client_acquire(const PgraftCall *call, PgraftDeadline deadline)
{
	uint32		nslots = slots_for(call);

	if (my_slot >= 0 || try_acquire(nslots))
		return;

	ConditionVariablePrepareToSleep(&pgraft_shared->slot_cv);
	while (!try_acquire(nslots))
	{
		long		left = pgraft_remaining_ms(deadline);

		if (left <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("no pgraft request slot became free in time"),
					 errdetail("All %u slots for it are in use; %s was not handed to the pgraft engine.",
							   nslots, pgraft_call_name(call)),
					 errhint("Try again with fewer sessions at once.")));
		ConditionVariableTimedSleep(&pgraft_shared->slot_cv,
									Min(left, PGRAFT_SLOT_RECHECK_MS),
									pgraft_wait_event(PGRAFT_WAIT_SLOT));
	}
	ConditionVariableCancelSleep();
}

/* A segment that goes away with the query, however it ends. */
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
dsm_segment *
pgraft_client_publish(const PgraftCall *call, uint32 engine, PgraftDeadline deadline)
{
	PgraftSlot *slot = pgraft_client_slot();
	dsm_segment *segment = NULL;

	slot->client = MyLatch;
	slot->engine_generation = engine;
	slot->op = call->op;
	slot->max_entry_bytes = (uint32) pgraft_max_entry_size * 1024;
	slot->args = call->args;
	slot->data_len = call->len;
	slot->data_dsm = DSM_HANDLE_INVALID;
	slot->timeout_ms = Max(pgraft_remaining_ms(deadline), 1);
	if (call->request_id != NULL)
		memcpy(slot->request_id, call->request_id, PGRAFT_REQUEST_ID_BYTES);
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
bool
pgraft_client_withdraw(void)
{
	if (!pgraft_slot_advance(pgraft_client_slot(),
							 PGRAFT_WORD(my_gen, PGRAFT_SLOT_REQUEST),
							 PGRAFT_WORD(my_gen + 1, PGRAFT_SLOT_OWNED)))
		return false;
	my_gen++;
	return true;
}

/*
 * Asks the worker to put a large reply into a segment; see PGRAFT_SLOT_LARGE.
 */
dsm_segment *
pgraft_client_fetch(void)
{
	PgraftSlot *slot = pgraft_client_slot();
	dsm_segment *segment = create_segment(slot->reply_len);

	slot->reply_dsm = dsm_segment_handle(segment);
	if (!pgraft_slot_advance(slot, PGRAFT_WORD(my_gen, PGRAFT_SLOT_LARGE),
							 PGRAFT_WORD(my_gen, PGRAFT_SLOT_FETCH)))
		elog(ERROR, "pgraft slot %d was changed by another process", my_slot);
	pgraft_notify_worker(my_slot);
	return segment;
}
