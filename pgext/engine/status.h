/*
 * status.h
 *		What backends may know without asking the engine, in shared memory.  A
 *		part of engine.h, which includes it.
 */
#ifndef PGRAFT_STATUS_H
#define PGRAFT_STATUS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a node's address at most. */
#define PGRAFT_MAX_ADDRESS_BYTES	255

/* pgraft_get_worker_state() */
enum
{
	PGRAFT_WORKER_STOPPED = 0,	/* no engine, or the node was removed */
	PGRAFT_WORKER_INITIALIZING = 1, /* before pgraft_init(), or opening the
									 * store */
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

/*
 * The worker writes it with pgraft_status_write, the engine in Go as that does
 * (status.go), one thread at a time; readers use pgraft_status_read.
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
	uint64_t	seq;			/* odd while copies[0] is being written: read
								 * copies[1] */
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
		return seq;				/* a writer was killed half-way: copies[1] is
								 * whole */
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

#endif							/* PGRAFT_STATUS_H */
