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
 * shared memory, is status.h's; fencing.h has what the fence reads there.
 *
 * A limit, a name or a text that both sides know stands here, once.  What the core
 * or the node says by itself, as they do not know this file, is compared with it
 * when the engine is compiled (limits.go).
 */
#ifndef PGRAFT_ENGINE_H
#define PGRAFT_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "fencing.h"
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

/* log levels, of pgraft.log_level and of PgraftRecord */
enum
{
	PGRAFT_LOG_DEBUG = 0,
	PGRAFT_LOG_INFO = 1,
	PGRAFT_LOG_WARNING = 2,
	PGRAFT_LOG_ERROR = 3
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
	uint32_t	group_access;	/* 0 or 1: may the group read what the node
								 * writes */
	PgraftBytes cluster_id;
	PgraftBytes address;
	PgraftBytes listen_address; /* empty: address */
	PgraftBytes data_dir;		/* absolute */
	PgraftBytes marker_path;	/* absolute, outside data_dir */
	PgraftBytes ssl_cert_file;	/* absolute, or empty */
	PgraftBytes ssl_key_file;
	PgraftBytes ssl_ca_file;
	PgraftBytes refused;		/* not empty: a setting was refused at server
								 * start, so the node does not start */
	PgraftBytes refused_detail;
	uint32_t	refused_until_restart;	/* 1 = no reload puts it right */
} PgraftConfig;

/*
 * What a backend can ask.  Which of PgraftArgs each needs stands behind it; data is the
 * large argument.
 */
typedef enum PgraftOp
{
	PGRAFT_OP_INIT = 1,			/* bootstrap */
	PGRAFT_OP_ADD_NODE = 2,		/* node_id, port, data: address */
	PGRAFT_OP_REMOVE_NODE = 3,	/* node_id */
	PGRAFT_OP_NODES = 4,		/* rows of pgraft_get_nodes */
	PGRAFT_OP_CLUSTER_STATUS = 5,	/* rows of pgraft_get_cluster_status */
	PGRAFT_OP_PROPOSE = 6,		/* request_id, chosen, data: entry; one row
								 * (index, term) */
	PGRAFT_OP_LOG_STATS = 7,	/* one row */
	PGRAFT_OP_LOG_ENTRY = 8,	/* index; one row of one column, NULL for
								 * Raft's own */
	PGRAFT_OP_REPLICATION_STATUS = 9,	/* rows */
	PGRAFT_OP_SET_DEBUG = 10,	/* enabled */
	PGRAFT_OP_TRANSFER_LEADERSHIP = 20, /* node_id, or 0 */
	PGRAFT_OP_CONFIRM_LEADER = 21,	/* one row (term) */
	PGRAFT_OP_READ_BARRIER = 22,	/* one row (index) */
	PGRAFT_OP_WAIT_APPLIED = 23,	/* index; one row (boolean) */
	PGRAFT_OP_LOG_ENTRIES = 24, /* index: first, last; rows of
								 * pgraft_log_entries, the first of them only;
								 * no rows: there are no more */
	PGRAFT_OP_RECOVER = 25,		/* data: the cluster_id once more */
	PGRAFT_OP_HEALTH_CHECK = 26,	/* rows of pgraft_health_check */
	PGRAFT_OP_STAT_NODE = 27,	/* row of pgraft_stat_node */
	PGRAFT_OP_STAT_PEERS = 28,	/* rows of pgraft_stat_peers */
	PGRAFT_OP_REPLACE_NODE = 29,	/* old_node_id, node_id, port, data:
									 * address */

	/*
	 * The apply worker's.  NEXT answers with the committed entries after
	 * index once there are any, or with none after wait_ms; data is the uuid
	 * of the cluster that index is of, empty if the database has no progress
	 * yet.  Rows of three columns.  Of PGRAFT_NEXT_HEADER_ROWS, the first is
	 * about the log: the last of the indexes after it that no member's log
	 * holds any more (0 = none, else no entries follow), the last that can be
	 * read, and the cluster's uuid, or NULL if this node is no member; the
	 * second is a PgraftProgress, with PGRAFT_PROGRESS_AHEAD the index of the
	 * recovery's entry, else 0, and a NULL; the third is 1 if another member
	 * asks for the exported state of the database, else 0, and two NULLs;
	 * then index, term and data of each entry, data NULL for Raft's own.
	 */
	PGRAFT_OP_APPLY_NEXT = 40,
	PGRAFT_OP_APPLY_RETAIN = 41,	/* index: entries from here on are kept; 0
									 * = none are needed; importable */

	/*
	 * The exported state of the database, in parts, since it may be large.
	 * EXPORT: offset, total (0 = there is none), data: a part. IMPORT:
	 * offset; one row (bytes of the whole, a part), or no row if no member
	 * has one; offset 0 gets it from a member.
	 */
	PGRAFT_OP_APPLY_EXPORT = 42,
	PGRAFT_OP_APPLY_IMPORT = 43,
	PGRAFT_OP_TRACE_SAVE = 60	/* data: path of a new directory; one row
								 * (bytes) */
} PgraftOp;

