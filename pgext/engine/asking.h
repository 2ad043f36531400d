/*
 * asking.h
 *		What a backend can ask of the engine: a part of engine.h, which includes it.
 */
#ifndef PGRAFT_ASKING_H
#define PGRAFT_ASKING_H

#include <stdint.h>

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
	PGRAFT_OP_TRANSFER_LEADERSHIP = 20, /* node_id, or 0; wait_ms */
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
	PGRAFT_OP_TRACE_SAVE = 60,	/* data: path of a new directory; one row
								 * (bytes) */

	/* Failover */
	PGRAFT_OP_ENABLE_FAILOVER = 70, /* system_identifier */
	PGRAFT_OP_DISABLE_FAILOVER = 71,
	PGRAFT_OP_FAILOVER_SETTINGS = 72,	/* data: what is changed, lines of
										 * name=value; the row of
										 * pgraft_failover_settings */
	PGRAFT_OP_STAT_FAILOVER = 73,	/* rows of pgraft_stat_failover */
	PGRAFT_OP_GET_PRIMARY = 74, /* one row (node_id, or 0) */
	PGRAFT_OP_SWITCHOVER = 75,	/* node_id, or 0; wait_ms */
	PGRAFT_OP_FAILOVER = 76,	/* node_id, data: the cluster_id where data
								 * may be lost */
	PGRAFT_OP_FAILOVER_HISTORY = 77,	/* rows of pgraft_failover_history */
	PGRAFT_OP_CLEAR_QUARANTINE = 78 /* node_id */
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
		case PGRAFT_OP_ENABLE_FAILOVER:
		case PGRAFT_OP_DISABLE_FAILOVER:
		case PGRAFT_OP_FAILOVER_SETTINGS:
		case PGRAFT_OP_SWITCHOVER:
		case PGRAFT_OP_FAILOVER:
		case PGRAFT_OP_CLEAR_QUARANTINE:
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
		case PGRAFT_OP_STAT_FAILOVER:
		case PGRAFT_OP_GET_PRIMARY:
		case PGRAFT_OP_FAILOVER_HISTORY:
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
	uint64_t	system_identifier;
} PgraftArgs;

#endif							/* PGRAFT_ASKING_H */
