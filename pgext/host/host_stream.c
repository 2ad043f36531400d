/*
 * host_stream.c
 *		How a walreceiver ended: whether the one whom this server follows lacks the WAL
 *		that it asked for, or has stopped, and has sent all.
 *
 * PostgreSQL only logs either.  Both are told to the engine of the next walreceiver, too,
 * until it streams from somebody else.
 *
 * What the primary says is text in its language, which fence_auth.c sees to; what the
 * walreceiver itself logs is known by the text that is not translated yet.  That
 * log_min_messages hides nothing of it fence_settings.c sees to.
 *
 * A walreceiver's statics are its own.  WalRcv is PostgreSQL's to guard.
 */
#include "host/host.h"

#include "miscadmin.h"
#include "replication/walreceiver.h"
#include "storage/spin.h"

#include "boot/boot.h"
#include "fence/fence.h"

static emit_log_hook_type prev_emit_log = NULL;

/* The primary has ended the stream: as it stops, or at the end of a timeline. */
static bool stream_has_ended = false;

/* The token that this walreceiver goes by; false: none. */
static bool
own_token(PgraftToken *token)
{
	char		conninfo[MAXCONNINFO];
	char	   *name;

	SpinLockAcquire(&WalRcv->mutex);
	memcpy(conninfo, WalRcv->conninfo, MAXCONNINFO);
	SpinLockRelease(&WalRcv->mutex);
	conninfo[MAXCONNINFO - 1] = '\0';
	name = strstr(conninfo, "application_name=");
	if (name == NULL)
		return false;
	name += strlen("application_name=");
	name[strcspn(name, " ")] = '\0';
	return pgraft_token_parse(name, token) != 0;
}

static void
note_end(bool lacks, bool ended)
{
	PgraftToken token;
	PgraftMemory memory;

	pgraft_memory_get(&memory);
	if (own_token(&token) && memcmp(&token, &memory.follows, sizeof(token)) == 0)
		pgraft_memory_stream_ended(lacks, ended);
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void
listen_to_walreceiver(const ErrorData *edata)
{
	const char *id = edata->message_id != NULL ? edata->message_id : "";

	if (begins(id, "replication terminated by primary server"))
		stream_has_ended = true;
	else if (begins(id, "started streaming WAL") || begins(id, "restarted WAL streaming"))
		stream_has_ended = false;
	else if (edata->elevel < ERROR)
		return;
	else if (stream_has_ended && begins(id, "could not send end-of-streaming message"))
		note_end(false, true);
	else if (edata->message != NULL && strstr(edata->message, "requested WAL segment ") != NULL &&
			 strstr(edata->message, " has already been removed") != NULL)
		note_end(true, false);
}

static void
emit_log(ErrorData *edata)
{
	if (prev_emit_log)
		prev_emit_log(edata);
	if (MyBackendType == B_WAL_RECEIVER)
		listen_to_walreceiver(edata);
}

/* In the postmaster, while shared_preload_libraries is loaded. */
void
pgraft_host_install(void)
{
	prev_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
