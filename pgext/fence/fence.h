/*
 * fence.h
 *		The fence of failover: no server but the primary of the newest epoch lets
 *		a transaction commit, acknowledges one, or shows what may go away.  It
 *		reads shared memory (fence_state.c), where the engine publishes what the
 *		log says, and asks nobody: so it holds while the engine hangs, or is gone.
 *
 *		fence.c installs its hooks, only where pgraft.failover is on.  What is
 *		decided is in fence_rules.c; fence_look.c gathers what that needs, and
 *		fence_senders.c whose standbys have flushed a commit, each known by its
 *		token (fence_token.c).  fence_xact.c follows a transaction through its
 *		commit: may it begin (F1, fence_begin.c), does it wait for standbys (F2,
 *		fence_hold.c), is it acknowledged (F3, fence_ack.c).  fence_statements.c
 *		and fence_shows.c look at statements as they begin, fence_auth.c at
 *		walsenders, and fence_settings.c at settings of PostgreSQL's that the fence
 *		changes or guards (F4).  fence_hint.c says where to go instead.
 *
 * Uses base, server, settings and shmem.
 */
#ifndef PGRAFT_FENCE_H
#define PGRAFT_FENCE_H

#include "base/base.h"

#include "access/xlogdefs.h"

#include "engine/engine.h"
#include "fence/fence_rules.h"
#include "fence/fence_token.h"

/* fence_state.c */
extern bool pgraft_fence_is_there(void);
extern Size pgraft_fence_shmem_size(void);
extern void pgraft_fence_shmem_attach(void);
extern void pgraft_fence_unknown(void);
extern void pgraft_fence_open(void);
extern void pgraft_fence_publish(const PgraftFence *fence);
extern void pgraft_fence_close(void);
extern uint64 pgraft_fence_get(PgraftFence *fence);
extern uint64 pgraft_fence_get_version(void);
extern void pgraft_fence_let_names_be_empty(bool may);
extern bool pgraft_fence_names_may_be_empty(void);
extern void pgraft_commit_begins(void);
extern void pgraft_commit_ended(void);
extern uint32 pgraft_commits_under_way(void);

/* fence_senders.c */
typedef struct PgraftSender
{
	PgraftToken token;
	XLogRecPtr	flushed;
} PgraftSender;

extern Size pgraft_senders_shmem_size(void);
extern void pgraft_senders_shmem_attach(void);
extern void pgraft_senders_enter(const PgraftToken *token);
extern int	pgraft_senders_get(PgraftSender *found, int max);
extern void pgraft_senders_count(const PgraftFence *fence, XLogRecPtr end,
								 uint32 *set, uint32 *next);

/* fence_look.c */
typedef struct PgraftCommit
{
	bool		fenced;			/* it has begun in that epoch */
	uint64		epoch;
	XLogRecPtr	end;			/* of its record; invalid: it wrote no WAL
								 * that standbys need */
} PgraftCommit;

extern PgraftBeginVerdict pgraft_look_begin(bool waited, PgraftFence *fence);
extern PgraftAckVerdict pgraft_look_ack(PgraftCommit *commit);
extern bool pgraft_look_replicated(XLogRecPtr end);
extern bool pgraft_look_readable(void);
extern bool pgraft_look_fenced(void);
extern long pgraft_look_again_ms(long waited_ms);

/* fence_hint.c */
extern char *pgraft_hint_primary(const PgraftFence *fence);

/* fence_begin.c */
extern void pgraft_fence_begin(const char *what, PgraftCommit *commit);

/* fence_ack.c */
extern void pgraft_fence_ack(PgraftCommit *commit);

/* fence_hold.c */
extern void pgraft_fence_hold_install(void);

/* fence_xact.c */
extern bool pgraft_fence_applies(void);
extern void pgraft_fence_finishes_prepared(const char *what);
extern void pgraft_fence_autonomous(const char *what);
extern bool pgraft_fence_may_read(void);
extern void pgraft_fence_reads(void);
extern void pgraft_fence_refuse_to_show(void);
extern void pgraft_fence_xact_install(void);

/* fence_auth.c */
extern void pgraft_fence_auth_install(void);

/* fence_statements.c */
extern void pgraft_fence_statements_install(void);

/* fence_shows.c */
extern void pgraft_fence_shows_install(void);

/* fence_settings.c */
extern void pgraft_fence_settings_install(void);

/* fence.c */
extern void pgraft_fence_install(void);

#endif							/* PGRAFT_FENCE_H */
