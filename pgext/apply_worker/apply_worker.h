/*
 * apply_worker.h
 *		The background worker that applies committed entries to a database: its
 *		loop (apply_worker.c), its talk with the engine (apply_log.c,
 *		apply_ask.c), one entry (apply_entry.c), the state of all
 *		(apply_export.c), its tables (apply_tables.c), and what the server knows
 *		of it (apply_state.c).
 *
 * Uses base, settings, shmem and client: it is a client of the engine.
 */
#ifndef PGRAFT_APPLY_WORKER_H
#define PGRAFT_APPLY_WORKER_H

#include "base/base.h"

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"

#include "client/client.h"
#include "engine/engine.h"

/* pgraft_stat_apply.state */
typedef enum PgraftApplyState
{
	PGRAFT_APPLY_STOPPED,		/* no worker */
	PGRAFT_APPLY_CONNECTING,	/* to pgraft.database */
	PGRAFT_APPLY_IDLE,			/* no function is registered */
	PGRAFT_APPLY_STANDBY,		/* in recovery: the tables arrive by streaming */
	PGRAFT_APPLY_WAITING,		/* for the engine, or to become a member */
	PGRAFT_APPLY_RUNNING,
	PGRAFT_APPLY_FAILED			/* stands before an entry that it cannot apply */
} PgraftApplyState;

/* Bytes of a function's signature that are shown. */
#define PGRAFT_APPLY_FUNCTION_SIZE	256

/* What pgraft_stat_apply shows; a time or an index of 0 is none. */
typedef struct PgraftApplyReport
{
	PgraftApplyState state;
	int			pid;
	uint64		applied;
	uint64		entries;		/* applied since the server started */
	TimestampTz last_applied;
	uint64		failing_index;
	TimestampTz failing_since;	/* 0 unless the last attempt failed */
	uint64		retries;
	TimestampTz next_retry;
	TimestampTz last_error_time;
	int			encoding;		/* of the texts that follow: the database's */
	char		function[PGRAFT_APPLY_FUNCTION_SIZE];
	char		last_error_sqlstate[6];
	char		last_error[PGRAFT_LAST_ERROR_SIZE];
} PgraftApplyReport;

/* apply_state.c */
extern Size pgraft_apply_shmem_size(void);
extern void pgraft_apply_shmem_attach(void);
extern void pgraft_apply_wake(void);
extern void pgraft_apply_look(void);
extern bool pgraft_apply_is_disturbed(void);
extern int	pgraft_apply_attach(uint64 *failed_at, TimestampTz *next_retry);
extern int	pgraft_apply_connect_begin(void);
extern void pgraft_apply_connect_end(void);
extern void pgraft_apply_set_state(PgraftApplyState state, const char *function);
extern void pgraft_apply_set_applied(uint64 index, bool entry);
extern void pgraft_apply_set_error(const ErrorData *error, uint64 index,
								   TimestampTz next_retry);
extern void pgraft_apply_get(PgraftApplyReport *report);
extern uint64 pgraft_apply_lag(const PgraftApplyReport *report);
extern ConditionVariable *pgraft_applied_cv(void);

/* What the tables of schema pgraft say, for a turn of the worker. */
typedef struct PgraftApplySession
{
	bool		installed;		/* the extension is there */
	char	   *function;		/* its signature, or NULL if none is
								 * registered */
	char	   *export;			/* those of export and import: both or neither */
	char	   *import;
	uint64		index;			/* the last index that is done with */
	char	   *cluster;		/* uuid of the cluster it belongs to; NULL
								 * until pgraft.apply_progress has its row */
	bool		asked;			/* the engine has answered once */
} PgraftApplySession;

/* apply_tables.c */
extern Oid	pgraft_apply_table(const char *name);
extern void pgraft_apply_load(PgraftApplySession *session);
extern void pgraft_apply_begin(PgraftApplySession *session, const char *cluster);
extern void pgraft_apply_recovered(PgraftApplySession *session, const char *cluster);
extern bool pgraft_apply_progress(uint64 *index, uint64 *term);
extern void pgraft_apply_move(PgraftApplySession *session, uint64 index, uint64 term);

/* apply_entry.c */
extern Oid	pgraft_apply_find_function(const char *signature);
typedef enum PgraftApplyKind
{
	PGRAFT_FUNCTION_APPLY,		/* (bigint, bigint, text) returns void */
	PGRAFT_FUNCTION_EXPORT,		/* () returns bytea */
	PGRAFT_FUNCTION_IMPORT		/* (bytea) returns void */
} PgraftApplyKind;

extern Oid	pgraft_apply_check_function(Oid function, PgraftApplyKind kind);
extern Datum pgraft_apply_invoke(const char *signature, PgraftApplyKind kind,
								 const NullableDatum *args, bool *isnull);
extern void pgraft_apply_start(const char *function);
extern void pgraft_apply_entry(PgraftApplySession *session, uint64 index,
							   uint64 term, const char *data, size_t len);

/* apply_log.c */
typedef enum PgraftNext
{
	PGRAFT_NEXT_ENTRIES,		/* perhaps none */
	PGRAFT_NEXT_NO_MEMBER,		/* this node belongs to no cluster yet */
	PGRAFT_NEXT_DISTURBED		/* the worker has something else to do first */
} PgraftNext;

/* The entry at hand, for the report of an error; 0 = none. */
extern volatile uint64 pgraft_apply_at_index;

extern void pgraft_apply_retain(int64 index, bool importable);
extern void pgraft_apply_retain_after(const PgraftApplySession *session);
extern PgraftNext pgraft_apply_next(PgraftApplySession *session, PgraftRows *rows);

extern bool pgraft_apply_rows(PgraftApplySession *session, PgraftRows *rows);

/* apply_ask.c */
extern char *pgraft_apply_ask(PgraftCall *call, size_t *len);
extern bool pgraft_apply_ask_rows(PgraftCall *call, PgraftRows *rows);

/* apply_export.c */
extern void pgraft_apply_export(PgraftApplySession *session);
extern bool pgraft_apply_import(PgraftApplySession *session);

/* apply_worker.c */
extern PGDLLEXPORT void pgraft_apply_main(Datum arg);

#endif							/* PGRAFT_APPLY_WORKER_H */
