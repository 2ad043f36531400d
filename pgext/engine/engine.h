/*
 * engine.h
 *		The border between the C shim, which knows PostgreSQL and nothing of
 *		Raft, and the Go engine (pgraft_engine.so), which knows Raft and
 *		nothing of PostgreSQL.
 *
 * Every function is called on the engine worker's main thread only, and none
 * waits for a disk or for other nodes, except pgraft_engine_start and
 * pgraft_engine_stop.  Every pointer comes with its
 * length; both sides copy what they keep.  What needs no call, as it lies in
 * shared memory, is status.h's; fencing.h has what the fence reads there, and
 * hosting.h what the host of a server remembers.
 *
 * A limit, a name or a text that both sides know stands here, once.  What the core
 * or the node says by itself, as they do not know this file, is compared with it
 * when the engine is compiled (limits.go).
 */
#ifndef PGRAFT_ENGINE_H
#define PGRAFT_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "asking.h"
#include "configured.h"
#include "fencing.h"
#include "hosting.h"
#include "serving.h"
#include "status.h"

/* Bytes of an entry at most: the largest pgraft.max_entry_size. */
#define PGRAFT_MAX_ENTRY_BYTES		(16 * 1024 * 1024)

/* An election timeout has at least so many heartbeat intervals. */
#define PGRAFT_HEARTBEATS_PER_ELECTION	3

/* Bytes of the flight recorder's ring at least: the smallest pgraft.trace_size. */
#define PGRAFT_MIN_TRACE_BYTES		(32 * 1024 * 1024)

/* Bytes of a reply that travel in the slot itself. */
#define PGRAFT_INLINE_REPLY			4096

/* Requests that the engine has at once; over that it is busy. */
#define PGRAFT_MAX_REQUESTS			1024

/* How long pgraft_engine_stop takes at most. */
#define PGRAFT_STOP_MS				5000

/* Bytes of a part of an exported state at most. */
#define PGRAFT_STATE_PART_BYTES		(4 * 1024 * 1024)

/* Committed entries that are not applied, before the health check warns. */
#define PGRAFT_ENTRIES_WARNING		1000

/* The metrics of the health check that the shim judges, and what it says. */
#define PGRAFT_METRIC_WORKER_STATE	"worker_state"
#define PGRAFT_METRIC_APPLY_LAG		"apply_lag"
#define PGRAFT_HEALTH_OK			"ok"
#define PGRAFT_HEALTH_WARNING		"warning"
#define PGRAFT_HEALTH_CRITICAL		"critical"

/* The way out when it is not known whether an entry was committed. */
#define PGRAFT_HINT_PROPOSE_AGAIN \
	"Call pgraft_propose() with this request_id and the same data: it is committed once and says where."

/*
 * How the engine's threads wake the main thread for records.  The engine sets
 * records, then looks at asleep; the main thread sets asleep, then looks at records.
 * So one of them sees the other, and nobody is woken who is awake.
 */
typedef struct PgraftBell
{
	int			event_fd;		/* 8 bytes written to it wake the main thread */
	uint32_t	asleep;			/* 1: it sleeps, or is about to; who changes
								 * it to 0 writes to event_fd.  Atomic. */
	uint32_t	records;		/* 1: pgraft_engine_drain has some.  Atomic,
								 * written by the engine only. */
} PgraftBell;

/*
 * Puts replies into their slots: whole records of kind PGRAFT_RECORD_REPLY, each with
 * a body of PGRAFT_INLINE_REPLY bytes at most.  Any thread of the engine may call it,
 * which saves a turn of the main thread.
 */
typedef void (*pgraft_answer_fn) (const char *records, size_t len);

typedef struct PgraftRequest
{
	uint64_t	id;				/* chosen by the shim, comes back in the reply */
	uint32_t	op;
	uint32_t	max_entry_bytes;	/* pgraft.max_entry_size of the session */
	uint32_t	timeout_ms;		/* what is left for the answer; never 0 */
	uint8_t		request_id[PGRAFT_REQUEST_ID_BYTES];	/* PGRAFT_OP_PROPOSE */
	PgraftArgs	args;
	PgraftBytes data;
} PgraftRequest;

/* A record's size is a multiple of it, in bytes. */
#define PGRAFT_RECORD_ALIGN		8

