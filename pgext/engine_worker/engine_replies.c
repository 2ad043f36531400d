/*
 * engine_replies.c
 *		The engine worker's side of replies: give them to the slots that wait for
 *		them.
 *
 * All but pgraft_replies_answer runs on the worker's main thread only, so the statics
 * need no guard, but these two: the mutex "replying", of this process, is held while
 * a reply is written, so that whoever writes one for a request that was given up has
 * done so before anybody writes for the slot's next request; "answered" is atomic.
 * Which fields of a slot the worker may touch in which state stands in shmem.c.
 *
 * A reply that is too large for its slot stays here until the backend has
 * brought a segment for it (state FETCH) or has given its request up.  So a
 * request is carried out once, however large its reply.
 */
#include "engine_worker/engine_worker.h"

#include <pthread.h>

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

/* The generation of the last request that a thread of the engine answered. */
static uint64 answered[PGRAFT_SLOTS];

static pthread_mutex_t replying = PTHREAD_MUTEX_INITIALIZER;

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

/* A request of the slot was taken: a reply to it will come. */
void
pgraft_replies_expect(uint32 slotno, uint64 gen)
{
	forget(&taken[slotno]);
	taken[slotno].gen = gen;
}

/* Whether the request that was taken out of the slot last is of this generation. */
bool
pgraft_replies_expected(uint32 slotno, uint64 gen)
{
	return taken[slotno].gen == gen;
}

/*
 * The slot has gone on to another generation.  Returns the id of the request that was
 * given up, which the engine has still, or 0.
 */
uint64
pgraft_replies_give_up(uint32 slotno, uint64 gen)
{
	TakenSlot  *mine = &taken[slotno];
	uint64		id = 0;

	if (mine->gen == 0 || mine->gen == gen)
		return 0;
	if (mine->kept == NULL &&
		__atomic_load_n(&answered[slotno], __ATOMIC_ACQUIRE) != mine->gen)
		id = PGRAFT_REQUEST_ID(mine->gen, slotno);
	forget(mine);
	return id;
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

/*
 * Moves a slot from INFLIGHT on, with its reply, and wakes who waits for it; false if
 * nobody does.  body is NULL for a reply that is too large for the slot.  Any thread
 * may call this: it is atomics and a SetLatch, which is fit for signal handlers.
 */
static bool
write_reply(uint32 slotno, uint64 gen, const char *body, size_t len)
{
	PgraftSlot *slot = &pgraft_shared->slots[slotno];
	uint64		inflight = PGRAFT_WORD(gen, PGRAFT_SLOT_INFLIGHT);
	Latch	   *client;
	bool		done = false;

	pthread_mutex_lock(&replying);
	if (pg_atomic_read_u64(&slot->word) == inflight)
	{
		/* before the exchange: then the slot may belong to another backend */
		client = slot->client;
		slot->reply_len = len;
		if (body != NULL)
			memcpy(slot->reply, body, len);
		done = pgraft_slot_advance(slot, inflight,
								   PGRAFT_WORD(gen, body == NULL ? PGRAFT_SLOT_LARGE : PGRAFT_SLOT_DONE));
	}
	pthread_mutex_unlock(&replying);
	if (done)
		SetLatch(client);
	return done;
}

/* See engine.h; on a thread of the engine's, so nothing here may raise an error. */
void
pgraft_replies_answer(const char *records, size_t len)
{
	const char *end = records + len;

	while (records < end)
	{
		PgraftRecord record;
		uint32		slotno;

		memcpy(&record, records, sizeof(record));
		records += sizeof(record);
		slotno = PGRAFT_ID_SLOT(record.id);
		if (slotno < PGRAFT_SLOTS && record.len <= PGRAFT_INLINE_REPLY)
		{
			__atomic_store_n(&answered[slotno], PGRAFT_ID_GEN(record.id), __ATOMIC_RELEASE);
			(void) write_reply(slotno, PGRAFT_ID_GEN(record.id), records, record.len);
		}
		records += TYPEALIGN(PGRAFT_RECORD_ALIGN, (size_t) record.len);
	}
}

/* Answers a request without the engine. */
void
pgraft_replies_refuse(uint64 id, const char *sqlstate, const char *message,
					  const char *hint)
{
	size_t		len;
	char	   *body = pgraft_error_reply(&len, sqlstate, message, hint);

	pgraft_replies_complete(id, body, len);
	pfree(body);
}

/* Gives the engine's reply to the slot, if somebody still waits for it. */
void
pgraft_replies_complete(uint64 id, const char *body, size_t len)
{
	uint32		slotno = PGRAFT_ID_SLOT(id);
	uint64		gen = PGRAFT_ID_GEN(id);
	bool		large = len > PGRAFT_INLINE_REPLY;
	TakenSlot  *mine;

	if (slotno >= PGRAFT_SLOTS || taken[slotno].gen != gen || taken[slotno].kept != NULL)
		return;
	mine = &taken[slotno];
	if (large && !keep(mine, body, len))
	{
		pgraft_replies_refuse(id, "53200", "the pgraft engine has no room for the reply",
							  "Try again with fewer sessions at once.");
		return;
	}
	if (!write_reply(slotno, gen, large ? NULL : body, len) || !large)
		forget(mine);
}

/* Puts a kept reply into the segment that the backend has made for it. */
void
pgraft_replies_deliver(uint32 slotno, uint64 gen)
{
	PgraftSlot *slot = &pgraft_shared->slots[slotno];
	TakenSlot  *mine = &taken[slotno];
	Latch	   *client;
	dsm_segment *segment;

	if (mine->gen != gen || mine->kept == NULL)
		return;
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
