/*
 * apply_functions.c
 *		The operator's functions for applying: register a function, pass over an
 *		entry, look at the worker.
 *
 * The first two write the extension's tables.  They check the caller's rights
 * themselves and then write as the tables' owner, so that EXECUTE is all that a
 * role needs to be granted.  The worker is woken once the change is committed.
 *
 * Reads the apply worker's state through apply_state.c.
 */
#include "functions/functions.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "apply_worker/apply_worker.h"
#include "settings/settings.h"

PG_FUNCTION_INFO_V1(pgraft_set_apply_function);
PG_FUNCTION_INFO_V1(pgraft_apply_skip);
PG_FUNCTION_INFO_V1(pgraft_stat_apply_for_view);

/* Whether this transaction's commit wakes the worker, and has to. */
static bool wake_at_commit = false;
static bool must_wake = false;

static object_access_hook_type prev_object_access_hook = NULL;

static void
at_transaction_end(XactEvent event, void *arg pg_attribute_unused())
{
	/* nobody would wake the worker when another session commits it */
	if (event == XACT_EVENT_PRE_PREPARE && must_wake)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has registered an apply function or passed over an entry")));
	if (event == XACT_EVENT_COMMIT && wake_at_commit)
		pgraft_apply_wake();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		wake_at_commit = must_wake = false;
}

static void
wake_worker_at_commit(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	wake_at_commit = true;
}

/*
 * The tables come and go with the extension.  Where nobody tells the worker, as
 * after a COMMIT PREPARED, it finds out when it looks at them the next time.
 */
static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, class, object, sub, arg);
	if (class == ExtensionRelationId && (access == OAT_DROP || access == OAT_POST_CREATE))
		wake_worker_at_commit();
}

/* In the postmaster, while shared_preload_libraries is loaded. */
void
pgraft_apply_watch_extension(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}

/* The tables are read in one database only. */
static void
require_database(void)
{
	const char *here = get_database_name(MyDatabaseId);

	if (here == NULL || strcmp(here, pgraft_database) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("committed entries are applied to database \"%s\"", pgraft_database),
				 errdetail("This is database \"%s\".", here ? here : "(none)"),
				 errhint("Connect to \"%s\", or set \"pgraft.database\" and restart the server.",
						 pgraft_database)));
}

/* What both of the operator's functions that write ask for. */
static void
require_writable(const char *what)
{
	pgraft_require_preload();
	pgraft_refuse_in_apply_function(what);
	require_database();
	PreventCommandIfReadOnly(what);
}

/* Runs a statement as the owner of the tables; returns how many rows it was. */
static uint64
write_table(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	Oid			table = pgraft_apply_table("apply_function");
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;
	Oid			user;
	int			context;
	int			done;
	uint64		rows;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"pgraft.apply_function\" of the extension does not exist")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	done = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	if (done < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(done));
	rows = SPI_processed;
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return rows;
}

/* The signature of a function that the worker may call as its owner. */
static Datum
signature_of(Oid function, PgraftApplyKind kind)
{
	Oid			owner = pgraft_apply_check_function(function, kind);

	/* with data that others choose */
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to have function %s called as its owner \"%s\"",
						format_procedure(function), GetUserNameFromId(owner, false)),
				 errhint("Run this as that role, a member of it, or a superuser.")));
	return CStringGetTextDatum(format_procedure_qualified(function));
}

/* In one statement, so that two sessions can do it at once: the second stays. */
static const char *const register_sql =
"INSERT INTO pgraft.apply_function (apply, export, import) VALUES ($1, $2, $3)"
" ON CONFLICT (only_row) DO UPDATE SET apply = excluded.apply, export = excluded.export,"
" import = excluded.import, registered_at = excluded.registered_at";

static void
register_functions(FunctionCallInfo fcinfo)
{
	Oid			types[3] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3] = {signature_of(PG_GETARG_OID(0), PGRAFT_FUNCTION_APPLY)};
	const char *nulls = " nn";

	if (!PG_ARGISNULL(1))
	{
		values[1] = signature_of(PG_GETARG_OID(1), PGRAFT_FUNCTION_EXPORT);
		values[2] = signature_of(PG_GETARG_OID(2), PGRAFT_FUNCTION_IMPORT);
		nulls = NULL;
	}
	(void) write_table(register_sql, 3, types, values, nulls);
}

Datum
pgraft_set_apply_function(PG_FUNCTION_ARGS)
{
	require_writable("pgraft_set_apply_function()");
	if (PG_ARGISNULL(1) != PG_ARGISNULL(2) || (PG_ARGISNULL(0) && !PG_ARGISNULL(1)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an export function needs an import function, and both an apply function"),
				 errdetail("What one node exports is what another imports, and the log goes on from there."),
				 errhint("Give all three on every node, or the apply function alone.")));
	if (PG_ARGISNULL(0))
		(void) write_table("DELETE FROM pgraft.apply_function", 0, NULL, NULL, NULL);
	else
		register_functions(fcinfo);
	wake_worker_at_commit();
	must_wake = true;
	PG_RETURN_VOID();
}

