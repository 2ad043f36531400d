/*
 * fence_rules.h
 *		What the fence decides in each commit, as rules of plain numbers.  A part of
 *		fence.h, which includes it; it needs no PostgreSQL, so that a test of Go's
 *		compiles it alone.
 *
 * The rules are core/failover/fence.go's, and each row of the tables that its test
 * writes (testdata/failover) holds here too.  Truth is 1, falsehood 0.
 */
#ifndef PGRAFT_FENCE_RULES_H
#define PGRAFT_FENCE_RULES_H

#include <stdint.h>

/* F1: before anything of a commit is written, where nothing is lost by a refusal. */
typedef struct PgraftBeginLook
{
	int			failover;		/* the log's mode is not off */
	int			joined;
	int			quarantined;
	int			primary;		/* the newest epoch is this server's */
	int			open;			/* and open, with this boot */
	int			lease;			/* Raft's, counted and not run out */
	int			switchover;		/* of this epoch, in the log */
	int			founding;
	int			waited;			/* for pgraft.fence_wait */
} PgraftBeginLook;

typedef enum PgraftBeginVerdict
{
	PGRAFT_BEGIN_GO = 0,
	PGRAFT_BEGIN_WAIT = 1,		/* look again a little later */
	PGRAFT_BEGIN_REFUSE = 2		/* 25006, read_only_sql_transaction */
} PgraftBeginVerdict;

/*
 * F3: before a commit is acknowledged, whose record is written.  The version is read
 * first and, after all else, again: a backend may be stopped between any two of its
 * looks.
 */
typedef struct PgraftAckLook
{
	int			failover;
	int			over;			/* another epoch has begun since the commit
								 * did */
	int			open;			/* the newest epoch is this server's, and
								 * open, with this boot; else no set is known */
	int			flushed;		/* its record, here */
	uint32_t	w;				/* of the sync set */
	uint32_t	counted;		/* how many of it have flushed the record */
	int			pending;		/* another set is to follow */
	uint32_t	next_w;			/* of that */
	uint32_t	next;			/* how many of it have flushed the record */
	int			beyond;			/* with async: past what may be acknowledged */
	int			lease;			/* Raft's, counted and not run out */
	int			same;			/* the version is what it was */
} PgraftAckLook;

typedef enum PgraftAckVerdict
{
	PGRAFT_ACK = 0,
	PGRAFT_ACK_HOLD = 1,		/* look again a little later */
	PGRAFT_ACK_OVER = 2,		/* 08007, transaction_resolution_unknown, and
								 * the end of the connection */
	PGRAFT_ACK_RESTART = 3		/* look at everything again, now */
} PgraftAckVerdict;

extern PgraftBeginVerdict pgraft_begin_verdict(const PgraftBeginLook *look);
extern PgraftAckVerdict pgraft_ack_verdict(const PgraftAckLook *look);

#endif							/* PGRAFT_FENCE_RULES_H */
