/*
 * ask.c
 *		What the SQL functions have in common: they check that there is a node
 *		and what they were given, ask the engine through a slot (client.c), and
 *		give its answer back.
 *
 * Reads the status block in shared memory (shmem.c).  Nothing here writes shared
 * memory.
 */
#include "functions/functions.h"

#include <limits.h>

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "settings/settings.h"

/* Longer waits are cut to this: 12 days. */
#define PGRAFT_MAX_WAIT_MS	(INT_MAX / 2)

void
pgraft_require_preload(void)
{
	if (pgraft_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pgraft must be loaded via \"shared_preload_libraries\""),
				 errhint("Add pgraft to \"shared_preload_libraries\" and restart the server.")));
}

void
pgraft_require_node(void)
{
	pgraft_require_preload();
	if (!pgraft_has_node())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pgraft is idle: \"pgraft.node_id\" is not set"),
				 errhint("Set \"pgraft.node_id\" to this node's number in its cluster and restart the server.")));
}

/*
 * Raises an error unless the caller may read the view that this function, of the
 * same schema, serves.
 */
void
pgraft_require_select(FunctionCallInfo fcinfo, const char *view)
{
	Oid			oid = get_relname_relid(view, get_func_namespace(fcinfo->flinfo->fn_oid));
	AclResult	allowed;

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("view \"%s\" does not exist", view)));
	allowed = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_VIEW, view);
}

void
pgraft_require_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

int32
pgraft_node_id_arg(FunctionCallInfo fcinfo, int argno, const char *name)
{
	int32		node_id;

	pgraft_require_argument(fcinfo, argno, name);
	node_id = PG_GETARG_INT32(argno);
	if (node_id < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: %d", name, node_id),
				 errdetail("A node_id is a positive integer.")));
	return node_id;
}

/* An interval in milliseconds, a month having 30 days. */
int
pgraft_interval_arg(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Interval   *wait;
	int64		ms;

	pgraft_require_argument(fcinfo, argno, name);
	wait = PG_GETARG_INTERVAL_P(argno);
	ms = ((int64) wait->month * DAYS_PER_MONTH + wait->day) * SECS_PER_DAY * 1000 +
		wait->time / 1000;
	if (ms < 0 || (ms == 0 && wait->time < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return (int) Min(ms, PGRAFT_MAX_WAIT_MS);
}

/* Asks the engine; returns with the reply open at its first value. */
void
pgraft_ask(const PgraftCall *call, PgraftRows *rows)
{
	size_t		len;
	char	   *body;

	pgraft_require_node();
	body = pgraft_call(call, &len);
	pgraft_reply_open(rows, body, len);
}

/* Asks for rows and returns them. */
Datum
pgraft_ask_rows(FunctionCallInfo fcinfo, const PgraftCall *call)
{
	PgraftRows	rows;

	pgraft_ask(call, &rows);
	pgraft_reply_to_set(&rows, fcinfo);
	return (Datum) 0;
}

/* Asks for one value: palloc'd and zero-terminated, or NULL. */
char *
pgraft_ask_value(const PgraftCall *call, size_t *len)
{
	PgraftRows	rows;

	pgraft_ask(call, &rows);
	if (rows.nrows != 1 || rows.ncols != 1)
		elog(ERROR, "pgraft engine answered %u rows of %u columns for one value",
			 rows.nrows, rows.ncols);
	return pgraft_reply_value(&rows, len);
}

/* Asks for something that is done or gives an error. */
Datum
pgraft_ask_done(const PgraftCall *call)
{
	PgraftRows	rows;

	pgraft_ask(call, &rows);
	PG_RETURN_BOOL(true);
}

/* What is known without asking, whatever the engine does or does not do. */
PgraftStatus
pgraft_read_status(void)
{
	pgraft_require_node();
	return pgraft_last_status();
}
