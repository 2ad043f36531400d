/*
 * views.c
 *		What the views select from, but for pgraft_stat_apply's, and
 *		pgraft_health_check().
 *
 * A view does not lend its reader the right to execute its functions.  So those
 * here are open to all, and ask for SELECT on the view instead.  Reads
 * PgraftShared's engine_generation (atomic) and last_error (under its spinlock), and the
 * apply worker's state through apply_state.c.
 */
#include "functions/functions.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "apply_worker/apply_worker.h"
#include "settings/settings.h"
#include "shmem/shmem.h"

PG_FUNCTION_INFO_V1(pgraft_get_nodes_for_view);
PG_FUNCTION_INFO_V1(pgraft_stat_get_node);
PG_FUNCTION_INFO_V1(pgraft_stat_get_peers);
PG_FUNCTION_INFO_V1(pgraft_stat_get_failover);
PG_FUNCTION_INFO_V1(pgraft_stat_get_failover_history);
PG_FUNCTION_INFO_V1(pgraft_health_check);

/* The rows of a view in the function's schema, for who may select from it. */
static Datum
rows_of_view(FunctionCallInfo fcinfo, const char *name, uint32 op)
{
	PgraftCall	call = {.op = op,.timeout_ms = PGRAFT_MONITOR_TIMEOUT_MS};

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

Datum
pgraft_stat_get_failover(PG_FUNCTION_ARGS)
{
	return rows_of_view(fcinfo, "pgraft_stat_failover", PGRAFT_OP_STAT_FAILOVER);
}

Datum
pgraft_stat_get_failover_history(PG_FUNCTION_ARGS)
{
	return rows_of_view(fcinfo, "pgraft_failover_history", PGRAFT_OP_FAILOVER_HISTORY);
}

static void
add_finding(FunctionCallInfo fcinfo, const char *metric, const char *value, const char *status)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[3] = {CStringGetTextDatum(metric), (Datum) 0, CStringGetTextDatum(status)};
	bool		nulls[3] = {false, value == NULL, false};

	if (value != NULL)
		values[1] = CStringGetTextDatum(value);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * How far the tables are behind the log.  The engine only knows how far Raft has
 * come.
 */
static void
add_apply_lag(FunctionCallInfo fcinfo)
{
	PgraftApplyReport report;
	uint64		lag;
	char	   *value;
	const char *status;

	pgraft_apply_get(&report);
	lag = pgraft_apply_lag(&report);
	value = psprintf(UINT64_FORMAT " entries", lag);
	status = lag > PGRAFT_ENTRIES_WARNING ? PGRAFT_HEALTH_WARNING : PGRAFT_HEALTH_OK;
	switch (report.state)
	{
		case PGRAFT_APPLY_IDLE:
			value = "no apply function is registered";
			status = PGRAFT_HEALTH_OK;
			break;
		case PGRAFT_APPLY_STANDBY:
			value = "in recovery: the tables arrive by streaming";
			status = PGRAFT_HEALTH_OK;
			break;
		case PGRAFT_APPLY_CONNECTING:
		case PGRAFT_APPLY_STOPPED:
			if (!pgraft_apply_is_registered)
			{
				value = psprintf("the apply worker does not run: \"max_worker_processes\" is %d, which leaves no room for it",
								 max_worker_processes);
				status = PGRAFT_HEALTH_CRITICAL;
				break;
			}
			value = psprintf("the apply worker is not connected to database \"%s\"", pgraft_database);
			status = PGRAFT_HEALTH_WARNING;
			break;
		case PGRAFT_APPLY_FAILED:
			value = psprintf("%s; it fails with: %s", value, report.last_error);
			status = PGRAFT_HEALTH_CRITICAL;
			break;
		case PGRAFT_APPLY_WAITING:
		case PGRAFT_APPLY_RUNNING:
			break;
	}
	add_finding(fcinfo, PGRAFT_METRIC_APPLY_LAG, value, status);
}

/* The one finding while no engine answers. */
static Datum
report_no_engine(FunctionCallInfo fcinfo, const char *value)
{
	InitMaterializedSRF(fcinfo, 0);
	add_finding(fcinfo, PGRAFT_METRIC_WORKER_STATE, value, PGRAFT_HEALTH_CRITICAL);
	return (Datum) 0;
}

Datum
pgraft_health_check(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_HEALTH_CHECK,
		.timeout_ms = PGRAFT_MONITOR_TIMEOUT_MS,
		.may_end = true			/* an engine that hangs is a finding, not an
								 * error */
	};
	PgraftRows	rows;
	char	   *body;
	size_t		len;

	pgraft_require_node();
	if (!PGRAFT_ENGINE_UP(pg_atomic_read_u32(&pgraft_shared->engine_generation)))
	{
		char		last_error[PGRAFT_LAST_ERROR_SIZE];

		if (!pgraft_engine_is_registered)
			return report_no_engine(fcinfo,
									psprintf("the engine worker does not run: \"max_worker_processes\" is %d, which leaves no room for it",
											 max_worker_processes));
		pgraft_last_error_get(last_error);
		return report_no_engine(fcinfo, last_error[0] == '\0' ? "the engine worker does not run" :
								psprintf("the engine worker does not run: %s", last_error));
	}
	body = pgraft_call(&call, &len);
	if (body == NULL)
		return report_no_engine(fcinfo, "the engine worker does not answer");
	pgraft_reply_open(&rows, body, len);
	InitMaterializedSRF(fcinfo, 0);
	for (uint32 row = 0; row < rows.nrows; row++)
	{
		char	   *metric = pgraft_reply_value(&rows, &len);
		char	   *value = pgraft_reply_value(&rows, &len);
		char	   *status = pgraft_reply_value(&rows, &len);

		if (strcmp(metric, PGRAFT_METRIC_APPLY_LAG) == 0 && value != NULL)
			add_apply_lag(fcinfo);
		else
			add_finding(fcinfo, metric, value, status);
	}
	return (Datum) 0;
}
