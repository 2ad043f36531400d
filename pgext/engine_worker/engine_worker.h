/*
 * engine_worker.h
 *		The background worker that hosts the Go engine.  Its loop
 *		(engine_worker.c) takes requests out of the slots (engine_slots.c),
 *		hands them to the engine (engine_library.c) and acts on what that has to
 *		say (engine_records.c), replies above all (engine_replies.c).  It tries first whether the engine can be loaded
 *		(limits.c); its failures in a row are counted in shared memory
 *		(engine_failures.c).  It sees to it that others hear of this server's role
 *		(role_change.c).
 *
 * Uses base, settings, shmem, fence and host.
 */
#ifndef PGRAFT_ENGINE_WORKER_H
#define PGRAFT_ENGINE_WORKER_H

#include "base/base.h"

#include "engine/engine.h"

/* engine_worker.c */
extern PGDLLEXPORT void pgraft_engine_main(Datum arg);

/* role_change.c */
extern Size pgraft_role_shmem_size(void);
extern void pgraft_role_shmem_attach(void);
extern void pgraft_role_watch(void);
extern PGDLLEXPORT void pgraft_role_main(Datum arg);

/* engine_failures.c */
extern void pgraft_failures_note(const char *message);
extern void pgraft_failures_forget(void);
extern int	pgraft_failures_wait_ms(void);

/* error_reply.c */
extern char *pgraft_error_reply(size_t *len, const char *sqlstate,
								const char *message, const char *hint);

/* engine_records.c */
extern void pgraft_records_drain(void);

/* engine_library.c */
typedef struct PgraftEngine
{
	pgraft_engine_build_fn build;
	pgraft_engine_start_fn start;
	pgraft_engine_reload_fn reload;
	pgraft_engine_submit_fn submit;
	pgraft_engine_cancel_fn cancel;
	pgraft_engine_drain_fn drain;
	pgraft_engine_served_fn served;
	pgraft_engine_stop_fn stop;
} PgraftEngine;

extern PgraftEngine pgraft_engine;
extern PgraftBell pgraft_bell;
extern void pgraft_library_load(void);
extern void pgraft_library_start(const PgraftConfig *config);

/* engine_slots.c */
extern void pgraft_slots_begin(void);
extern void pgraft_slots_end(void);
extern void pgraft_slots_scan(void);
extern void pgraft_slots_after_error(void);

/* engine_replies.c */
extern void pgraft_replies_expect(uint32 slotno, uint64 gen);
extern bool pgraft_replies_expected(uint32 slotno, uint64 gen);
extern uint64 pgraft_replies_give_up(uint32 slotno, uint64 gen);
extern void pgraft_replies_answer(const char *records, size_t len);
extern void pgraft_replies_complete(uint64 id, const char *body, size_t len);
extern void pgraft_replies_refuse(uint64 id, const char *sqlstate,
								  const char *message, const char *hint);
extern void pgraft_replies_deliver(uint32 slotno, uint64 gen);

/* limits.c */
extern void pgraft_limits_try(void);

#endif							/* PGRAFT_ENGINE_WORKER_H */
