/*
 * log.c
 *		The SQL functions that write and read the replicated log.
 *
 * Nothing here touches shared memory but through ask.c.
 */
#include "functions/functions.h"

#include "access/detoast.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "settings/settings.h"

PG_FUNCTION_INFO_V1(pgraft_replicate_entry);
PG_FUNCTION_INFO_V1(pgraft_propose);
PG_FUNCTION_INFO_V1(pgraft_log_get_entry);
PG_FUNCTION_INFO_V1(pgraft_log_entries);

StaticAssertDecl(UUID_LEN == PGRAFT_REQUEST_ID_BYTES, "a request id is a uuid");

static void
require_size(Size size)
{
	Size		max = (Size) pgraft_max_entry_size * 1024;

	if (size > max)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the entry is too large"),
				 errdetail("It has %zu bytes; \"pgraft.max_entry_size\" allows %zu.", size, max),
				 errhint("Raise \"pgraft.max_entry_size\" on all nodes, or replicate less at once.")));
}

/* The entry that argument 0 is, in *call, unless it is too large. */
static void
entry_arg(FunctionCallInfo fcinfo, PgraftCall *call)
{
	text	   *data;

	pgraft_require_argument(fcinfo, 0, "data");
	/* before it is decompressed or copied, and as it is in the log */
	require_size(toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ);
	data = PG_GETARG_TEXT_PP(0);
	call->len = VARSIZE_ANY_EXHDR(data);
	call->data = pgraft_text_to_log(VARDATA_ANY(data), &call->len);
	require_size(call->len);
}

/* Random values are had for so many ids at once: asking for them is the dear part. */
#define RANDOM_IDS	32

/* A random uuid, version 4. */
static void
make_request_id(uint8 *id)
{
	static uint8 values[RANDOM_IDS][PGRAFT_REQUEST_ID_BYTES];	/* this process's own */
	static int	unused = 0;		/* of them, the first ones */

	if (unused == 0)
	{
		if (!pg_strong_random(values, sizeof(values)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		unused = RANDOM_IDS;
	}
	memcpy(id, values[--unused], PGRAFT_REQUEST_ID_BYTES);
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
}

/* Has the entry committed under a request id, which is made here if it is NULL. */
static void
propose(FunctionCallInfo fcinfo, const uint8 *request_id, PgraftRows *rows)
{
	uint8		made[PGRAFT_REQUEST_ID_BYTES];
	PgraftCall	call = {
		.op = PGRAFT_OP_PROPOSE,
		.what = "the entry",
		.timeout_ms = pgraft_propose_timeout,
		.request_id = request_id,
		.args.chosen = request_id != NULL
	};

	pgraft_require_node();
	entry_arg(fcinfo, &call);
	if (request_id == NULL)
	{
		make_request_id(made);
		call.request_id = made;
	}
	pgraft_ask(&call, rows);
}

Datum
pgraft_replicate_entry(PG_FUNCTION_ARGS)
{
	PgraftRows	rows;

	propose(fcinfo, NULL, &rows);
	PG_RETURN_BOOL(true);
}

Datum
pgraft_propose(PG_FUNCTION_ARGS)
{
	PgraftRows	rows;

	InitMaterializedSRF(fcinfo, 0); /* what can fail comes before the entry */
	propose(fcinfo, PG_ARGISNULL(1) ? NULL : PG_GETARG_UUID_P(1)->data, &rows);
	pgraft_reply_add_to_set(&rows, fcinfo);
	return (Datum) 0;
}

Datum
pgraft_log_get_entry(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_LOG_ENTRY};
	size_t		len;
	char	   *data;

	pgraft_require_node();
	pgraft_require_argument(fcinfo, 0, "index");
	call.args.index = PG_GETARG_INT64(0);
	data = pgraft_ask_value(&call, &len);
	if (data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(data, len));
}

/*
 * Asks for the log piece by piece, so that no more of it than a piece is in
 * anybody's memory; the rows go to a tuplestore, which spills to disk.  What is
 * applied after the call began is left out, so that it ends.
 */
Datum
pgraft_log_entries(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_LOG_ENTRIES};
	MemoryContext piece;
	MemoryContext old;
	bool		more = true;

	pgraft_require_node();
	pgraft_require_argument(fcinfo, 0, "first");
	pgraft_require_argument(fcinfo, 1, "last");
	call.args.index = PG_GETARG_INT64(0);
	call.args.last = Min(PG_GETARG_INT64(1), (int64) pgraft_read_status().applied_index);
	InitMaterializedSRF(fcinfo, 0);

	piece = AllocSetContextCreate(CurrentMemoryContext, "pgraft log entries",
								  ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(piece);
	while (more)
	{
		PgraftRows	rows;

		pgraft_ask(&call, &rows);
		more = rows.nrows > 0;
		call.args.index += rows.nrows;
		pgraft_reply_add_to_set(&rows, fcinfo);
		MemoryContextReset(piece);
		if (call.args.index > call.args.last)
			more = false;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(piece);
	return (Datum) 0;
}
