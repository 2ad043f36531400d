/*
 * reads.c
 *		The SQL functions that fence and order reads: pgraft_confirm_leader(),
 *		pgraft_read_barrier() and pgraft_wait_applied().
 *
 * They wait for the cluster, but change nothing, so a question that an engine
 * took with it is asked again (client.c).  Reads the status block through ask.c.
 */
#include "pgraft.h"

#include <limits.h>

#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(pgraft_confirm_leader);
PG_FUNCTION_INFO_V1(pgraft_read_barrier);
PG_FUNCTION_INFO_V1(pgraft_wait_applied);

/* Longer waits are cut to this: 12 days. */
#define PGRAFT_MAX_WAIT_MS	(INT_MAX / 2)

/* Asks for one number. */
static Datum
ask_number(uint32 op)
{
	PgraftCall	call = {.op = op, .timeout_ms = pgraft_propose_timeout};
	size_t		len;
	char	   *value;

	pgraft_require_node();
	value = pgraft_ask_value(&call, &len);
	if (value == NULL)
		elog(ERROR, "pgraft engine answered NULL for a number");
	return DirectFunctionCall1(int8in, CStringGetDatum(value));
}

Datum
pgraft_confirm_leader(PG_FUNCTION_ARGS)
{
	return ask_number(PGRAFT_OP_CONFIRM_LEADER);
}

Datum
pgraft_read_barrier(PG_FUNCTION_ARGS)
{
	return ask_number(PGRAFT_OP_READ_BARRIER);
}

/* An interval in milliseconds, a month having 30 days. */
static int
wait_arg(FunctionCallInfo fcinfo, int argno)
{
	Interval   *wait;
	int64		ms;

	pgraft_require_argument(fcinfo, argno, "timeout");
	wait = PG_GETARG_INTERVAL_P(argno);
	ms = ((int64) wait->month * DAYS_PER_MONTH + wait->day) * SECS_PER_DAY * 1000 +
		wait->time / 1000;
	if (ms < 0 || wait->time < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return (int) Min(ms, PGRAFT_MAX_WAIT_MS);
}

Datum
pgraft_wait_applied(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_WAIT_APPLIED};
	size_t		len;
	char	   *value;

	pgraft_require_node();
	pgraft_require_argument(fcinfo, 0, "index");
	call.a = PG_GETARG_INT64(0);
	if (call.a < 1)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("log index " INT64_FORMAT " is out of range", call.a),
				 errdetail("The log begins at index 1.")));
	call.timeout_ms = wait_arg(fcinfo, 1);
	if (pgraft_read_status().applied_index >= (uint64) call.a)
		PG_RETURN_BOOL(true);
	if (call.timeout_ms == 0)
		PG_RETURN_BOOL(false);

	value = pgraft_ask_value(&call, &len);
	PG_RETURN_BOOL(value != NULL && *value == 't');
}
