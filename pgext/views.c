/*
 * views.c
 *		What the views pgraft_get_nodes, pgraft_stat_node and pgraft_stat_peers
 *		select from, and pgraft_health_check().
 *
 * A view does not lend its reader the right to execute its functions.  So those
 * here are open to all, and ask for SELECT on the view instead.  Reads
 * PgraftShared's epoch (atomic) and last_error (under its spinlock).
 */
#include "pgraft.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(pgraft_get_nodes_for_view);
PG_FUNCTION_INFO_V1(pgraft_stat_get_node);
PG_FUNCTION_INFO_V1(pgraft_stat_get_peers);
PG_FUNCTION_INFO_V1(pgraft_health_check);

/* Monitoring should hear soon that the engine does not answer. */
#define PGRAFT_MONITOR_TIMEOUT_MS	5000

/* The rows of a view in the function's schema, for who may select from it. */
static Datum
rows_of_view(FunctionCallInfo fcinfo, const char *name, uint32 op)
{
	PgraftCall	call = {.op = op, .timeout_ms = PGRAFT_MONITOR_TIMEOUT_MS};

	pgraft_require_select(fcinfo, name);
	return pgraft_ask_rows(fcinfo, &call);
}

Datum
pgraft_get_nodes_for_view(PG_FUNCTION_ARGS)
{
	return rows_of_view(fcinfo, "pgraft_get_nodes", PGRAFT_OP_NODES);
}

Datum
pgraft_stat_get_node(PG_FUNCTION_ARGS)
{
	return rows_of_view(fcinfo, "pgraft_stat_node", PGRAFT_OP_STAT_NODE);
}

Datum
pgraft_stat_get_peers(PG_FUNCTION_ARGS)
{
	return rows_of_view(fcinfo, "pgraft_stat_peers", PGRAFT_OP_STAT_PEERS);
}

/* The one finding while there is no engine to ask. */
static Datum
report_no_engine(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		last_error[PGRAFT_LAST_ERROR_SIZE];
	char	   *value = "the engine worker does not run";
	Datum		values[3];
	bool		nulls[3] = {false};

	pgraft_last_error_get(last_error);
	if (last_error[0] != '\0')
		value = psprintf("the engine worker does not run: %s", last_error);
	InitMaterializedSRF(fcinfo, 0);
	values[0] = CStringGetTextDatum("worker_state");
	values[1] = CStringGetTextDatum(value);
	values[2] = CStringGetTextDatum("critical");
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

Datum
pgraft_health_check(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_HEALTH_CHECK, .timeout_ms = PGRAFT_MONITOR_TIMEOUT_MS};

	pgraft_require_node();
	if (!PGRAFT_ENGINE_UP(pg_atomic_read_u32(&pgraft_shared->epoch)))
		return report_no_engine(fcinfo);
	return pgraft_ask_rows(fcinfo, &call);
}
