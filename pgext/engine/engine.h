/*
 * engine.h
 *		The border between the C shim, which knows PostgreSQL and nothing of
 *		Raft, and the Go engine (pgraft_engine.so), which knows Raft and
 *		nothing of PostgreSQL.
 *
 * Every function is called on the engine worker's main thread only, and none
 * blocks for longer than it takes to copy its arguments, except
 * pgraft_engine_start and pgraft_engine_stop.  Every pointer comes with its
 * length; both sides copy what they keep.
 *
 * A limit, a name or a text that both sides know stands here, once.  What the core
 * or the node says by itself, as they do not know this file, is compared with it
 * when the engine is compiled (limits.go).
 */
#ifndef PGRAFT_ENGINE_H
#define PGRAFT_ENGINE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a node's address at most. */
#define PGRAFT_MAX_ADDRESS_BYTES	255

/* Bytes of an entry at most: the largest pgraft.max_entry_size. */
#define PGRAFT_MAX_ENTRY_BYTES		(16 * 1024 * 1024)

/* An election timeout has at least so many heartbeat intervals. */
#define PGRAFT_HEARTBEATS_PER_ELECTION	3

/* Bytes of the flight recorder's ring at least: the smallest pgraft.trace_size. */
#define PGRAFT_MIN_TRACE_BYTES		(32 * 1024 * 1024)

/* Requests that the engine has at once; over it, it is busy. */
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

/* log levels, of pgraft.log_level and of PgraftRecord */
enum
{
	PGRAFT_LOG_DEBUG = 0,
	PGRAFT_LOG_INFO = 1,
	PGRAFT_LOG_WARNING = 2,
	PGRAFT_LOG_ERROR = 3
};

/* pgraft_get_worker_state() */
enum
{
	PGRAFT_WORKER_STOPPED = 0,	/* no engine, or the node was removed */
	PGRAFT_WORKER_INITIALIZING = 1, /* before pgraft_init(), or opening the store */
	PGRAFT_WORKER_RUNNING = 2,
	PGRAFT_WORKER_ERROR = 3
};

/* As pgraft_get_worker_state() and the views name it. */
static inline const char *
pgraft_worker_state_name(uint32_t state)
{
	switch (state)
	{
		case PGRAFT_WORKER_INITIALIZING:
			return "initializing";
		case PGRAFT_WORKER_RUNNING:
			return "running";
		case PGRAFT_WORKER_ERROR:
			return "error";
		default:
			return "stopped";
	}
}

/* Raft roles as pgraft_get_cluster_status() names them */
enum
{
	PGRAFT_ROLE_NONE = 0,
	PGRAFT_ROLE_FOLLOWER = 1,
	PGRAFT_ROLE_CANDIDATE = 2,
	PGRAFT_ROLE_LEADER = 3,
	PGRAFT_ROLE_LEARNER = 4
};

/* pgraft.trace */
enum
{
	PGRAFT_TRACE_OFF = 0,
	PGRAFT_TRACE_RING = 1,
	PGRAFT_TRACE_FULL = 2
};

/* A string that is not zero-terminated. */
typedef struct PgraftBytes
{
	const char *data;
	size_t		len;
} PgraftBytes;

/* The settings, as of start or of the last SIGHUP. */
typedef struct PgraftConfig
{
	uint32_t	node_id;		/* 0 only if it was refused */
	uint32_t	port;
	uint32_t	election_timeout_ms;
	uint32_t	heartbeat_interval_ms;
	uint32_t	max_entry_bytes;
	uint32_t	snapshot_entries;
	uint32_t	log_level;
	uint64_t	retain_entries;
	uint64_t	retain_bytes;
	uint64_t	trace_bytes;
	uint32_t	trace;			/* PGRAFT_TRACE_* */
	uint32_t	trace_redact;	/* 0 or 1 */
	uint32_t	ssl_enabled;	/* 0 or 1; as of start only */
	uint32_t	group_access;	/* 0 or 1: may the group read what the node writes */
	PgraftBytes cluster_id;
	PgraftBytes address;
	PgraftBytes listen_address; /* empty: address */
	PgraftBytes data_dir;		/* absolute */
	PgraftBytes marker_path;	/* absolute, outside data_dir */
	PgraftBytes ssl_cert_file;	/* absolute, or empty */
	PgraftBytes ssl_key_file;
	PgraftBytes ssl_ca_file;
	PgraftBytes refused;		/* not empty: a setting was refused at server start,
								 * so the node does not start */
	PgraftBytes refused_detail;
	uint32_t	refused_until_restart;	/* 1 = no reload puts it right */
	int			event_fd;		/* written (8 bytes) when pgraft_engine_drain has something */
} PgraftConfig;

/*
 * What any backend may know without asking the engine.  It lies in shared
 * memory; the engine writes it with pgraft_status_write, from one thread at a
 * time; readers use pgraft_status_read.
 */