/* The length of a string in a record's body that stands for NULL. */
#define PGRAFT_NULL_LENGTH		UINT32_MAX

/* The SQLSTATE of a reply that is no error. */
#define PGRAFT_SQLSTATE_DONE	"00000"
#define PGRAFT_SQLSTATE_BYTES	(sizeof(PGRAFT_SQLSTATE_DONE) - 1)

/* kinds of PgraftRecord */
enum
{
	PGRAFT_RECORD_REPLY = 1,
	PGRAFT_RECORD_LOG = 2,		/* level, then one string */
	PGRAFT_RECORD_FATAL = 3,	/* one string: the engine is done for; report
								 * it and exit */
	PGRAFT_RECORD_SERVE = 4		/* a PgraftServe and its payload: do it, and
								 * answer with pgraft_engine_served */
};

/*
 * pgraft_engine_drain writes whole records one after another, each starting
 * with this header and padded to PGRAFT_RECORD_ALIGN.  Strings are a uint32 length and the
 * bytes; PGRAFT_NULL_LENGTH stands for NULL.
 *
 * A reply's body is:
 *		char sqlstate[PGRAFT_SQLSTATE_BYTES]	PGRAFT_SQLSTATE_DONE; then
 *			uint32 notice	(a string: shown as a NOTICE, or NULL)
 *			uint32 nrows, uint32 ncols, then nrows * ncols strings, each in the
 *			text form of its column's type
 *		otherwise: three strings, message, DETAIL or NULL, HINT or NULL
 * The integers are in the machine's byte order, unaligned.
 */
typedef struct PgraftRecord
{
	uint32_t	kind;
	uint32_t	level;			/* PGRAFT_RECORD_LOG only */
	uint64_t	id;				/* of what is answered, or is to be */
	uint32_t	len;			/* of the body that follows, without padding */
	uint32_t	reserved;
} PgraftRecord;

#ifdef PGRAFT_ENGINE_IMPLEMENTATION
/* Go cannot call a pointer. */
static inline void
pgraft_answer(pgraft_answer_fn answer, const char *records, size_t len)
{
	answer(records, len);
}

static inline void
pgraft_fence(pgraft_fence_fn publish, const PgraftFence *fence)
{
	publish(fence);
}
#else
/*
 * The exported functions.  The shim looks them up by name with dlsym after
 * fork; nothing is linked.
 */

/*
 * The build that this library is of, zero-terminated and there for good.  It is
 * asked right after loading: a shim and an engine of different builds do not mix,
 * as anything in this file may differ between them.
 */
typedef const char *(*pgraft_engine_build_fn) (void);

/*
 * Starts the engine; it opens data_dir by itself if the node is initialised.  fence is
 * NULL where pgraft.failover is off.
 * 0 = started; otherwise err holds a zero-terminated reason.
 */
typedef int (*pgraft_engine_start_fn) (const PgraftConfig *config, PgraftStatusBlock *status,
									   PgraftBell *bell, pgraft_answer_fn answer,
									   pgraft_fence_fn fence, char *err, size_t errlen);

/* New settings after SIGHUP. Never fails: what cannot be taken over is logged. */
typedef void (*pgraft_engine_reload_fn) (const PgraftConfig *config);

/*
 * Hands in n requests; returns how many of them were taken, which are the first
 * ones: a reply comes to each.  For the others the engine is busy, as
 * PGRAFT_MAX_REQUESTS are under way, and no reply comes.
 */
typedef uint32_t (*pgraft_engine_submit_fn) (const PgraftRequest *requests, uint32_t n);

/*
 * Nobody waits for the reply to this id any more.  What was asked may still
 * happen; no reply comes, or one that the shim throws away.
 */
typedef void (*pgraft_engine_cancel_fn) (uint64_t id);

/*
 * Fills buf with whole records and returns the bytes used; 0 = there are none;
 * a negative number = the next record alone needs so many bytes.
 */
typedef int64_t (*pgraft_engine_drain_fn) (char *buf, size_t cap);

/* How it went with the PGRAFT_RECORD_SERVE of this id. */
typedef void (*pgraft_engine_served_fn) (uint64_t id, const PgraftServed *served);

/* Stops the engine: the store is closed, peers are told.  It takes PGRAFT_STOP_MS at most. */
typedef void (*pgraft_engine_stop_fn) (void);
#endif

#endif							/* PGRAFT_ENGINE_H */
