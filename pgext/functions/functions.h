/*
 * functions.h
 *		What SQL calls: the functions that a cluster is run with (functions.c),
 *		those of the log (log.c), of reads (reads.c), of failover (failover.c),
 *		of applying (apply_functions.c) and of the flight recorder (trace.c), and what the
 *		views select from (views.c).  SQL finds them by name, so nothing of them
 *		stands here but what they share (ask.c).
 *
 * Uses base, settings, shmem, client and apply_worker.
 */
#ifndef PGRAFT_FUNCTIONS_H
#define PGRAFT_FUNCTIONS_H

#include "base/base.h"

#include "client/client.h"
#include "engine/engine.h"

/* Monitoring should hear soon that the engine does not answer. */
#define PGRAFT_MONITOR_TIMEOUT_MS	5000

/* ask.c */
extern void pgraft_require_preload(void);
extern void pgraft_require_node(void);
extern void pgraft_require_select(FunctionCallInfo fcinfo, const char *view);
extern void pgraft_require_argument(FunctionCallInfo fcinfo, int argno, const char *name);
extern int32 pgraft_node_id_arg(FunctionCallInfo fcinfo, int argno, const char *name);
extern int	pgraft_interval_arg(FunctionCallInfo fcinfo, int argno, const char *name);
extern PgraftStatus pgraft_read_status(void);
extern void pgraft_ask(const PgraftCall *call, PgraftRows *rows);
extern Datum pgraft_ask_rows(FunctionCallInfo fcinfo, const PgraftCall *call);
extern char *pgraft_ask_value(const PgraftCall *call, size_t *len);
extern Datum pgraft_ask_done(const PgraftCall *call);

/* apply_functions.c */
extern void pgraft_apply_watch_extension(void);

#endif							/* PGRAFT_FUNCTIONS_H */
