/*
 * client.h
 *		The client's side of a request to the engine: send it and wait for its
 *		reply (client.c) through a slot of shared memory (client_slot.c), and
 *		read what came (replies.c).  Backends are clients, and the apply worker
 *		is.
 *
 * Uses base, settings and shmem.
 */
#ifndef PGRAFT_CLIENT_H
#define PGRAFT_CLIENT_H

#include "base/base.h"

#include "storage/dsm.h"

#include "engine/engine.h"
#include "shmem/shmem.h"

/* client.c */
typedef struct PgraftCall
{
	uint32		op;				/* PGRAFT_OP_* */
	const char *what;			/* "the entry", for errors; a write has one */
	PgraftArgs	args;
	const char *data;
	size_t		len;
	int			timeout_ms;		/* 0: PGRAFT_CALL_TIMEOUT_MS */
	const uint8 *request_id;	/* PGRAFT_REQUEST_ID_BYTES, or NULL */
	bool		may_end;		/* pgraft_call returns NULL when time is up,
								 * in place of an error: that is an answer too */
	bool		(*give_up) (void);	/* not NULL: pgraft_call returns NULL once
									 * it says true; asked after every wake-up */
} PgraftCall;

static inline const char *
pgraft_call_name(const PgraftCall *call)
{
	return call->what != NULL ? call->what : "the request";
}

extern char *pgraft_call(const PgraftCall *call, size_t *len);

/* client_slot.c */
extern PgraftSlot *pgraft_client_slot(void);
extern char *pgraft_client_request_name(const PgraftCall *call);
extern void pgraft_client_acquire(const PgraftCall *call, PgraftDeadline deadline);
extern dsm_segment *pgraft_client_publish(const PgraftCall *call, uint32 engine,
										  PgraftDeadline deadline);
extern dsm_segment *pgraft_client_fetch(void);
extern bool pgraft_client_withdraw(void);
extern void pgraft_client_release(int code, Datum arg);

/* replies.c */
typedef struct PgraftRows
{
	const char *next;
	const char *end;
	uint32		nrows;
	uint32		ncols;
} PgraftRows;

extern void pgraft_reply_open(PgraftRows *rows, const char *body, size_t len);
extern char *pgraft_reply_value(PgraftRows *rows, size_t *len);
extern const char *pgraft_reply_bytes(PgraftRows *rows, size_t *len);
extern void pgraft_reply_to_set(PgraftRows *rows, FunctionCallInfo fcinfo);
extern void pgraft_reply_add_to_set(PgraftRows *rows, FunctionCallInfo fcinfo);

#endif							/* PGRAFT_CLIENT_H */
