/*
 * engine_slots.c
 *		The engine worker's side of the request slots: take requests, give
 *		replies, notice the ones that nobody waits for.
 *
 * Runs on the worker's main thread only, so the statics need no guard.  Which
 * fields of a slot the worker may touch in which state stands in shmem.c.
 *
 * A reply that is too large for its slot stays here until the backend has
 * brought a segment for it (state FETCH) or has given its request up.  So a
 * request is carried out once, however large its reply.
 */
#include "engine_worker/engine_worker.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "shmem/shmem.h"

/* Bytes of large replies kept at once; beyond it a request gets an error. */
#define PGRAFT_KEPT_REPLY_BYTES		(64 * 1024 * 1024)

/* What the worker knows of a slot. */
typedef struct TakenSlot
{
	uint64		gen;			/* of the request it has taken; 0 = none */
	char	   *kept;			/* its large reply, or NULL */
	size_t		kept_len;
} TakenSlot;

static TakenSlot taken[PGRAFT_SLOTS];
static size_t kept_bytes = 0;

/* The slot being looked at, -1 = none: whom an error concerns. */
static volatile int visiting = -1;

/*
 * Requests that were taken out of their slots and are handed to the engine
 * together, with the data of those that fit.
 */
#define PGRAFT_BATCH_REQUESTS		128
#define PGRAFT_BATCH_BYTES			(64 * 1024)

static PgraftRequest batch[PGRAFT_BATCH_REQUESTS];
static uint32 batch_requests = 0;
static char batch_data[PGRAFT_BATCH_BYTES];
static size_t batch_bytes = 0;

static void
forget(TakenSlot *mine)
{
	if (mine->kept != NULL)
	{
		kept_bytes -= mine->kept_len;
		pfree(mine->kept);
	}
	memset(mine, 0, sizeof(*mine));
}

/* From now on backends may send requests to this process. */
void
pgraft_slots_begin(void)
{
	uint32		engine = pg_atomic_read_u32(&pgraft_shared->engine_generation);

	pg_atomic_write_u64(&pgraft_shared->worker_latch,
						(uint64) (uintptr_t) &MyProc->procLatch);
	pg_atomic_exchange_u32(&pgraft_shared->engine_generation,
						   PGRAFT_ENGINE_UP(engine) ? engine + 2 : engine + 1);
	ConditionVariableBroadcast(&pgraft_shared->engine_cv);
}

/*
 * No more requests, and no more answers.  Whoever waits sees that the generation has
 * changed: either it published before the exchange, so it is woken here, or
 * after it, so it sees the new one by itself.
 */
void
pgraft_slots_end(void)
{
	uint32		engine = pg_atomic_read_u32(&pgraft_shared->engine_generation);

	pg_atomic_write_u64(&pgraft_shared->worker_latch, 0);
	if (!PGRAFT_ENGINE_UP(engine))
		return;
	pg_atomic_exchange_u32(&pgraft_shared->engine_generation, engine + 1);
	for (int i = 0; i < PGRAFT_SLOTS; i++)
	{
		PgraftSlot *slot = &pgraft_shared->slots[i];
		uint64		word = pg_atomic_read_u64(&slot->word);

		if (PGRAFT_WORD_STATE(word) >= PGRAFT_SLOT_REQUEST && slot->client != NULL)
			SetLatch(slot->client);
	}
}

static void
complete_with_error(uint64 id, const char *sqlstate, const char *message,
					const char *hint)
{
	size_t		len;
	char	   *body = pgraft_error_reply(&len, sqlstate, message, hint);

	pgraft_slots_complete(id, body, len);
	pfree(body);
}

