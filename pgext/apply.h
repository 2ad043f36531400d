/*
 * apply.h
 *		What the files about applying committed entries share: the worker
 *		(apply_worker.c), its talk with the engine (apply_log.c), one entry
 *		(apply_entry.c), the state of all (apply_export.c), its tables
 *		(apply_tables.c), its state in shared memory (apply_state.c) and the
 *		operator's functions (apply_functions.c).
 */
#ifndef PGRAFT_APPLY_H
#define PGRAFT_APPLY_H

#include "pgraft.h"

/* Wake-ups of the worker so far; a change means: look at the tables again. */
extern uint32 pgraft_apply_wakeups(void);
extern void pgraft_apply_wake(void);

/* apply_state.c, the worker's side */
extern int	pgraft_apply_attach(uint64 *failed_at, TimestampTz *next_retry);
extern int	pgraft_apply_connect_begin(void);
extern void pgraft_apply_connect_end(void);
extern void pgraft_apply_set_state(PgraftApplyState state, const char *function);
extern void pgraft_apply_set_applied(uint64 index, bool entry);
extern void pgraft_apply_set_error(const ErrorData *error, uint64 index,
								   TimestampTz next_retry);
extern void pgraft_apply_get(PgraftApplyReport *report);
extern uint64 pgraft_apply_lag(const PgraftApplyReport *report);

/* What the tables of schema pgraft say, for a turn of the worker. */
typedef struct PgraftApplySession
{
	bool		installed;		/* the extension is there */
	char	   *function;		/* its signature, or NULL if none is registered */
	char	   *export;			/* those of export and import: both or neither */
	char	   *import;
	uint64		index;			/* the last index that is done with */
	char	   *cluster;		/* uuid of the cluster it belongs to; NULL until
								 * pgraft.apply_progress has its row */
	bool		asked;			/* the engine has answered once */
} PgraftApplySession;

/* apply_tables.c */
extern Oid	pgraft_apply_table(const char *name);
extern void pgraft_apply_load(PgraftApplySession *session);
extern void pgraft_apply_begin(PgraftApplySession *session, const char *cluster);
extern void pgraft_apply_recovered(PgraftApplySession *session, const char *cluster);
extern bool pgraft_apply_progress(uint64 *index, uint64 *term);
extern void pgraft_apply_move(PgraftApplySession *session, uint64 index, uint64 term);

/* apply_functions.c */
extern void pgraft_apply_watch_extension(void);

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
extern char *pgraft_apply_ask(PgraftCall *call, size_t *len);
extern PgraftNext pgraft_apply_next(PgraftApplySession *session, PgraftRows *rows);

/* Rows about the log that come before the entries. */
#define PGRAFT_NEXT_HEADER_ROWS	2

extern bool pgraft_apply_rows(PgraftApplySession *session, PgraftRows *rows);

/* apply_export.c */
extern void pgraft_apply_export(PgraftApplySession *session);
extern bool pgraft_apply_import(PgraftApplySession *session);

/* apply_worker.c */
extern bool pgraft_apply_is_disturbed(void);

#endif							/* PGRAFT_APPLY_H */
