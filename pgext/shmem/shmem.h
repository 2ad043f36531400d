/*
 * shmem.h
 *		What backends and the engine worker share: the status block, the slots
 *		of requests under way, and what wakes whom.  shmem.c lays it out and says
 *		how each part of it is guarded.
 *
 * Uses base.
 */
#ifndef PGRAFT_SHMEM_H
#define PGRAFT_SHMEM_H

#include "base/base.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/spin.h"

#include "engine/engine.h"

/*
 * Requests under way at once; further clients wait for a free slot.  A slot takes
 * 6.3 kB of shared memory.
 */
#define PGRAFT_SLOTS			512
/* Of them, those that neither proposals nor waits take. */
#define PGRAFT_RESERVED_SLOTS	64
/* Those that waits for the cluster may take: the rest is for what they wait for. */
#define PGRAFT_WAITING_SLOTS	256

/* A bitmap of slots, in words of 64. */
#define PGRAFT_SLOT_WORDS		(PGRAFT_SLOTS / 64)
#define PGRAFT_SLOT_WORD(slot)	((slot) / 64)
#define PGRAFT_SLOT_BIT(slot)	(UINT64CONST(1) << ((slot) % 64))

/* Bytes that travel in the slot itself; more goes through a DSM segment. */
#define PGRAFT_INLINE_REQUEST	2048

/* Bytes of the worker's last error that functions show as DETAIL. */
#define PGRAFT_LAST_ERROR_SIZE	512

/*
 * A slot's word is (generation << 8 | state) and changes by compare-and-swap
 * only.  Whatever a backend does to its slot (acquire, publish again, withdraw,
 * release) gives it a new generation, so the worker's late answer to a request
 * that nobody waits for fails at its compare-and-swap.
 */
typedef enum PgraftSlotState
{
	PGRAFT_SLOT_FREE,			/* anybody may acquire it */
	PGRAFT_SLOT_OWNED,			/* a backend fills it */
	PGRAFT_SLOT_REQUEST,		/* published; the worker may take it */
	PGRAFT_SLOT_INFLIGHT,		/* the engine has it */
	PGRAFT_SLOT_LARGE,			/* answered; reply_len bytes wait in the
								 * worker */
	PGRAFT_SLOT_FETCH,			/* reply_dsm is the segment to put them into */
	PGRAFT_SLOT_DONE			/* answered; the reply is in the slot or in
								 * reply_dsm */
} PgraftSlotState;

#define PGRAFT_WORD(gen, state)		(((uint64) (gen) << 8) | (uint64) (state))
#define PGRAFT_WORD_STATE(word)		((PgraftSlotState) ((word) & 0xff))
#define PGRAFT_WORD_GEN(word)		((word) >> 8)

/* A request's id names its slot and the slot's generation. */
#define PGRAFT_ID_SLOT_BITS				16
#define PGRAFT_REQUEST_ID(gen, slot)	(((uint64) (gen) << PGRAFT_ID_SLOT_BITS) | (uint64) (slot))
#define PGRAFT_ID_SLOT(id)				((uint32) ((id) & ((1 << PGRAFT_ID_SLOT_BITS) - 1)))
#define PGRAFT_ID_GEN(id)				((id) >> PGRAFT_ID_SLOT_BITS)

StaticAssertDecl(PGRAFT_SLOTS <= PGRAFT_MAX_REQUESTS,
				 "the engine takes what the slots have");
StaticAssertDecl(PGRAFT_SLOTS <= 1 << PGRAFT_ID_SLOT_BITS,
				 "a slot's number fits the request id");
StaticAssertDecl(PGRAFT_SLOTS % 64 == 0 && PGRAFT_RESERVED_SLOTS % 64 == 0 && PGRAFT_WAITING_SLOTS % 64 == 0,
				 "a kind of slots takes whole words of a bitmap");

/* See shmem.c for who may touch what when. */
typedef struct PgraftSlot
{
	pg_atomic_uint64 word;
	Latch	   *volatile client;
	uint32		engine_generation;
	uint32		op;
	uint32		max_entry_bytes;
	uint32		timeout_ms;
	uint8		request_id[PGRAFT_REQUEST_ID_BYTES];
	PgraftArgs	args;
	uint32		data_len;
	dsm_handle	data_dsm;
	dsm_handle	reply_dsm;
	uint32		reply_len;
	char		data[PGRAFT_INLINE_REQUEST];
	char		reply[PGRAFT_INLINE_REPLY];
} PgraftSlot;

typedef struct PgraftShared
{
	PgraftStatusBlock status;

	pg_atomic_uint32 engine_generation; /* odd while an engine takes requests */
	pg_atomic_uint64 worker_latch;	/* its Latch *, or 0 */
	pg_atomic_uint64 pending[PGRAFT_SLOT_WORDS];
	pg_atomic_uint64 unused[PGRAFT_SLOT_WORDS];

	pg_atomic_uint32 failures;	/* the engine's in a row, crashes apart */
	pg_atomic_uint64 failed_with;	/* PgReloadTime of the worker that failed
									 * last */
	pg_atomic_uint64 next_start;	/* TimestampTz; 0: the engine is not
									 * waited for */

	ConditionVariable engine_cv;	/* engine_generation has become odd, or
									 * next_start not 0 */
	ConditionVariable slot_cv;	/* a slot has become free */

	slock_t		mutex;			/* guards last_error */
	char		last_error[PGRAFT_LAST_ERROR_SIZE];

	PgraftSlot	slots[PGRAFT_SLOTS];
} PgraftShared;

#define PGRAFT_ENGINE_UP(engine)		(((engine) & 1) != 0)

/* shmem.c */
extern PgraftShared *pgraft_shared; /* NULL without shared_preload_libraries */
extern Size pgraft_shmem_size(void);
extern bool pgraft_shmem_attach(void);
extern void pgraft_last_error_set(const char *message);
extern void pgraft_last_error_get(char *buf);
extern bool pgraft_slot_advance(PgraftSlot *slot, uint64 from, uint64 to);
extern void pgraft_notify_worker(uint32 slotno);
extern void pgraft_next_start_set(TimestampTz when);
extern TimestampTz pgraft_next_start(void);
extern PgraftStatus pgraft_last_status(void);
extern bool pgraft_has_lease(void);

#endif							/* PGRAFT_SHMEM_H */