/*
 * Whether a request may change something.  Then it is not possible within an apply
 * function, its client does not ask it again of another engine, and an engine that
 * stops still answers it.  Every operation is listed, so that the compiler warns of
 * one that is not.
 */
static inline int
pgraft_op_is_write(uint32_t op)
{
	switch ((PgraftOp) op)
	{
		case PGRAFT_OP_INIT:
		case PGRAFT_OP_ADD_NODE:
		case PGRAFT_OP_REMOVE_NODE:
		case PGRAFT_OP_REPLACE_NODE:
		case PGRAFT_OP_PROPOSE:
		case PGRAFT_OP_SET_DEBUG:
		case PGRAFT_OP_TRANSFER_LEADERSHIP:
		case PGRAFT_OP_RECOVER:
		case PGRAFT_OP_TRACE_SAVE:
			return 1;
		case PGRAFT_OP_NODES:
		case PGRAFT_OP_CLUSTER_STATUS:
		case PGRAFT_OP_LOG_STATS:
		case PGRAFT_OP_LOG_ENTRY:
		case PGRAFT_OP_REPLICATION_STATUS:
		case PGRAFT_OP_CONFIRM_LEADER:
		case PGRAFT_OP_READ_BARRIER:
		case PGRAFT_OP_WAIT_APPLIED:
		case PGRAFT_OP_LOG_ENTRIES:
		case PGRAFT_OP_HEALTH_CHECK:
		case PGRAFT_OP_STAT_NODE:
		case PGRAFT_OP_STAT_PEERS:
		case PGRAFT_OP_APPLY_NEXT:
		case PGRAFT_OP_APPLY_RETAIN:
		case PGRAFT_OP_APPLY_EXPORT:
		case PGRAFT_OP_APPLY_IMPORT:
			break;
	}
	return 0;
}

/* The argument of pgraft_init(). */
enum
{
	PGRAFT_BOOTSTRAP_FALSE = 0,
	PGRAFT_BOOTSTRAP_TRUE = 1,
	PGRAFT_BOOTSTRAP_NULL = 2
};

/* Rows of PGRAFT_OP_APPLY_NEXT that come before the entries. */
#define PGRAFT_NEXT_HEADER_ROWS	3

/* How a database's progress stands to the log: core.CheckProgress. */
typedef enum PgraftProgress
{
	PGRAFT_PROGRESS_OWN = 0,	/* of its cluster */
	PGRAFT_PROGRESS_RECOVERED = 1,	/* of a former one, which the log
									 * continues */
	PGRAFT_PROGRESS_AHEAD = 2,	/* of a former one, and further than this
								 * node's log held when it recovered it */
	PGRAFT_PROGRESS_OTHER = 3	/* of another cluster */
} PgraftProgress;

#define PGRAFT_REQUEST_ID_BYTES	16

/* The small arguments of a request: those that its operation needs, the others 0. */
typedef struct PgraftArgs
{
	uint32_t	node_id;
	uint32_t	old_node_id;
	uint32_t	port;
	uint32_t	bootstrap;		/* PGRAFT_BOOTSTRAP_* */
	uint32_t	chosen;			/* 1: the caller chose request_id */
	uint32_t	enabled;		/* 0 or 1 */
	uint32_t	importable;		/* 1: an exported state would do */
	uint32_t	wait_ms;
	int64_t		index;
	int64_t		last;			/* index */
	int64_t		offset;			/* bytes */
	int64_t		total;			/* bytes of the whole */
} PgraftArgs;

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
	PGRAFT_RECORD_FATAL = 3		/* one string: the engine is done for; report
								 * it and exit */
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

/* Stops the engine: the store is closed, peers are told.  It takes PGRAFT_STOP_MS at most. */
typedef void (*pgraft_engine_stop_fn) (void);
#endif

#endif							/* PGRAFT_ENGINE_H */
