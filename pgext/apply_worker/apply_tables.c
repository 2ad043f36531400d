/*
 * apply_tables.c
 *		The apply worker's tables in schema pgraft: which function is registered,
 *		and how far it has come.
 *
 * The worker is a superuser, so it touches these tables only if they are the
 * extension's: whoever may create a schema could have made others of that name,
 * with triggers.  Its statements name every object and operator with its schema.
 *
 * The statics are the process's own: plans, which PostgreSQL checks anew when
 * what they refer to has changed.
 */
#include "apply_worker/apply_worker.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

static const char *const load_sql =
"SELECT f.apply, p.index, p.cluster, f.export, f.import"
" FROM (SELECT 1) one"
" LEFT JOIN pgraft.apply_function f ON true"
" LEFT JOIN pgraft.apply_progress p ON true";

/* Zero rows: somebody else has moved it. */
static const char *const move_sql =
"UPDATE pgraft.apply_progress SET index = $1, term = $2, applied_at = $3"
" WHERE index OPERATOR(pg_catalog.=) $4";

static const char *const begin_sql =
"INSERT INTO pgraft.apply_progress (cluster) VALUES ($1)";

static const char *const recovered_sql =
"UPDATE pgraft.apply_progress SET cluster = $1 WHERE cluster OPERATOR(pg_catalog.=) $2";

static const char *const progress_sql =
"SELECT index, term FROM pgraft.apply_progress";

static SPIPlanPtr load_plan = NULL;
static SPIPlanPtr progress_plan = NULL;
static SPIPlanPtr recovered_plan = NULL;
static SPIPlanPtr move_plan = NULL;
static SPIPlanPtr begin_plan = NULL;

/* A table of schema pgraft, or InvalidOid if it is not the extension's. */
Oid
pgraft_apply_table(const char *name)
{
	Oid			extension = get_extension_oid("pgraft", true);
	Oid			schema = get_namespace_oid("pgraft", true);
	Oid			table;

	if (!OidIsValid(extension) || !OidIsValid(schema))
		return InvalidOid;
	table = get_relname_relid(name, schema);
	if (!OidIsValid(table) ||
		getExtensionOfObject(RelationRelationId, table) != extension)
		return InvalidOid;
	return table;
}

static SPIPlanPtr
plan_for(SPIPlanPtr *plan, const char *sql, int nargs, Oid *argtypes)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	fresh = SPI_prepare(sql, nargs, argtypes);

		if (fresh == NULL || SPI_keepplan(fresh) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", sql,
				 SPI_result_code_string(SPI_result));
		*plan = fresh;
	}
	return *plan;
}

static void
read_tables(PgraftApplySession *session)
{
	SPIPlanPtr	plan = plan_for(&load_plan, load_sql, 0, NULL);
	HeapTuple	tuple;
	TupleDesc	desc;
	char	   *index;
	MemoryContext context;

	if (SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the tables of schema pgraft");
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;

	/* what the caller keeps outlives SPI's memory and the transaction's */
	context = MemoryContextSwitchTo(GetMemoryChunkContext(session));
	session->function = SPI_getvalue(tuple, desc, 1);
	session->cluster = SPI_getvalue(tuple, desc, 3);
	session->export = SPI_getvalue(tuple, desc, 4);
	session->import = SPI_getvalue(tuple, desc, 5);
	MemoryContextSwitchTo(context);
	index = SPI_getvalue(tuple, desc, 2);
	session->index = index ? strtou64(index, NULL, 10) : 0;
}

/*
 * Reads them in a transaction of its own.  session is palloc'd, and what it
 * points to is put into its memory context.
 */
void
pgraft_apply_load(PgraftApplySession *session)
{
	MemoryContext caller = CurrentMemoryContext;

	memset(session, 0, sizeof(*session));
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	session->installed = OidIsValid(pgraft_apply_table("apply_function")) &&
		OidIsValid(pgraft_apply_table("apply_progress"));
	if (session->installed)
	{
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		read_tables(session);
		PopActiveSnapshot();
		SPI_finish();
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
}

/* How far the database has come, in the caller's snapshot; false: nowhere yet. */
bool
pgraft_apply_progress(uint64 *index, uint64 *term)
{
	bool		found;

	SPI_connect();
	if (SPI_execute_plan(plan_for(&progress_plan, progress_sql, 0, NULL), NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pgraft.apply_progress");
	found = SPI_processed == 1;
	if (found)
	{
		*index = strtou64(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), NULL, 10);
		*term = strtou64(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2), NULL, 10);
	}
	SPI_finish();
	return found;
}

/* Runs a statement that writes one row, in the caller's transaction. */
static void
write_row(SPIPlanPtr *plan, const char *sql, int nargs, Oid *types, Datum *values)
{
	int			done;

	SPI_connect();
	done = SPI_execute_plan(plan_for(plan, sql, nargs, types), values, NULL, false, 0);
	if (done < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(done));
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("pgraft.apply_progress was changed by somebody else")));
	SPI_finish();
}

/*
 * Nothing is applied yet: makes the row that says so, in a transaction of its
 * own.
 */
void
pgraft_apply_begin(PgraftApplySession *session, const char *cluster)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			type = UUIDOID;
	Datum		uuid;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	uuid = DirectFunctionCall1(uuid_in, CStringGetDatum(cluster));
	write_row(&begin_plan, begin_sql, 1, &type, &uuid);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	session->cluster = MemoryContextStrdup(GetMemoryChunkContext(session), cluster);
}

/*
 * This node has recovered the cluster from a lost quorum, under a new uuid: what
 * was applied before is its past.  In a transaction of its own.
 */
void
pgraft_apply_recovered(PgraftApplySession *session, const char *cluster)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[2] = {UUIDOID, UUIDOID};
	Datum		uuids[2];

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	uuids[0] = DirectFunctionCall1(uuid_in, CStringGetDatum(cluster));
	uuids[1] = DirectFunctionCall1(uuid_in, CStringGetDatum(session->cluster));
	write_row(&recovered_plan, recovered_sql, 2, types, uuids);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	ereport(LOG,
			(errmsg("pgraft applies cluster %s from here on; it was %s before it was recovered",
					cluster, session->cluster)));
	session->cluster = MemoryContextStrdup(GetMemoryChunkContext(session), cluster);
}

/*
 * Moves the progress on, in the caller's transaction.  The row stays locked
 * until that ends, so an operator's skip comes before or after.
 */
void
pgraft_apply_move(PgraftApplySession *session, uint64 index, uint64 term)
{
	Oid			types[4] = {INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID};
	Datum		values[4];

	values[0] = Int64GetDatum((int64) index);
	values[1] = Int64GetDatum((int64) term);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = Int64GetDatum((int64) session->index);
	write_row(&move_plan, move_sql, 4, types, values);
}
