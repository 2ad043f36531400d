/*
 * failover.c
 *		The SQL functions of failover; what its views select from is in views.c.
 *
 * They work on every node that takes part, except pgraft_enable_failover(), which is
 * for the server that takes writes: what has to be decided is the engine's.  Nothing
 * here reads or writes shared memory.
 */
#include "functions/functions.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "settings/settings.h"

PG_FUNCTION_INFO_V1(pgraft_enable_failover);
PG_FUNCTION_INFO_V1(pgraft_disable_failover);
PG_FUNCTION_INFO_V1(pgraft_failover_settings);
PG_FUNCTION_INFO_V1(pgraft_switchover);
PG_FUNCTION_INFO_V1(pgraft_failover_to);
PG_FUNCTION_INFO_V1(pgraft_clear_quarantine);
PG_FUNCTION_INFO_V1(pgraft_get_primary);

/* The arguments of pgraft_failover_settings(), which are its columns, too. */
enum
{
	ARG_MODE = 0,
	ARG_DURABILITY,
	ARG_SYNC_COUNT,
	ARG_FAILOVER_DELAY,
	ARG_SYNC_TIMEOUT,
	ARG_MAXIMUM_LAG,
	ARGS
};

Datum
pgraft_enable_failover(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_ENABLE_FAILOVER,
		.what = "pgraft_enable_failover()",
		.timeout_ms = pgraft_propose_timeout
	};

	pgraft_require_node();
	call.args.system_identifier = GetSystemIdentifier();
	return pgraft_ask_done(&call);
}

Datum
pgraft_disable_failover(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_DISABLE_FAILOVER,
		.what = "pgraft_disable_failover()",
		.timeout_ms = pgraft_propose_timeout
	};

	return pgraft_ask_done(&call);
}

/* Adds a setting that is to be changed, as the engine reads it. */
static void
add_text_change(StringInfo changes, FunctionCallInfo fcinfo, int argno, const char *name)
{
	char	   *value;

	if (PG_ARGISNULL(argno))
		return;
	value = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strchr(value, '\n') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: it has a line break", name)));
	appendStringInfo(changes, "%s=%s\n", name, value);
}

static void
add_interval_change(StringInfo changes, FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (!PG_ARGISNULL(argno))
		appendStringInfo(changes, "%s=%d\n", name, pgraft_interval_arg(fcinfo, argno, name));
}

/* NULL leaves a setting as it is; the row has all of them. */
Datum
pgraft_failover_settings(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_FAILOVER_SETTINGS,
		.what = "pgraft_failover_settings()",
		.timeout_ms = pgraft_propose_timeout
	};
	StringInfoData changes;
	PgraftRows	rows;
	TupleDesc	tupdesc;
	char	   *values[ARGS];
	size_t		len;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE || tupdesc->natts != ARGS)
		elog(ERROR, "pgraft_failover_settings() does not return a row of %d columns", ARGS);
	initStringInfo(&changes);
	add_text_change(&changes, fcinfo, ARG_MODE, "mode");
	add_text_change(&changes, fcinfo, ARG_DURABILITY, "durability");
	if (!PG_ARGISNULL(ARG_SYNC_COUNT))
		appendStringInfo(&changes, "sync_count=%d\n", PG_GETARG_INT32(ARG_SYNC_COUNT));
	add_interval_change(&changes, fcinfo, ARG_FAILOVER_DELAY, "failover_delay");
	add_interval_change(&changes, fcinfo, ARG_SYNC_TIMEOUT, "sync_timeout");
	if (!PG_ARGISNULL(ARG_MAXIMUM_LAG))
		appendStringInfo(&changes, "maximum_lag=" INT64_FORMAT "\n", PG_GETARG_INT64(ARG_MAXIMUM_LAG));
	call.data = changes.data;
	call.len = changes.len;

	pgraft_ask(&call, &rows);
	if (rows.nrows != 1 || rows.ncols != ARGS)
		elog(ERROR, "pgraft engine answered %u rows of %u columns for the settings of failover", rows.nrows, rows.ncols);
	for (int i = 0; i < ARGS; i++)
		values[i] = pgraft_reply_value(&rows, &len);
	return HeapTupleGetDatum(BuildTupleFromCStrings(TupleDescGetAttInMetadata(tupdesc), values));
}

/* A NULL node_id leaves the choice to the engine. */
Datum
pgraft_switchover(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_SWITCHOVER,
		.what = "pgraft_switchover()"
	};
	int			timeout;

	pgraft_require_node();
	if (!PG_ARGISNULL(0))
		call.args.node_id = pgraft_node_id_arg(fcinfo, 0, "node_id");
	timeout = pgraft_interval_arg(fcinfo, 1, "timeout");
	if (timeout == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must be at least a millisecond")));
	call.args.wait_ms = timeout;
	call.timeout_ms = timeout + pgraft_propose_timeout;
	return pgraft_ask_done(&call);
}

/* SQL has it as pgraft_failover, which is the setting's name here. */
Datum
pgraft_failover_to(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_FAILOVER,
		.what = "pgraft_failover()"
	};

	pgraft_require_node();
	call.args.node_id = pgraft_node_id_arg(fcinfo, 0, "node_id");
	if (!PG_ARGISNULL(1))
	{
		call.data = text_to_cstring(PG_GETARG_TEXT_PP(1));
		call.len = strlen(call.data);
		if (call.len == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("allow_data_loss must not be empty"),
					 errdetail("It repeats the cluster_id, or is NULL.")));
	}
	return pgraft_ask_done(&call);
}

Datum
pgraft_clear_quarantine(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_CLEAR_QUARANTINE,
		.what = "pgraft_clear_quarantine()",
		.timeout_ms = pgraft_propose_timeout
	};

	pgraft_require_node();
	call.args.node_id = pgraft_node_id_arg(fcinfo, 0, "node_id");
	return pgraft_ask_done(&call);
}

Datum
pgraft_get_primary(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_GET_PRIMARY,.timeout_ms = PGRAFT_MONITOR_TIMEOUT_MS};
	size_t		len;
	char	   *value = pgraft_ask_value(&call, &len);

	if (value == NULL)
		elog(ERROR, "pgraft engine answered NULL for the primary");
	return DirectFunctionCall1(int4in, CStringGetDatum(value));
}
