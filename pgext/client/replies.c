/*
 * replies.c
 *		Reads the body of a reply, as engine.h describes it.
 *
 * Everything here works on the process's own memory: a reply is copied out of
 * the slot first.  Lengths are checked against the body's end all the same, so
 * that an engine of another build gives an error, not a crash.
 */
#include "client/client.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/tuplestore.h"

static void
malformed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("malformed reply of the pgraft engine"),
			 errhint("Restart the server if pgraft was installed anew while it ran.")));
}

static uint32
take_uint32(PgraftRows *rows)
{
	uint32		value;

	if (rows->end - rows->next < (ptrdiff_t) sizeof(value))
		malformed();
	memcpy(&value, rows->next, sizeof(value));
	rows->next += sizeof(value);
	return value;
}

/* The next string, not terminated; NULL for NULL. */
static const char *
take_string(PgraftRows *rows, size_t *len)
{
	uint32		n = take_uint32(rows);
	const char *at = rows->next;

	*len = 0;
	if (n == PGRAFT_NULL_LENGTH)
		return NULL;
	if ((size_t) (rows->end - rows->next) < n)
		malformed();
	rows->next += n;
	*len = n;
	return at;
}

/* A text of the engine's own, for people to read. */
static char *
take_message(PgraftRows *rows)
{
	size_t		len;
	const char *at = take_string(rows, &len);

	return at == NULL ? NULL : pgraft_text_show(pnstrdup(at, len), PG_UTF8);
}

static void
report_error(PgraftRows *rows, const char *state)
{
	char	   *message = take_message(rows);
	char	   *detail = take_message(rows);
	char	   *hint = take_message(rows);

	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])),
			 errmsg_internal("%s", message ? message : "the pgraft engine refused the request"),
			 detail ? errdetail_internal("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0));
}

/*
 * Opens a reply: raises its error, shows its notice, and stops before its first
 * value.
 */
void
pgraft_reply_open(PgraftRows *rows, const char *body, size_t len)
{
	const char *state = body;
	char	   *notice;

	rows->next = body;
	rows->end = body + len;
	if (len < PGRAFT_SQLSTATE_BYTES)
		malformed();
	rows->next += PGRAFT_SQLSTATE_BYTES;
	if (memcmp(state, PGRAFT_SQLSTATE_DONE, PGRAFT_SQLSTATE_BYTES) != 0)
		report_error(rows, state);

	notice = take_message(rows);
	if (notice != NULL)
		ereport(NOTICE, (errmsg_internal("%s", notice)));
	rows->nrows = take_uint32(rows);
	rows->ncols = take_uint32(rows);
}

/* The next value as it is, in the reply; NULL for NULL. */
const char *
pgraft_reply_bytes(PgraftRows *rows, size_t *len)
{
	return take_string(rows, len);
}

/*
 * The next value, palloc'd and zero-terminated, or NULL: text in this database's
 * encoding.  Only ASCII is to be had outside a transaction.
 */
char *
pgraft_reply_value(PgraftRows *rows, size_t *len)
{
	const char *at = take_string(rows, len);
	const char *text;
	char	   *value;

	if (at == NULL)
		return NULL;
	text = pgraft_text_from_log(at, len);
	value = palloc(*len + 1);
	memcpy(value, text, *len);
	value[*len] = '\0';
	return value;
}

/* Returns all rows as the result of a set-returning function. */
void
pgraft_reply_to_set(PgraftRows *rows, FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	pgraft_reply_add_to_set(rows, fcinfo);
}

/*
 * Adds all rows to a result for which InitMaterializedSRF was called.  New columns
 * come last: a function of an extension that was not updated yet returns less than
 * the engine has.
 */
void
pgraft_reply_add_to_set(PgraftRows *rows, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AttInMetadata *attinmeta;
	char	  **values;

	if (rows->nrows > 0 && rows->ncols < (uint32) rsinfo->setDesc->natts)
		malformed();

	attinmeta = TupleDescGetAttInMetadata(rsinfo->setDesc);
	values = palloc(sizeof(char *) * rsinfo->setDesc->natts);
	for (uint32 row = 0; row < rows->nrows; row++)
	{
		HeapTuple	tuple;
		size_t		len;

		for (uint32 col = 0; col < rows->ncols; col++)
		{
			if (col < (uint32) rsinfo->setDesc->natts)
				values[col] = pgraft_reply_value(rows, &len);
			else
				(void) pgraft_reply_bytes(rows, &len);
		}
		tuple = BuildTupleFromCStrings(attinmeta, values);
		tuplestore_puttuple(rsinfo->setResult, tuple);
		heap_freetuple(tuple);
		for (int col = 0; col < rsinfo->setDesc->natts; col++)
			if (values[col] != NULL)
				pfree(values[col]);
	}
}
