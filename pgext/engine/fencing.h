/*
 * fencing.h
 *		What the engine publishes for the fence in each commit, in shared memory.
 *		A part of engine.h, which includes it.
 *
 * It is core/failover's Shared in a fixed size: core/failover/order.go says what each
 * field means.  Members are named by Raft id, and LSNs are ends.
 */
#ifndef PGRAFT_FENCING_H
#define PGRAFT_FENCING_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Members of two sync sets at most, the one that counts and the one that follows. */
#define PGRAFT_MAX_COUNTED		128

/*
 * What a standby is announced by, and uses as its application_name: the prefix, then
 * the four numbers to the base of 36, with a hyphen between them
 * (core/failover/host/names.go).  No other name with this prefix is let in.
 */
typedef struct PgraftToken
{
	uint64_t	epoch;
	uint64_t	boot;			/* of the primary's engine */
	uint64_t	member;			/* the standby: incarnation << 32 | node id */
	uint64_t	follow;			/* the boot of the standby's engine */
} PgraftToken;

#define PGRAFT_TOKEN_PREFIX		"pgraft-"

/* The physical replication slot of a member: its node id and its incarnation. */
#define PGRAFT_SLOT_NAME		"pgraft_%u_%u"
#define PGRAFT_SLOT_NAME_BYTES	64

/* PgraftCounted's in */
enum
{
	PGRAFT_IN_SET = 1,
	PGRAFT_IN_NEXT = 2
};

/* A member that a commit is counted on. */
typedef struct PgraftCounted
{
	PgraftToken token;
	uint64_t	in;				/* of which sets: PGRAFT_IN_* */
} PgraftCounted;

typedef struct PgraftFence
{
	uint64_t	epoch;
	uint64_t	boot;
	uint64_t	switchover;		/* 0: none */
	uint64_t	decision;
	uint64_t	limit;			/* if limited */
	uint32_t	failover;		/* from here on 0 or 1 */
	uint32_t	joined;
	uint32_t	quarantined;
	uint32_t	founding;
	uint32_t	primary;
	uint32_t	open;
	uint32_t	reads;
	uint32_t	lease_counts;
	uint32_t	limited;
	uint32_t	pending;		/* a set is to follow */
	uint32_t	w;				/* of the set */
	uint32_t	next_w;			/* of the set that is to follow */
	uint32_t	primary_node;	/* whose epoch it is: 0 = nobody's, or unknown */
	uint32_t	unused;
	char		primary_address[PGRAFT_MAX_ADDRESS_BYTES + 1];	/* zero-terminated;
																 * empty: unknown, or
																 * longer */
	uint64_t	ncounted;
	PgraftCounted counted[PGRAFT_MAX_COUNTED];	/* those with a token */
} PgraftFence;

/*
 * Publishes what the fence goes by, whole, with another version.  Any thread of the
 * engine may call it.  Once it has returned, every commit that has not been let or
 * acknowledged yet sees it.  What depends on it comes after: the status with a lease of
 * a later term, and the report that it is published (failover.Server.Decision).
 */
typedef void (*pgraft_fence_fn) (const PgraftFence *fence);

/*
 * As the status block: two copies, so that a reader never waits for a writer that
 * stands still.  The sequence number is the version that F3 reads first and last.
 */
typedef struct PgraftFenceBlock
{
	uint64_t	seq;			/* odd while copies[0] is being written: read
								 * copies[1] */
	PgraftFence copies[2];
} PgraftFenceBlock;

/* Copies what is used of it, in words, so that none is torn. */
static inline void
pgraft_fence_copy(PgraftFence *to, const PgraftFence *from)
{
	uint64_t   *dst = (uint64_t *) to;
	const uint64_t *src = (const uint64_t *) from;
	size_t		words = offsetof(PgraftFence, counted) / sizeof(uint64_t);
	size_t		used;

	for (size_t i = 0; i < words; i++)
		__atomic_store_n(&dst[i], __atomic_load_n(&src[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	used = to->ncounted;
	if (used > PGRAFT_MAX_COUNTED)
		used = PGRAFT_MAX_COUNTED;
	for (size_t i = words; i < words + used * (sizeof(PgraftCounted) / sizeof(uint64_t)); i++)
		__atomic_store_n(&dst[i], __atomic_load_n(&src[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* One writer at a time. */
static inline void
pgraft_fence_write(PgraftFenceBlock *block, const PgraftFence *from)
{
	uint64_t	seq = __atomic_load_n(&block->seq, __ATOMIC_RELAXED);

	if ((seq & 1) == 0)			/* else a writer was killed half-way:
								 * copies[1] is whole */
	{
		__atomic_thread_fence(__ATOMIC_RELEASE);
		pgraft_fence_copy(&block->copies[1], &block->copies[0]);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		__atomic_store_n(&block->seq, ++seq, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_RELEASE);
	}
	pgraft_fence_copy(&block->copies[0], from);
	__atomic_store_n(&block->seq, seq + 1, __ATOMIC_SEQ_CST);
}

static inline uint64_t
pgraft_fence_version(const PgraftFenceBlock *block)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&block->seq, __ATOMIC_SEQ_CST);
}

/*
 * Returns the version that *to is of.  It goes on until nothing was written
 * meanwhile: what is published changes seldom.
 */
static inline uint64_t
pgraft_fence_read(PgraftFenceBlock *block, PgraftFence *to)
{
	for (;;)
	{
		uint64_t	seq = __atomic_load_n(&block->seq, __ATOMIC_ACQUIRE);

		pgraft_fence_copy(to, &block->copies[seq & 1]);
		if (pgraft_fence_version(block) == seq)
			return seq;
	}
}

#endif							/* PGRAFT_FENCING_H */
