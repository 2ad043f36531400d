/*
 * engine_records.c
 *		What the engine has to say to the engine worker: replies, lines for the
 *		server log, what is to be done to the server, and that it is done for.
 *
 * Runs on the worker's main thread.  Replies go into their slots
 * (engine_replies.c); nothing else here is shared.
 */
#include "engine_worker/engine_worker.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "host/host.h"
#include "shmem/shmem.h"

/* What records are drained into; a larger one gets a buffer for itself. */
#define PGRAFT_DRAIN_BYTES		(64 * 1024)

/*
 * A record of the engine's log.  pgraft.log_level has filtered it already, so
 * debug records go out at LOG: log_min_messages must not swallow what
 * pgraft_set_debug() has asked for.
 */
static void
log_record(uint32 level, const char *message)
{
	switch (level)
	{
		case PGRAFT_LOG_DEBUG:
			ereport(LOG, (errmsg_internal("pgraft debug: %s", message)));
			break;
		case PGRAFT_LOG_INFO:
			ereport(LOG, (errmsg_internal("pgraft: %s", message)));
			break;
		case PGRAFT_LOG_WARNING:
			ereport(WARNING, (errmsg_internal("pgraft: %s", message)));
			break;
		default:
			ereport(LOG, (errmsg_internal("pgraft error: %s", message)));
			break;
	}
}

/* The one string of a LOG or FATAL record, terminated; palloc'd. */
static char *
record_string(const char *body, size_t len)
{
	uint32		n;

	if (len < sizeof(n))
		return pstrdup("(no text)");
	memcpy(&n, body, sizeof(n));
	return pnstrdup(body + sizeof(n), Min((size_t) n, len - sizeof(n)));
}

/* The engine has something done to this server. */
static void
serve(uint64 id, const char *body, size_t len)
{
	PgraftServed *served = palloc(sizeof(PgraftServed));

	pgraft_host_serve(body, len, served);
	pgraft_engine.served(id, served);
	pfree(served);
}

static void
act_on_record(const PgraftRecord *record, const char *body)
{
	char	   *message;

	switch (record->kind)
	{
		case PGRAFT_RECORD_REPLY:
			pgraft_replies_complete(record->id, body, record->len);
			break;
		case PGRAFT_RECORD_LOG:
			message = record_string(body, record->len);
			log_record(record->level, message);
			pfree(message);
			break;
		case PGRAFT_RECORD_SERVE:
			serve(record->id, body, record->len);
			break;
		case PGRAFT_RECORD_FATAL:
			message = record_string(body, record->len);
			pgraft_failures_note(message);
			ereport(FATAL,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("the pgraft engine failed: %s", message),
					 errdetail("It is started again at %s.",
							   timestamptz_to_str(pgraft_next_start()))));
			break;
		default:
			elog(LOG, "pgraft engine record of unknown kind %u", record->kind);
			break;
	}
}

static void
act_on_records(const char *buf, size_t used)
{
	const char *end = buf + used;

	while (end - buf >= (ptrdiff_t) sizeof(PgraftRecord))
	{
		PgraftRecord record;

		memcpy(&record, buf, sizeof(record));
		buf += sizeof(record);
		if ((size_t) (end - buf) < record.len)
			elog(FATAL, "pgraft engine record of %u bytes is cut off", record.len);
		act_on_record(&record, buf);
		buf += Min(TYPEALIGN(PGRAFT_RECORD_ALIGN, (size_t) record.len), (size_t) (end - buf));
	}
}

/* Acts on all that the engine has to say. */
void
pgraft_records_drain(void)
{
	static char *drain_buffer = NULL;

	if (drain_buffer == NULL)
		drain_buffer = MemoryContextAlloc(TopMemoryContext, PGRAFT_DRAIN_BYTES);
	while (__atomic_load_n(&pgraft_bell.records, __ATOMIC_ACQUIRE) != 0)
	{
		int64		used = pgraft_engine.drain(drain_buffer, PGRAFT_DRAIN_BYTES);

		if (used < 0)
		{
			size_t		cap = (size_t) -used;
			char	   *buf = MemoryContextAllocHuge(CurrentMemoryContext, cap);

			used = pgraft_engine.drain(buf, cap);
			if (used > 0)
				act_on_records(buf, used);
			pfree(buf);
		}
		else
			act_on_records(drain_buffer, used);
	}
}
