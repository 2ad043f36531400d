/*
 * functions.c
 *		The SQL functions that a cluster is run with, but for those of the log
 *		(log.c).
 *
 * They check their arguments and ask the engine (ask.c); pgraft_is_leader() and
 * its like read the status block in shared memory instead, under its sequence
 * lock, and ask nobody.  Nothing here writes shared memory.
 */
#include "functions/functions.h"

#include <time.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "settings/settings.h"

PG_FUNCTION_INFO_V1(pgraft_init);
PG_FUNCTION_INFO_V1(pgraft_add_node);
PG_FUNCTION_INFO_V1(pgraft_remove_node);
PG_FUNCTION_INFO_V1(pgraft_replace_node);
PG_FUNCTION_INFO_V1(pgraft_transfer_leadership);
PG_FUNCTION_INFO_V1(pgraft_recover_from_lost_quorum);
PG_FUNCTION_INFO_V1(pgraft_is_leader);
PG_FUNCTION_INFO_V1(pgraft_get_leader);
PG_FUNCTION_INFO_V1(pgraft_get_term);
PG_FUNCTION_INFO_V1(pgraft_get_nodes);
PG_FUNCTION_INFO_V1(pgraft_get_cluster_status);
PG_FUNCTION_INFO_V1(pgraft_log_get_stats);
PG_FUNCTION_INFO_V1(pgraft_log_get_replication_status);
PG_FUNCTION_INFO_V1(pgraft_get_worker_state);
PG_FUNCTION_INFO_V1(pgraft_get_version);
PG_FUNCTION_INFO_V1(pgraft_set_debug);

/* As pgraft_switchover() has it by default. */
#define SWITCHOVER_TIMEOUT_MS	60000

static int32
port_arg(FunctionCallInfo fcinfo, int argno)
{
	int32		port;

	pgraft_require_argument(fcinfo, argno, "port");
	port = PG_GETARG_INT32(argno);
	if (port < 1 || port > PGRAFT_MAX_PORT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid port: %d", port),
				 errdetail("A port is between 1 and %d.", PGRAFT_MAX_PORT)));
	return port;
}

static char *
address_arg(FunctionCallInfo fcinfo, int argno)
{
	char	   *address;
	const char *fault;

	pgraft_require_argument(fcinfo, argno, "address");
	address = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	fault = pgraft_address_fault(address, false);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid address: \"%s\"", address),
				 errdetail_internal("%s", fault),
				 errhint(PGRAFT_ADDRESS_HINT)));
	return address;
}

static Datum
ask_rows(FunctionCallInfo fcinfo, uint32 op)
{
	PgraftCall	call = {.op = op};

	return pgraft_ask_rows(fcinfo, &call);
}

Datum
pgraft_init(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_INIT,
		.what = "pgraft_init()",
		.args.bootstrap = PG_ARGISNULL(0) ? PGRAFT_BOOTSTRAP_NULL :
		PG_GETARG_BOOL(0) ? PGRAFT_BOOTSTRAP_TRUE : PGRAFT_BOOTSTRAP_FALSE
	};

	return pgraft_ask_done(&call);
}

Datum
pgraft_add_node(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_ADD_NODE,
		.what = "pgraft_add_node()"
	};

	pgraft_require_node();
	call.args.node_id = pgraft_node_id_arg(fcinfo, 0, "node_id");
	call.data = address_arg(fcinfo, 1);
	call.len = strlen(call.data);
	call.args.port = port_arg(fcinfo, 2);
	return pgraft_ask_done(&call);
}

Datum
pgraft_remove_node(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_REMOVE_NODE,
		.what = "pgraft_remove_node()"
	};

	pgraft_require_node();
	call.args.node_id = pgraft_node_id_arg(fcinfo, 0, "node_id");
	return pgraft_ask_done(&call);
}

Datum
pgraft_replace_node(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_REPLACE_NODE,
		.what = "pgraft_replace_node()"
	};

	pgraft_require_node();
	call.args.old_node_id = pgraft_node_id_arg(fcinfo, 0, "old_node_id");
	call.args.node_id = pgraft_node_id_arg(fcinfo, 1, "new_node_id");
	call.data = address_arg(fcinfo, 2);
	call.len = strlen(call.data);
	call.args.port = port_arg(fcinfo, 3);
	return pgraft_ask_done(&call);
}

/*
 * A NULL node_id leaves the choice to the engine.  Where failover is on it is a
 * switchover, with that one's timeout.
 */
Datum
pgraft_transfer_leadership(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_TRANSFER_LEADERSHIP,
		.what = "pgraft_transfer_leadership()",
		.args.wait_ms = SWITCHOVER_TIMEOUT_MS,
		.timeout_ms = SWITCHOVER_TIMEOUT_MS + pgraft_propose_timeout
	};

	pgraft_require_node();
	if (!PG_ARGISNULL(0))
		call.args.node_id = pgraft_node_id_arg(fcinfo, 0, "node_id");
	return pgraft_ask_done(&call);
}

Datum
pgraft_recover_from_lost_quorum(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_RECOVER,
		.what = "pgraft_recover_from_lost_quorum()"
	};

	pgraft_require_node();
	pgraft_require_argument(fcinfo, 0, "confirm");
	call.data = text_to_cstring(PG_GETARG_TEXT_PP(0));
	call.len = strlen(call.data);
	return pgraft_ask_done(&call);
}

/*
 * The lease ends by itself, on the clock that goes on while a machine sleeps:
 * a stopped engine leads no longer, whatever it published last.
 */
Datum
pgraft_is_leader(PG_FUNCTION_ARGS)
{
	PgraftStatus status = pgraft_read_status();
	struct timespec now;

	if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not read the clock: %m")));
	PG_RETURN_BOOL(status.lease_expiry_ns >
				   (int64) now.tv_sec * INT64CONST(1000000000) + now.tv_nsec);
}

Datum
pgraft_get_leader(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) pgraft_read_status().leader_node);
}

Datum
pgraft_get_term(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) pgraft_read_status().term);
}

Datum
pgraft_get_nodes(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_NODES);
}

Datum
pgraft_get_cluster_status(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_CLUSTER_STATUS);
}

Datum
pgraft_log_get_stats(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_LOG_STATS);
}

Datum
pgraft_log_get_replication_status(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_REPLICATION_STATUS);
}

/* Also answers on a node without a node_id: its worker is stopped. */
Datum
pgraft_get_worker_state(PG_FUNCTION_ARGS)
{
	uint32		state = PGRAFT_WORKER_STOPPED;

	pgraft_require_preload();
	if (pgraft_has_node())
		state = pgraft_read_status().worker_state;
	PG_RETURN_TEXT_P(cstring_to_text(pgraft_worker_state_name(state)));
}

Datum
pgraft_get_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PGRAFT_VERSION));
}

Datum
pgraft_set_debug(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_SET_DEBUG,
		.what = "pgraft_set_debug()"
	};

	pgraft_require_node();
	pgraft_require_argument(fcinfo, 0, "enabled");
	call.args.enabled = PG_GETARG_BOOL(0);
	return pgraft_ask_done(&call);
}