/* Keeps a large reply; false if there is no room for it. */
static bool
keep(TakenSlot *mine, const char *body, size_t len)
{
	if (len > PGRAFT_KEPT_REPLY_BYTES - kept_bytes)
		return false;
	mine->kept = MemoryContextAllocExtended(TopMemoryContext, len,
											MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (mine->kept == NULL)
		return false;
	memcpy(mine->kept, body, len);
	mine->kept_len = len;
	kept_bytes += len;
	return true;
}

/* Gives the engine's reply to the slot, if somebody still waits for it. */
void
pgraft_slots_complete(uint64 id, const char *body, size_t len)
{
	uint32		slotno = PGRAFT_ID_SLOT(id);
	uint64		gen = PGRAFT_ID_GEN(id);
	bool		large = len > PGRAFT_INLINE_REPLY;
	PgraftSlot *slot;
	TakenSlot  *mine;
	Latch	   *client;

	if (slotno >= PGRAFT_SLOTS || taken[slotno].gen != gen || taken[slotno].kept != NULL)
		return;
	slot = &pgraft_shared->slots[slotno];
	mine = &taken[slotno];
	if (pg_atomic_read_u64(&slot->word) != PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT))
	{
		forget(mine);
		return;
	}
	if (large && !keep(mine, body, len))
	{
		complete_with_error(id, "53200", "the pgraft engine has no room for the reply",
							"Try again with fewer sessions at once.");
		return;
	}

	/* before the exchange: then the slot may belong to another backend */
	client = slot->client;
	slot->reply_len = len;
	if (!large)
		memcpy(slot->reply, body, len);
	if (pgraft_slot_advance(slot, PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT),
							PGRAFT_WORD(gen, large ? PGRAFT_SLOT_LARGE : PGRAFT_SLOT_DONE)))
		SetLatch(client);
	else
		large = false;
	if (!large)
		forget(mine);
}

/* Hands all requests of the batch to the engine, with one call. */
static void
submit_batch(void)
{
	uint32		n = batch_requests;
	uint32		first_refused;

	if (n == 0)
		return;
	batch_requests = 0;
	batch_bytes = 0;
	first_refused = pgraft_engine.submit(batch, n);
	for (uint32 i = first_refused; i < n; i++)
		complete_with_error(batch[i].id, "53000", "the pgraft engine is busy",
							"Its queue of requests is full: try again later.");
}

/*
 * Copies the data of a request; NULL if its segment is gone, which happens only
 * to one that was given up.  If it is in a segment, *segment is to be detached once
 * the request was handed over.
 */
static const char *
request_data(PgraftSlot *slot, uint32 len, dsm_segment **segment)
{
	*segment = NULL;
	if (len <= PGRAFT_INLINE_REQUEST)
	{
		char	   *data = batch_data + batch_bytes;

		memcpy(data, slot->data, len);
		return data;
	}
	*segment = dsm_attach(slot->data_dsm);
	if (*segment == NULL)
		return NULL;
	if (dsm_segment_map_length(*segment) < len)
	{
		dsm_detach(*segment);
		*segment = NULL;
		return NULL;
	}
	return dsm_segment_address(*segment);
}

/*
 * Takes a published request.  All that is read here counts only if the slot's
 * word is still the same afterwards.
 */
static void
take(uint32 slotno, uint64 gen)
{
	PgraftSlot *slot = &pgraft_shared->slots[slotno];
	PgraftRequest *request;
	dsm_segment *segment;

	pg_read_barrier();
	if (slot->engine_generation != pg_atomic_read_u32(&pgraft_shared->engine_generation))
		return;					/* for an engine that is gone: its owner sees
								 * that */
	if (batch_requests == PGRAFT_BATCH_REQUESTS ||
		batch_bytes + PGRAFT_INLINE_REQUEST > PGRAFT_BATCH_BYTES)
		submit_batch();
	request = &batch[batch_requests];
	request->id = PGRAFT_REQUEST_ID(gen, slotno);
	request->op = slot->op;
	request->max_entry_bytes = slot->max_entry_bytes;
	request->timeout_ms = slot->timeout_ms;
	memcpy(request->request_id, slot->request_id, PGRAFT_REQUEST_ID_BYTES);
	request->a = slot->a;
	request->b = slot->b;
	request->data.len = slot->data_len;
	request->data.data = request_data(slot, request->data.len, &segment);

	if (request->data.data != NULL &&
		pgraft_slot_advance(slot, PGRAFT_WORD(gen, PGRAFT_SLOT_REQUEST),
							PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT)))
	{
		taken[slotno].gen = gen;
		batch_requests++;
		if (segment == NULL)
			batch_bytes += request->data.len;
	}
	if (segment != NULL)
	{
		submit_batch();
		dsm_detach(segment);
	}
}

