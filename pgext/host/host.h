/*
 * host.h
 *		What the engine has done to this server (serving.h), and what it sees of it.
 *		What follows from what is seen is decided in core/failover; nothing is here.
 *
 *		host_serve.c	one thing after the other; an error is an answer
 *		host_look.c		a look at the server
 *		host_wal.c		where its WAL ends, and which record ends somewhere
 *		host_acts.c		the small steps that a host carries out
 *		host_slots.c	the members' replication slots
 *		host_stream.c	how a walreceiver ended
 *
 * All but host_stream.c runs on the engine worker's main thread.
 *
 * Uses base, settings, server, fence and boot.
 */
#ifndef PGRAFT_HOST_H
#define PGRAFT_HOST_H

#include "base/base.h"

#include "engine/engine.h"
#include "server/server.h"

/* host_serve.c */
extern void pgraft_host_serve(const char *body, size_t len, PgraftServed *served);

/* host_look.c */
extern void pgraft_host_look(bool prove, const char *names, PgraftSeen *seen);

/* host_wal.c */
extern void pgraft_host_end(bool prove, const PgraftLook *look, PgraftSeen *seen);
extern bool pgraft_host_look_up(TimeLineID tli, XLogRecPtr lsn, XLogRecPtr from,
								PgraftEvidence *ends);
extern const PgraftFork *pgraft_host_forks(const PgraftHistory *history);

/* host_acts.c */
extern void pgraft_host_end_sources(void);
extern bool pgraft_host_sources_ended(void);
extern void pgraft_host_stream(const char *conninfo, const char *slot);
extern void pgraft_host_put_names(const char *names);
extern bool pgraft_host_names_in_force(const PgraftLook *look, const char *names);
extern void pgraft_host_write_history(const PgraftFork *forks, int n);
extern void pgraft_host_promote(TimeLineID tli);
extern void pgraft_host_end_sessions(void);
extern void pgraft_host_checkpoint(void);
extern void pgraft_host_fast_stop(void);
extern void pgraft_host_flush(XLogRecPtr lsn);

/* host_slots.c */
extern XLogRecPtr pgraft_host_keep_slots(const PgraftSlotKept *slots, int n);

/* host_stream.c */
extern void pgraft_host_install(void);

#endif							/* PGRAFT_HOST_H */
