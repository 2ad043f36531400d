/*-------------------------------------------------------------------------
 *
 * operations.h
 *		What a backend can ask of the engine: a part of engine.h, by which
 *		alone it is included.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGRAFT_OPERATIONS_H
#define PGRAFT_OPERATIONS_H

#include <stdint.h>

/* What a backend can ask.  a and b are small arguments, data the large one. */
enum
{
	PGRAFT_OP_INIT = 1,			/* a: PGRAFT_BOOTSTRAP_* */
	PGRAFT_OP_ADD_NODE = 2,		/* a: node id, b: port, data: address */
	PGRAFT_OP_REMOVE_NODE = 3,	/* a: node id */
	PGRAFT_OP_NODES = 4,		/* rows of pgraft_get_nodes */
	PGRAFT_OP_CLUSTER_STATUS = 5,	/* rows of pgraft_get_cluster_status */
	PGRAFT_OP_PROPOSE = 6,		/* request_id, data: entry, a: 1 = the caller chose
								 * request_id; one row (index, term) */
	PGRAFT_OP_LOG_STATS = 7,	/* one row */
	PGRAFT_OP_LOG_ENTRY = 8,	/* a: index; one row of one column, NULL for Raft's own */
	PGRAFT_OP_REPLICATION_STATUS = 9,	/* rows */
	PGRAFT_OP_SET_DEBUG = 10,	/* a: 0 or 1 */
	PGRAFT_OP_TRANSFER_LEADERSHIP = 20, /* a: node id, or 0 */
	PGRAFT_OP_CONFIRM_LEADER = 21,	/* one row (term) */
	PGRAFT_OP_READ_BARRIER = 22,	/* one row (index) */
	PGRAFT_OP_WAIT_APPLIED = 23,	/* a: index; one row (boolean) */
	PGRAFT_OP_LOG_ENTRIES = 24, /* a: first, b: last; rows of pgraft_log_entries, the
								 * first of them only; no rows: there are no more */
	PGRAFT_OP_RECOVER = 25,		/* data: the cluster_id once more */
	PGRAFT_OP_HEALTH_CHECK = 26,	/* rows of pgraft_health_check */
	PGRAFT_OP_STAT_NODE = 27,	/* row of pgraft_stat_node */
	PGRAFT_OP_STAT_PEERS = 28,	/* rows of pgraft_stat_peers */
	PGRAFT_OP_REPLACE_NODE = 29,	/* a: old node id << 32 | new node id, b: port,
									 * data: address */

	/*
	 * The apply worker's.  NEXT answers with the committed entries after index
	 * a once there are any, or with none after b ms: rows of three columns.  Of
	 * PGRAFT_NEXT_HEADER_ROWS, the first is about the log: the last of the indexes after a that no member's
	 * log holds any more (0 = none, else no entries follow), the last that can be read, and
	 * the cluster's uuid, or NULL if this node is no member (after a comma,
	 * those that it had before this node recovered it from a lost quorum); the second
	 * is 1 if another member asks for the exported state of the database, else 0,
	 * and two NULLs; then index, term and data of each entry, data NULL for Raft's own.
	 */
	PGRAFT_OP_APPLY_NEXT = 40,
	PGRAFT_OP_APPLY_RETAIN = 41,	/* a: entries from here on are kept; 0 = none are
									 * needed; b: 1 = an exported state would do */

	/*
	 * The exported state of the database, in parts, since it may be large.
	 * EXPORT: a: offset, b: bytes of the whole (0 = there is none), data: a part.
	 * IMPORT: a: offset; one row (bytes of the whole, a part), or no row if no
	 * member has one; offset 0 gets it from a member.
	 */
	PGRAFT_OP_APPLY_EXPORT = 42,
	PGRAFT_OP_APPLY_IMPORT = 43,
	PGRAFT_OP_TRACE_SAVE = 60	/* data: path of a new directory; one row (bytes) */
};

/*
 * Whether a request may change something.  Then it is not possible within an apply
 * function, its client does not ask it again of another engine, and an engine that
 * stops still answers it.
 */
static inline int
pgraft_op_is_write(uint32_t op)
{
	switch (op)
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
		default:
			return 0;
	}
}

/* The argument of pgraft_init(). */
enum
{
	PGRAFT_BOOTSTRAP_FALSE = 0,
	PGRAFT_BOOTSTRAP_TRUE = 1,
	PGRAFT_BOOTSTRAP_NULL = 2
};

/* Rows of PGRAFT_OP_APPLY_NEXT that come before the entries. */
#define PGRAFT_NEXT_HEADER_ROWS	2

#endif							/* PGRAFT_OPERATIONS_H */
