/*
 * serving.h
 *		What the engine has done to the PostgreSQL server, and how that answers.
 *		A part of engine.h, which includes it.
 *
 * The engine's threads call nothing of PostgreSQL.  What one of them wants done comes
 * as a record (PGRAFT_RECORD_SERVE) to the main thread, which does it and answers with
 * pgraft_engine_served.  There is one at a time.  node.Server says what each is for.
 *
 * LSNs are ends, members are named by Raft id, and flags are 0 or 1.
 */
#ifndef PGRAFT_SERVING_H
#define PGRAFT_SERVING_H

#include <stddef.h>
#include <stdint.h>

#include "fencing.h"
#include "hosting.h"

/* What is to be done. */
typedef enum PgraftServeKind
{
	PGRAFT_SERVE_READ_NOTE = 1, /* of the data directory; answers with text */
	PGRAFT_SERVE_WRITE_NOTE,	/* payload: the note */
	PGRAFT_SERVE_MEMORY,		/* answers with memory */
	PGRAFT_SERVE_REMEMBER,		/* payload: a PgraftMemory */
	PGRAFT_SERVE_LOOK,			/* prove; answers with seen */
	PGRAFT_SERVE_WRITE_HISTORY, /* payload: PgraftFork's, the oldest first */
	PGRAFT_SERVE_REMOVE_HISTORY,	/* timeline */
	PGRAFT_SERVE_END_SOURCES,
	PGRAFT_SERVE_SOURCES_ENDED, /* answers with yes */
	PGRAFT_SERVE_STREAM,		/* slot, payload: conninfo */
	PGRAFT_SERVE_PUT_NAMES,		/* payload: synchronous_standby_names */
	PGRAFT_SERVE_END_SESSIONS,
	PGRAFT_SERVE_RESUME_REPLAY,
	PGRAFT_SERVE_PROMOTE,		/* timeline */
	PGRAFT_SERVE_RESTART,
	PGRAFT_SERVE_CHECKPOINT,
	PGRAFT_SERVE_FAST_STOP,
	PGRAFT_SERVE_LOOK_UP,		/* timeline, lsn, from; answers with yes: it
								 * is there, and record */
	PGRAFT_SERVE_FLUSH,			/* lsn */
	PGRAFT_SERVE_KEEP_SLOTS,	/* payload: PgraftSlotKept's; answers with
								 * record: from its LSN on all WAL stays */
	PGRAFT_SERVE_REJOIN			/* payload: the marker */
} PgraftServeKind;

/* A timeline, and where it begins. */
typedef struct PgraftFork
{
	uint64_t	begin;
	uint64_t	timeline;
} PgraftFork;

/* A member's slot, and up to where that member has all WAL; 0: not known. */
typedef struct PgraftSlotKept
{
	uint64_t	has;
	char		name[PGRAFT_SLOT_NAME_BYTES];
} PgraftSlotKept;

/* The body of a PGRAFT_RECORD_SERVE; its payload follows. */
typedef struct PgraftServe
{
	uint32_t	kind;			/* PgraftServeKind */
	uint32_t	prove;
	uint32_t	timeline;
	uint32_t	len;			/* of the payload */
	uint64_t	lsn;
	uint64_t	from;
	char		slot[PGRAFT_SLOT_NAME_BYTES];
} PgraftServe;

/* core/failover's Record. */
typedef struct PgraftEvidence
{
	uint64_t	lsn;
	uint64_t	from;
	uint32_t	crc;
	uint32_t	sum;
} PgraftEvidence;

/* A walsender whose standby holds its member's slot. */
typedef struct PgraftSeenSender
{
	PgraftToken token;
	uint64_t	flushed;
} PgraftSeenSender;

/* core/failover/host's Seen, and what follows to it. */
typedef struct PgraftSeen
{
	uint32_t	recovery;
	uint32_t	stopping;
	uint32_t	promote_file;
	uint32_t	promotes;
	uint32_t	half;
	uint32_t	receives;
	uint32_t	source;
	uint32_t	commits;
	uint32_t	names_in_force;
	uint32_t	last;			/* timelines */
	uint32_t	timeline;
	uint32_t	end_timeline;
	PgraftEvidence record;		/* the last one; its LSN is where WAL ends */
	uint64_t	replayed;
	uint64_t	received;
	uint64_t	inserted;
	uint64_t	flushed;
	uint64_t	redo;			/* of pg_control's checkpoint */
	uint64_t	min_recovery;
	uint64_t	backup_start;
	uint32_t	nhistory;
	uint32_t	nhistories;
	uint32_t	nsenders;
	uint32_t	consistent;		/* in recovery: all WAL that the data needs is
								 * replayed */
	const PgraftFork *history;
	const uint32_t *histories;	/* timelines */
	const PgraftSeenSender *senders;
} PgraftSeen;

/* How it went.  What it points at is there until pgraft_engine_served returns. */
typedef struct PgraftServed
{
	const char *error;			/* NULL: it was done */
	size_t		error_len;
	const char *text;
	size_t		len;
	uint64_t	yes;
	PgraftEvidence record;
	PgraftMemory memory;
	PgraftSeen	seen;
} PgraftServed;

#endif							/* PGRAFT_SERVING_H */