typedef struct PgraftStatus
{
	uint64_t	term;
	uint64_t	commit_index;
	uint64_t	applied_index;
	uint64_t	last_index;
	int64_t		lease_expiry_ns;	/* CLOCK_BOOTTIME; 0 = no lease */
	uint32_t	leader_node;	/* 0 = none known */
	uint32_t	leader_port;
	uint32_t	role;			/* PGRAFT_ROLE_* */
	uint32_t	worker_state;	/* PGRAFT_WORKER_* */
	char		leader_address[PGRAFT_MAX_ADDRESS_BYTES + 1];	/* zero-terminated */
} PgraftStatus;

/*
 * Two copies, so that a reader never waits for the writer, which may stand still
 * at any instant: it is stopped, or its machine is.
 */
typedef struct PgraftStatusBlock
{
	uint64_t	seq;			/* odd while copies[0] is being written: read copies[1] */
	PgraftStatus copies[2];
} PgraftStatusBlock;

/* Words, so that a torn read is impossible and the sequence check suffices. */
#define PGRAFT_STATUS_WORDS (sizeof(PgraftStatus) / sizeof(uint64_t))

static inline void
pgraft_status_copy(PgraftStatus *to, const PgraftStatus *from)
{
	uint64_t   *dst = (uint64_t *) to;
	const uint64_t *src = (const uint64_t *) from;

	for (size_t i = 0; i < PGRAFT_STATUS_WORDS; i++)
		__atomic_store_n(&dst[i], __atomic_load_n(&src[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* From here on readers look at copies[1]; returns the odd seq. */
static inline uint64_t
pgraft_status_begin(PgraftStatusBlock *block)
{
	uint64_t	seq = __atomic_load_n(&block->seq, __ATOMIC_RELAXED);

	if (seq & 1)
		return seq;				/* a writer was killed half-way: copies[1] is whole */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	pgraft_status_copy(&block->copies[1], &block->copies[0]);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&block->seq, seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return seq + 1;
}

static inline void
pgraft_status_write(PgraftStatusBlock *block, const PgraftStatus *from)
{
	uint64_t	seq = pgraft_status_begin(block);

	pgraft_status_copy(&block->copies[0], from);
	__atomic_store_n(&block->seq, seq + 1, __ATOMIC_RELEASE);
}

/* 1 = *to is a whole status, 0 = it was written anew during each of many tries */
static inline int
pgraft_status_read(PgraftStatusBlock *block, PgraftStatus *to)
{
	for (int tries = 0; tries < 1000; tries++)
	{
		uint64_t	seq = __atomic_load_n(&block->seq, __ATOMIC_ACQUIRE);

		pgraft_status_copy(to, &block->copies[seq & 1]);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&block->seq, __ATOMIC_RELAXED) == seq)
			return 1;
	}
	return 0;
}

#include "operations.h"

#define PGRAFT_REQUEST_ID_BYTES	16

typedef struct PgraftRequest
{
	uint64_t	id;				/* chosen by the shim, comes back in the reply */
	uint32_t	op;
	uint32_t	max_entry_bytes;	/* pgraft.max_entry_size of the session */
	uint32_t	timeout_ms;		/* what is left for the answer; never 0 */
	uint8_t		request_id[PGRAFT_REQUEST_ID_BYTES];	/* PGRAFT_OP_PROPOSE */
	int64_t		a;
	int64_t		b;
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
	PGRAFT_RECORD_FATAL = 3		/* one string: the engine is done for; report it and exit */
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
	uint64_t	id;				/* PGRAFT_RECORD_REPLY only */
	uint32_t	len;			/* of the body that follows, without padding */
	uint32_t	reserved;
} PgraftRecord;

#ifndef PGRAFT_ENGINE_IMPLEMENTATION
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
 * Starts the engine; it opens data_dir by itself if the node is initialised.
 * 0 = started; otherwise err holds a zero-terminated reason.
 */
typedef int (*pgraft_engine_start_fn) (const PgraftConfig *config, PgraftStatusBlock *status,
									   char *err, size_t errlen);

/* New settings after SIGHUP. Never fails: what cannot be taken over is logged. */
typedef void (*pgraft_engine_reload_fn) (const PgraftConfig *config);

/*
 * 0 = taken, a reply will come; 1 = busy, no reply will come: PGRAFT_MAX_REQUESTS
 * are under way.
 */
typedef int (*pgraft_engine_submit_fn) (const PgraftRequest *request);

/*
 * Nobody waits for the reply to this id any more.  What was asked may still
 * happen; no reply comes, or one that the shim throws away.
 */
typedef void (*pgraft_engine_cancel_fn) (uint64_t id);

/*
 * Fills buf with whole records and returns the bytes used; 0 = nothing left;
 * a negative number = the next record alone needs so many bytes.
 */
typedef int64_t (*pgraft_engine_drain_fn) (char *buf, size_t cap);

/* Stops the engine: the store is closed, peers are told.  It takes PGRAFT_STOP_MS at most. */
typedef void (*pgraft_engine_stop_fn) (void);
#endif

#endif							/* PGRAFT_ENGINE_H */
