/*
 * base.h
 *		What every room of the shim may use: what differs between versions of
 *		PostgreSQL (compat.h), text between encodings (text.c), deadlines
 *		(deadline.c), what a process knows of itself (process.c), wait events
 *		(wait_events.c), and a worker's crashes in a row (crashes.c).
 *
 * Which room may use which stands in README.md.  This one uses none.
 */
#ifndef PGRAFT_BASE_H
#define PGRAFT_BASE_H

#include "postgres.h"

#include <signal.h>

#include "fmgr.h"

#include "base/compat.h"

#define PGRAFT_VERSION			"1.0.0"

/* process.c */
extern bool pgraft_engine_is_registered;
extern bool pgraft_apply_is_registered;
extern volatile sig_atomic_t pgraft_in_apply_function;
extern bool pgraft_is_apply_worker;
extern void pgraft_refuse_in_apply_function(const char *what);
extern bool pgraft_server_is_stopping(void);

/* In the server's data directory, which is every process's current one. */
#define PGRAFT_PID_FILE		"postmaster.pid"

/* wait_events.c */
typedef enum PgraftWait
{
	PGRAFT_WAIT_ENGINE_MAIN,	/* the engine worker, until something comes */
	PGRAFT_WAIT_ENGINE_START,	/* until the engine worker is up */
	PGRAFT_WAIT_SLOT,			/* for one of the PGRAFT_SLOTS request slots */
	PGRAFT_WAIT_REPLY,			/* for the engine's reply */
	PGRAFT_WAIT_APPLY_MAIN,		/* the apply worker, until it tries again or
								 * is woken */
	PGRAFT_WAIT_APPLIED,		/* until the apply worker has come as far as a
								 * read has to see */
	PGRAFT_WAIT_FENCE_BEGIN,	/* a commit, until it may begin */
	PGRAFT_WAIT_FENCE_HOLD,		/* a commit whose wait for standbys was to end
								 * early, for them on */
	PGRAFT_WAIT_FENCE_ACK,		/* a commit, until it may be acknowledged */
	PGRAFT_WAIT_ROLE_CHANGE		/* pgraft.role_change_command */
} PgraftWait;

extern uint32 pgraft_wait_event(PgraftWait wait);

/*
 * deadline.c.  By the clock that goes on evenly, whatever is done to the time of
 * day.  A struct, so that no TimestampTz is taken for one.
 */
typedef struct PgraftDeadline
{
	int64		us;
} PgraftDeadline;

/* The postmaster's pause, and the longest one after failures in a row. */
#define PGRAFT_MIN_RETRY_MS		1000
#define PGRAFT_MAX_RETRY_MS		60000

extern PgraftDeadline pgraft_deadline_in(long ms);
extern PgraftDeadline pgraft_deadline_earlier(PgraftDeadline a, PgraftDeadline b);
extern long pgraft_remaining_ms(PgraftDeadline deadline);
extern int	pgraft_retry_ms(uint32 failures);

/* text.c */
extern const char *pgraft_text_to_log(const char *text, size_t *len);
extern const char *pgraft_text_from_log(const char *data, size_t *len);
extern void pgraft_text_copy(char *to, size_t size, const char *from, int encoding);
extern char *pgraft_text_show(char *text, int encoding);

/* crashes.c */
extern uint32 pgraft_crashes_open(const char *name);
extern uint32 pgraft_crashes_without(uint64 now);
extern int	pgraft_crashes_wait_ms(void);
extern void pgraft_crashes_begin(void);
extern void pgraft_crashes_end(void);
extern void pgraft_crashes_forget(void);
extern bool pgraft_crashes_runs_well(void);
extern void pgraft_crashes_quit(SIGNAL_ARGS);

#endif							/* PGRAFT_BASE_H */
