/*
 * engine_slots.c
 *		The engine worker's side of the request slots: take requests, notice
 *		the ones that nobody waits for.
 *
 * Runs on the worker's main thread only, so the statics need no guard.  Which
 * fields of a slot the worker may touch in which state stands in shmem.c.
 */
#include "engine_worker/engine_worker.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/proc.h"

#include "shmem/shmem.h"

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
		pgraft_replies_refuse(batch[i].id, "53000", "the pgraft engine is busy",
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
	request->args = slot->args;
	request->data.len = slot->data_len;
	request->data.data = request_data(slot, request->data.len, &segment);

	if (request->data.data != NULL &&
		pgraft_slot_advance(slot, PGRAFT_WORD(gen, PGRAFT_SLOT_REQUEST),
							PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT)))
	{
		pgraft_replies_expect(slotno, gen);
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

static void
visit(uint32 slotno)
{
	uint64		word = pg_atomic_read_u64(&pgraft_shared->slots[slotno].word);
	uint64		gen = PGRAFT_WORD_GEN(word);
	uint64		given_up = pgraft_replies_give_up(slotno, gen);

	if (given_up != 0)
		pgraft_engine.cancel(given_up);
	switch (PGRAFT_WORD_STATE(word))
	{
		case PGRAFT_SLOT_REQUEST:
			take(slotno, gen);
			break;
		case PGRAFT_SLOT_FETCH:
			pgraft_replies_deliver(slotno, gen);
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
	uint64		word;
	uint64		gen;

	submit_batch();
	if (slotno < 0)
		return;
	visiting = -1;
	slot = &pgraft_shared->slots[slotno];
	word = pg_atomic_read_u64(&slot->word);
	gen = PGRAFT_WORD_GEN(word);
	if (PGRAFT_WORD_STATE(word) == PGRAFT_SLOT_REQUEST ||
		(PGRAFT_WORD_STATE(word) == PGRAFT_SLOT_FETCH && pgraft_replies_expected(slotno, gen)))
	{
		if (!pgraft_slot_advance(slot, word, PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT)))
			return;
		pgraft_replies_expect(slotno, gen);
		pgraft_replies_refuse(PGRAFT_REQUEST_ID(gen, slotno), "58000",
							  "the pgraft engine worker could not transfer the data",
							  "See the server log.");
	}
}
