/*
 * reads.c
 *		The SQL functions that fence and order reads: pgraft_confirm_leader(),
 *		pgraft_read_barrier() and pgraft_wait_applied().
 *
 * They wait for the cluster, but change nothing, so a question that an engine
 * took with it is asked again (client.c).  The engine knows how far Raft has
 * come; where an apply function is registered, its tables may be behind, and are
 * waited for too.  On a hot standby they arrive by streaming, so there an index
 * says nothing about them.
 *
 * Reads the status block through ask.c, and the apply worker's state through
 * apply_state.c; sleeps until that changes.
 */
#include "functions/functions.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "apply_worker/apply_worker.h"
#include "settings/settings.h"

PG_FUNCTION_INFO_V1(pgraft_confirm_leader);
PG_FUNCTION_INFO_V1(pgraft_read_barrier);
PG_FUNCTION_INFO_V1(pgraft_wait_applied);

/* The apply worker's state changes without a word to those who wait. */
#define PGRAFT_TABLES_RECHECK_MS	100

/* Asks for one number. */
static Datum
ask_number(uint32 op)
{
	PgraftCall	call = {.op = op,.timeout_ms = pgraft_propose_timeout};
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

/* Whether all that this server does for entries up to index is to be seen. */
static bool
tables_reached(uint64 index)
{
	PgraftApplyReport report;

	if (RecoveryInProgress())
		return true;
	pgraft_apply_get(&report);
	switch (report.state)
	{
		case PGRAFT_APPLY_IDLE:
			return true;
		case PGRAFT_APPLY_STOPPED:
		case PGRAFT_APPLY_CONNECTING:
			return false;		/* whether there is a function is not known
								 * yet */
		default:
			return report.applied >= index;
	}
}

/* False if they were not there in time. */
static bool
wait_for_tables(uint64 index, PgraftDeadline deadline)
{
	bool		reached = tables_reached(index);

	if (reached)
		return true;
	if (!pgraft_apply_is_registered)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the pgraft apply worker is not running"),
				 errdetail("\"max_worker_processes\" is %d, which leaves no room for it.", max_worker_processes),
				 errhint("Raise \"max_worker_processes\" by one and restart the server.")));
	ConditionVariablePrepareToSleep(pgraft_applied_cv());
	while (!(reached = tables_reached(index)))
	{
		long		left = pgraft_remaining_ms(deadline);

		if (left <= 0)
			break;
		ConditionVariableTimedSleep(pgraft_applied_cv(),
									Min(left, PGRAFT_TABLES_RECHECK_MS),
									pgraft_wait_event(PGRAFT_WAIT_APPLIED));
	}
	ConditionVariableCancelSleep();
	return reached;
}

static void
report_tables_behind(uint64 index)
{
	PgraftApplyReport report;

	pgraft_apply_get(&report);
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the tables of this node did not reach the read point in time"),
			 errdetail("The read point is index " UINT64_FORMAT "; applied is index " UINT64_FORMAT ".",
					   index, report.applied),
			 errhint("pgraft_stat_apply shows what the apply worker does, and \"pgraft.propose_timeout\" says how long to wait.")));
}

Datum
pgraft_read_barrier(PG_FUNCTION_ARGS)
{
	PgraftDeadline deadline = pgraft_deadline_in(pgraft_propose_timeout);
	Datum		index;

	pgraft_require_node();
	pgraft_refuse_in_apply_function("waiting for applied entries");
	index = ask_number(PGRAFT_OP_READ_BARRIER);
	if (!wait_for_tables((uint64) DatumGetInt64(index), deadline))
		report_tables_behind((uint64) DatumGetInt64(index));
	return index;
}

/* Asks whether the log has come as far; false if time was up. */
static bool
reached(const PgraftCall *call)
{
	PgraftRows	rows;
	size_t		len;
	char	   *body = pgraft_call(call, &len);
	char	   *value;

	if (body == NULL)
		return false;
	pgraft_reply_open(&rows, body, len);
	value = pgraft_reply_value(&rows, &len);
	return value != NULL && *value == 't';
}

Datum
pgraft_wait_applied(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_WAIT_APPLIED,.may_end = true};
	PgraftDeadline deadline;

	pgraft_require_node();
	pgraft_refuse_in_apply_function("waiting for applied entries");
	pgraft_require_argument(fcinfo, 0, "index");
	call.args.index = PG_GETARG_INT64(0);
	if (call.args.index < 1)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("log index " INT64_FORMAT " is out of range", call.args.index),
				 errdetail("The log begins at index 1.")));
	call.timeout_ms = pgraft_interval_arg(fcinfo, 1, "timeout");
	deadline = pgraft_deadline_in(call.timeout_ms);
	if (pgraft_read_status().applied_index < (uint64) call.args.index)
	{
		if (call.timeout_ms == 0)
			PG_RETURN_BOOL(false);
		if (!reached(&call))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(wait_for_tables((uint64) call.args.index, deadline));
}
