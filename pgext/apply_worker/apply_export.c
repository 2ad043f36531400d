/*
 * apply_export.c
 *		The state of all that the apply function has made: exported for another
 *		node, or imported from one.
 *
 * A node that was away for long, or joins late, may need entries that are in no
 * log any more.  Then the engine gets the state of another node's database, as
 * its apply worker exports it in one snapshot with its progress; the import and
 * the new progress are one transaction, so it too happens exactly once.  The
 * functions run as their owners, see apply_entry.c.
 *
 * A state is a header, its integers in network byte order, and the function's
 * bytea.  Nothing here is shared.
 */
#include "apply_worker/apply_worker.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "settings/settings.h"

#define PGRAFT_STATE_MAGIC		0x70677331	/* "pgs1" */

typedef struct StateHeader
{
	uint32		magic;
	uint32		reserved;		/* 0 */
	uint64		index;			/* the last entry that is in the state */
	uint64		term;
} StateHeader;

/* Another node exports it meanwhile. */
#define PGRAFT_IMPORT_TIMEOUT_MS	150000

static void
export_context(void *arg)
{
	errcontext("exporting the state of the database with %s", (char *) arg);
}

static void
import_context(void *arg)
{
	errcontext("importing the state of another node's database with %s", (char *) arg);
}

/* The state of the database in the caller's memory context. */
static char *
export_state(PgraftApplySession *session, size_t *len)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorContextCallback context = {error_context_stack, export_context, session->export};
	StateHeader header = {.magic = pg_hton32(PGRAFT_STATE_MAGIC)};
	uint64		index = 0;
	uint64		term = 0;
	bytea	   *data;
	bool		isnull;
	char	   *state;

	error_context_stack = &context;
	pgraft_apply_start(session->export);
	XactIsoLevel = XACT_REPEATABLE_READ;	/* one snapshot for all */
	XactReadOnly = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) pgraft_apply_progress(&index, &term);
	data = DatumGetByteaPP(pgraft_apply_invoke(session->export, PGRAFT_FUNCTION_EXPORT, NULL, &isnull));
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the export function returned NULL")));
	header.index = pg_hton64(index);
	header.term = pg_hton64(term);
	*len = sizeof(header) + VARSIZE_ANY_EXHDR(data);
	state = MemoryContextAllocHuge(caller, *len);
	memcpy(state, &header, sizeof(header));
	memcpy(state + sizeof(header), VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgraft_in_apply_function = false;
	error_context_stack = context.previous;
	MemoryContextSwitchTo(caller);
	pgstat_report_activity(STATE_IDLE, NULL);
	return state;
}

/* Hands the state to the engine, which was asked for it by another member. */
void
pgraft_apply_export(PgraftApplySession *session)
{
	size_t		len = 0;
	char	   *state = NULL;
	size_t		offset = 0;

	if (session->export != NULL && session->index > 0)
		state = export_state(session, &len);
	do
	{
		PgraftCall	call = {
			.op = PGRAFT_OP_APPLY_EXPORT,
			.args.offset = (int64) offset,
			.args.total = (int64) len,
			.data = state == NULL ? NULL : state + offset,
			.len = Min(len - offset, PGRAFT_STATE_PART_BYTES)
		};
		PgraftRows	rows;
		size_t		got;
		char	   *body = pgraft_apply_ask(&call, &got);

		if (body == NULL)
			break;				/* disturbed: who asked asks again */
		pgraft_reply_open(&rows, body, got);
		pfree(body);
		offset += call.len;
	} while (offset < len);
	if (state != NULL)
		pfree(state);
}

/* Gets a state from the engine, part by part; NULL if there is none. */
static char *
fetch_state(size_t *len)
{
	char	   *state = NULL;
	size_t		have = 0;

	do
	{
		PgraftCall	call = {
			.op = PGRAFT_OP_APPLY_IMPORT,
			.args.offset = (int64) have,
			.timeout_ms = PGRAFT_IMPORT_TIMEOUT_MS
		};
		PgraftRows	rows;
		size_t		got;
		const char *part;
		char	   *total;
		char	   *body = pgraft_apply_ask(&call, &got);

		if (body == NULL)
			return NULL;
		pgraft_reply_open(&rows, body, got);
		if (rows.nrows == 0)
			return NULL;
		total = pgraft_reply_value(&rows, &got);
		*len = strtou64(total, NULL, 10);
		if (state == NULL)
			state = MemoryContextAllocHuge(CurrentMemoryContext, *len);
		part = pgraft_reply_bytes(&rows, &got);
		if (got == 0 || got > *len - have)
			elog(ERROR, "the pgraft engine gave %zu bytes at %zu of %zu", got, have, *len);
		memcpy(state + have, part, got);
		have += got;
		pfree(body);
	} while (have < *len);
	return state;
}

static void
import_state(PgraftApplySession *session, uint64 index, uint64 term, const char *data, size_t len)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorContextCallback context = {error_context_stack, import_context, session->import};
	NullableDatum args[1];
	bytea	   *value;
	bool		isnull;

	error_context_stack = &context;
	pgraft_apply_start(session->import);
	PushActiveSnapshot(GetTransactionSnapshot());
	pgraft_apply_move(session, index, term);
	PopActiveSnapshot();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	value = palloc(VARHDRSZ + len);
	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), data, len);
	args[0].value = PointerGetDatum(value);
	args[0].isnull = false;
	(void) pgraft_apply_invoke(session->import, PGRAFT_FUNCTION_IMPORT, args, &isnull);
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgraft_in_apply_function = false;
	error_context_stack = context.previous;
	MemoryContextSwitchTo(caller);
	pgstat_report_activity(STATE_IDLE, NULL);
	session->index = index;
	pgraft_apply_set_applied(index, false);
}

/*
 * Fills the database from another node's; false if there is none that exports
 * its state, or none that is further than this one.
 */
bool
pgraft_apply_import(PgraftApplySession *session)
{
	StateHeader header;
	size_t		len;
	char	   *state = fetch_state(&len);
	uint64		index;

	if (state == NULL)
		return pgraft_apply_is_disturbed();
	memcpy(&header, state, Min(sizeof(header), len));
	if (len < sizeof(header) || pg_ntoh32(header.magic) != PGRAFT_STATE_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("another node's exported state cannot be read by this version of pgraft")));
	index = pg_ntoh64(header.index);
	if (index <= session->index)
		return false;
	import_state(session, index, pg_ntoh64(header.term), state + sizeof(header), len - sizeof(header));
	ereport(LOG,
			(errmsg("pgraft has filled database \"%s\" from another node's, as of entry " UINT64_FORMAT,
					pgraft_database, index)));
	pfree(state);
	return true;
}