/* Puts a kept reply into the segment that the backend has made for it. */
static void
deliver(uint32 slotno, uint64 gen)
{
	PgraftSlot *slot = &pgraft_shared->slots[slotno];
	TakenSlot  *mine = &taken[slotno];
	Latch	   *client;
	dsm_segment *segment;

	pg_read_barrier();
	client = slot->client;
	segment = dsm_attach(slot->reply_dsm);
	if (segment == NULL)
		return;					/* given up; its owner will say so */
	if (dsm_segment_map_length(segment) >= mine->kept_len)
	{
		memcpy(dsm_segment_address(segment), mine->kept, mine->kept_len);
		if (pgraft_slot_advance(slot, PGRAFT_WORD(gen, PGRAFT_SLOT_FETCH),
								PGRAFT_WORD(gen, PGRAFT_SLOT_DONE)))
			SetLatch(client);
		forget(mine);
	}
	dsm_detach(segment);
}

static void
visit(uint32 slotno)
{
	uint64		word = pg_atomic_read_u64(&pgraft_shared->slots[slotno].word);
	uint64		gen = PGRAFT_WORD_GEN(word);
	TakenSlot  *mine = &taken[slotno];

	if (mine->gen != 0 && mine->gen != gen)
	{
		/* given up */
		if (mine->kept == NULL)
			pgraft_engine.cancel(PGRAFT_REQUEST_ID(mine->gen, slotno));
		forget(mine);
	}
	switch (PGRAFT_WORD_STATE(word))
	{
		case PGRAFT_SLOT_REQUEST:
			take(slotno, gen);
			break;
		case PGRAFT_SLOT_FETCH:
			if (mine->gen == gen && mine->kept != NULL)
				deliver(slotno, gen);
			break;
		default:
			break;
	}
}

/* Looks at every slot that a backend has pointed at, and hands in what it finds. */
void
pgraft_slots_scan(void)
{
	for (uint32 i = 0; i < PGRAFT_SLOT_WORDS; i++)
	{
		pg_atomic_uint64 *pending = &pgraft_shared->pending[i];
		uint64		bits = pg_atomic_read_u64(pending);

		while (bits != 0)
		{
			uint32		bit = pg_rightmost_one_pos64(bits);

			bits &= bits - 1;
			/* the bit first: a change after it sets it again */
			pg_atomic_fetch_and_u64(pending, ~(UINT64CONST(1) << bit));
			visiting = i * 64 + bit;
			visit(visiting);
			visiting = -1;
		}
	}
	submit_batch();
}

/*
 * An error was raised while a slot was looked at, for instance since a segment
 * could not be mapped: its client gets an error too.  What was taken before goes to
 * the engine.
 */
void
pgraft_slots_after_error(void)
{
	int			slotno = visiting;
	PgraftSlot *slot;
	TakenSlot  *mine;
	uint64		word;
	uint64		gen;

	submit_batch();
	if (slotno < 0)
		return;
	visiting = -1;
	slot = &pgraft_shared->slots[slotno];
	mine = &taken[slotno];
	word = pg_atomic_read_u64(&slot->word);
	gen = PGRAFT_WORD_GEN(word);
	if (PGRAFT_WORD_STATE(word) == PGRAFT_SLOT_REQUEST ||
		(PGRAFT_WORD_STATE(word) == PGRAFT_SLOT_FETCH && mine->gen == gen))
	{
		forget(mine);
		if (!pgraft_slot_advance(slot, word, PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT)))
			return;
		mine->gen = gen;
		complete_with_error(PGRAFT_REQUEST_ID(gen, slotno), "58000",
							"the pgraft engine worker could not transfer the data",
							"See the server log.");
	}
}