static void
require_failing(int64 index, const PgraftApplyReport *report)
{
	if (report->failing_since == 0 || report->failing_index == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("applying has not stopped at an entry"),
				 errhint("The view pgraft_stat_apply shows what the apply worker does.")));
	if (index < 0 || (uint64) index != report->failing_index)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("applying has not stopped at entry " INT64_FORMAT, index),
				 errdetail("It has stopped at entry " UINT64_FORMAT ": %s", report->failing_index, report->last_error),
				 errhint("Only the entry that cannot be applied can be passed over.")));
}

Datum
pgraft_apply_skip(PG_FUNCTION_ARGS)
{
	PgraftApplyReport report;
	Oid			types[4] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];
	int64		index;

	require_writable("pgraft_apply_skip()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"index\" must not be null")));
	index = PG_GETARG_INT64(0);
	pgraft_apply_get(&report);
	require_failing(index, &report);
	values[0] = Int64GetDatum(index);
	values[1] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[2] = CStringGetTextDatum(report.last_error_sqlstate);
	values[3] = CStringGetTextDatum(report.last_error);
	if (write_table("UPDATE pgraft.apply_progress SET index = $1, applied_at = pg_catalog.now()"
					" WHERE index OPERATOR(pg_catalog.<) $1", 1, types, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entry " INT64_FORMAT " has been applied meanwhile", index)));
	(void) write_table("INSERT INTO pgraft.apply_skipped (index, skipped_by, sqlstate, error)"
					   " VALUES ($1, $2, $3, $4)", 4, types, values, NULL);
	ereport(LOG,
			(errmsg("role \"%s\" passes over entry " INT64_FORMAT ", which this node has not applied",
					GetUserNameFromId(GetUserId(), false), index),
			 errdetail("It failed with: %s", report.last_error)));
	wake_worker_at_commit();
	PG_RETURN_VOID();
}

static const char *
state_name(PgraftApplyState state)
{
	switch (state)
	{
		case PGRAFT_APPLY_CONNECTING:
			return "connecting";
		case PGRAFT_APPLY_IDLE:
			return "idle";
		case PGRAFT_APPLY_STANDBY:
			return "standby";
		case PGRAFT_APPLY_WAITING:
			return "waiting";
		case PGRAFT_APPLY_RUNNING:
			return "running";
		case PGRAFT_APPLY_FAILED:
			return "failed";
		case PGRAFT_APPLY_STOPPED:
			break;
	}
	return "stopped";
}

/* A column that is NULL for 0 and for an empty string. */
static NullableDatum
number(uint64 value)
{
	NullableDatum column = {Int64GetDatum((int64) value), value == 0};

	return column;
}

static NullableDatum
moment(TimestampTz value)
{
	NullableDatum column = {TimestampTzGetDatum(value), value == 0};

	return column;
}

static NullableDatum
string(const char *value)
{
	NullableDatum column = {CStringGetTextDatum(value), *value == '\0'};

	return column;
}

/*
 * What the view pgraft_stat_apply selects from: open to all, as its reader
 * executes it with rights of his own, and asks for SELECT on the view instead.
 */
Datum
pgraft_stat_apply_for_view(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PgraftApplyReport report;
	Datum		values[14];
	bool		nulls[14];
	int			n = 0;

	pgraft_require_preload();
	pgraft_require_select(fcinfo, "pgraft_stat_apply");
	InitMaterializedSRF(fcinfo, 0);
	pgraft_apply_get(&report);

	{
		NullableDatum columns[] = {
			string(pgraft_database),
			{Int32GetDatum(report.pid), report.pid == 0},
			string(state_name(report.state)),
			string(report.function),
			number(report.applied),
			{Int64GetDatum((int64) pgraft_apply_lag(&report)), report.function[0] == '\0'},
			{Int64GetDatum((int64) report.entries), false},
			moment(report.last_applied),
			number(report.failing_index),
			moment(report.failing_since),
			{Int64GetDatum((int64) report.retries), report.failing_since == 0},
			moment(report.next_retry),
			string(report.last_error_sqlstate),
			string(report.last_error)
		};

		StaticAssertDecl(lengthof(columns) == lengthof(values), "a value for each column");
		for (; n < (int) lengthof(columns); n++)
		{
			values[n] = columns[n].value;
			nulls[n] = columns[n].isnull;
		}
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}
