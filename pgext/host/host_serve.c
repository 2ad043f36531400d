/*
 * host_serve.c
 *		Does what the engine asks for, one thing after the other.
 *
 * An error of PostgreSQL's becomes an answer: the engine logs it, and asks again if it
 * has to.  A file system that fails a sync is PostgreSQL's to judge, by data_sync_retry.
 *
 * Nothing here is shared.
 */
#include "host/host.h"

#include "access/xlogrecovery.h"
#include "replication/slot.h"
#include "storage/condition_variable.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "boot/boot.h"

/* The payload, zero-terminated; palloc'd. */
static char *
text_of(const PgraftServe *serve, const char *payload)
{
	return pnstrdup(payload, serve->len);
}

static void
remember(const PgraftServe *serve, const char *payload)
{
	PgraftMemory memory;

	if (serve->len != sizeof(memory))
		elog(ERROR, "a memory of %u bytes, and not of %zu", serve->len, sizeof(memory));
	memcpy(&memory, payload, sizeof(memory));
	pgraft_memory_set(&memory);
}

static void
read_note(PgraftServed *served)
{
	size_t		len = 0;
	char	   *text = pgraft_read_file(PGRAFT_DATA_FILE, &len);

	served->yes = text != NULL;
	served->text = text;
	served->len = len;
}

static void
do_it(const PgraftServe *serve, const char *payload, PgraftServed *served)
{
	switch ((PgraftServeKind) serve->kind)
	{
		case PGRAFT_SERVE_READ_NOTE:
			read_note(served);
			return;
		case PGRAFT_SERVE_WRITE_NOTE:
			pgraft_write_durably(PGRAFT_DATA_FILE, payload, serve->len);
			return;
		case PGRAFT_SERVE_MEMORY:
			pgraft_memory_get(&served->memory);
			return;
		case PGRAFT_SERVE_REMEMBER:
			remember(serve, payload);
			return;
		case PGRAFT_SERVE_LOOK:
			pgraft_host_look(serve->prove != 0, text_of(serve, payload), &served->seen);
			return;
		case PGRAFT_SERVE_WRITE_HISTORY:
			pgraft_host_write_history((const PgraftFork *) payload, serve->len / sizeof(PgraftFork));
			return;
		case PGRAFT_SERVE_REMOVE_HISTORY:
			pgraft_timeline_put_aside(serve->timeline);
			return;
		case PGRAFT_SERVE_END_SOURCES:
			pgraft_host_end_sources();
			return;
		case PGRAFT_SERVE_SOURCES_ENDED:
			served->yes = pgraft_host_sources_ended();
			return;
		case PGRAFT_SERVE_STREAM:
			pgraft_host_stream(text_of(serve, payload), serve->slot);
			return;
		case PGRAFT_SERVE_PUT_NAMES:
			pgraft_host_put_names(text_of(serve, payload));
			return;
		case PGRAFT_SERVE_END_SESSIONS:
			pgraft_host_end_sessions();
			return;
		case PGRAFT_SERVE_RESUME_REPLAY:
			if (RecoveryInProgress())
				SetRecoveryPause(false);
			return;
		case PGRAFT_SERVE_PROMOTE:
			pgraft_host_promote(serve->timeline);
			return;
		case PGRAFT_SERVE_RESTART:
			pgraft_restart_in_place();
			return;
		case PGRAFT_SERVE_CHECKPOINT:
			pgraft_host_checkpoint();
			return;
		case PGRAFT_SERVE_FAST_STOP:
			pgraft_host_fast_stop();
			return;
		case PGRAFT_SERVE_LOOK_UP:
			served->yes = pgraft_host_look_up(serve->timeline, serve->lsn, serve->from, &served->record);
			return;
		case PGRAFT_SERVE_FLUSH:
			pgraft_host_flush(serve->lsn);
			return;
		case PGRAFT_SERVE_KEEP_SLOTS:
			served->record.lsn = pgraft_host_keep_slots((const PgraftSlotKept *) payload, serve->len / sizeof(PgraftSlotKept));
			return;
		case PGRAFT_SERVE_REJOIN:
			pgraft_rejoin_begin(payload, serve->len);
			return;
	}
	elog(ERROR, "the engine asks for %u, which is nothing", serve->kind);
}

/* What an error leaves behind in a process without transactions. */
static void
clean_up(void)
{
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	pgstat_report_wait_end();
	if (MyReplicationSlot != NULL)
		ReplicationSlotRelease();
	ReleaseAuxProcessResources(false);
	AtEOXact_Files(false);
}

/* What it leaves behind for another error is only logged: there is one answer. */
static void
clean_up_after_error(MemoryContext context)
{
	PG_TRY();
	{
		clean_up();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
}

static void
answer_error(const ErrorData *error, PgraftServed *served)
{
	char	   *text = psprintf("%s%s%s%s%s", error->message,
								error->detail != NULL ? ".  " : "", error->detail != NULL ? error->detail : "",
								error->hint != NULL ? "  " : "", error->hint != NULL ? error->hint : "");

	memset(served, 0, sizeof(*served));
	served->error = text;
	served->error_len = strlen(text);
}

/* Does what the body of a PGRAFT_RECORD_SERVE asks for; raises no error. */
void
pgraft_host_serve(const char *body, size_t len, PgraftServed *served)
{
	MemoryContext context = CurrentMemoryContext;
	PgraftServe serve;

	memset(served, 0, sizeof(*served));
	PG_TRY();
	{
		if (len < sizeof(serve))
			elog(ERROR, "the engine asks for something in %zu bytes", len);
		memcpy(&serve, body, sizeof(serve));
		if (serve.len != len - sizeof(serve))
			elog(ERROR, "the engine asks for something with %u bytes, of which there are %zu", serve.len, len - sizeof(serve));
		do_it(&serve, body + sizeof(serve), served);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		answer_error(error, served);
		FreeErrorData(error);
		clean_up_after_error(context);
	}
	PG_END_TRY();
}
