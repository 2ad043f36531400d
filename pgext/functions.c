/*
 * functions.c
 *		The SQL functions.
 *
 * They check their arguments, ask the engine through a slot (client.c) and give
 * its answer back; pgraft_is_leader() and its like read the status block in
 * shared memory instead, under its sequence lock, and ask nobody.  Nothing here
 * writes shared memory.
 */
#include "pgraft.h"

#include <time.h>

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(pgraft_init);
PG_FUNCTION_INFO_V1(pgraft_add_node);
PG_FUNCTION_INFO_V1(pgraft_remove_node);
PG_FUNCTION_INFO_V1(pgraft_is_leader);
PG_FUNCTION_INFO_V1(pgraft_get_leader);
PG_FUNCTION_INFO_V1(pgraft_get_term);
PG_FUNCTION_INFO_V1(pgraft_get_nodes);
PG_FUNCTION_INFO_V1(pgraft_get_nodes_for_view);
PG_FUNCTION_INFO_V1(pgraft_get_cluster_status);
PG_FUNCTION_INFO_V1(pgraft_replicate_entry);
PG_FUNCTION_INFO_V1(pgraft_log_get_stats);
PG_FUNCTION_INFO_V1(pgraft_log_get_entry);
PG_FUNCTION_INFO_V1(pgraft_log_get_replication_status);
PG_FUNCTION_INFO_V1(pgraft_get_worker_state);
PG_FUNCTION_INFO_V1(pgraft_get_version);
PG_FUNCTION_INFO_V1(pgraft_set_debug);

static void
require_preload(void)
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
	require_preload();
	if (pgraft_node_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pgraft is idle: \"pgraft.node_id\" is not set"),
				 errhint("Set \"pgraft.node_id\" to this node's number in its cluster and restart the server.")));
}

static void
require_not_null(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

static int32
node_id_arg(FunctionCallInfo fcinfo, int argno)
{
	int32		node_id;

	require_not_null(fcinfo, argno, "node_id");
	node_id = PG_GETARG_INT32(argno);
	if (node_id < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid node_id: %d", node_id),
				 errdetail("A node_id is a positive integer.")));
	return node_id;
}

static int32
port_arg(FunctionCallInfo fcinfo, int argno)
{
	int32		port;

	require_not_null(fcinfo, argno, "port");
	port = PG_GETARG_INT32(argno);
	if (port < 1 || port > 65535)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid port: %d", port),
				 errdetail("A port is between 1 and 65535.")));
	return port;
}

static char *
address_arg(FunctionCallInfo fcinfo, int argno)
{
	char	   *address;

	require_not_null(fcinfo, argno, "address");
	address = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (!pgraft_address_is_valid(address))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid address: \"%s\"", address),
				 errdetail("An address is a host name or an IP address of at most %d bytes, without spaces.",
						   PGRAFT_MAX_ADDRESS)));
	return address;
}

/* Asks the engine; returns with the reply open at its first value. */
static void
ask(const PgraftCall *call, PgraftRows *rows)
{
	size_t		len;
	char	   *body;

	pgraft_require_node();
	body = pgraft_call(call, &len);
	pgraft_reply_open(rows, body, len);
}

/* Asks for rows and returns them. */
static Datum
ask_rows(FunctionCallInfo fcinfo, uint32 op)
{
	PgraftCall	call = {.op = op};
	PgraftRows	rows;

	ask(&call, &rows);
	pgraft_reply_to_set(&rows, fcinfo);
	return (Datum) 0;
}

/* Asks for something that is done or gives an error. */
static Datum
ask_done(const PgraftCall *call)
{
	PgraftRows	rows;

	ask(call, &rows);
	PG_RETURN_BOOL(true);
}

/* What is known without asking; never for longer than a few copies of it. */
static PgraftStatus
read_status(void)
{
	PgraftStatus status;

	pgraft_require_node();
	for (int tries = 0; tries < 1000; tries++)
	{
		if (pgraft_status_read(&pgraft_shared->status, &status))
			return status;
		CHECK_FOR_INTERRUPTS();
	}
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("the pgraft engine stopped while it published its status"),
			 errhint("It is restarted within a second; try again.")));
}

Datum
pgraft_init(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_INIT,
		.is_write = true,
		.what = "pgraft_init()",
		.a = PG_ARGISNULL(0) ? 2 : PG_GETARG_BOOL(0)
	};

	return ask_done(&call);
}

Datum
pgraft_add_node(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_ADD_NODE,
		.is_write = true,
		.what = "pgraft_add_node()"
	};

	pgraft_require_node();
	call.a = node_id_arg(fcinfo, 0);
	call.data = address_arg(fcinfo, 1);
	call.len = strlen(call.data);
	call.b = port_arg(fcinfo, 2);
	return ask_done(&call);
}

Datum
pgraft_remove_node(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_REMOVE_NODE,
		.is_write = true,
		.what = "pgraft_remove_node()"
	};

	pgraft_require_node();
	call.a = node_id_arg(fcinfo, 0);
	return ask_done(&call);
}

/*
 * The lease ends by itself, on the clock that goes on while a machine sleeps:
 * a stopped engine leads no longer, whatever it published last.
 */
Datum
pgraft_is_leader(PG_FUNCTION_ARGS)
{
	PgraftStatus status = read_status();
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
	PG_RETURN_INT32((int32) read_status().leader_node);
}

Datum
pgraft_get_term(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) read_status().term);
}

Datum
pgraft_get_nodes(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_NODES);
}

/*
 * What the view pgraft_get_nodes selects from.  A view does not lend its reader
 * the right to execute its functions, so this one is open to all and asks for
 * SELECT on the view instead.
 */
Datum
pgraft_get_nodes_for_view(PG_FUNCTION_ARGS)
{
	const char *name = "pgraft_get_nodes";
	Oid			view = get_relname_relid(name, get_func_namespace(fcinfo->flinfo->fn_oid));
	AclResult	allowed;

	if (!OidIsValid(view))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("view \"%s\" does not exist", name)));
	allowed = pg_class_aclcheck(view, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_VIEW, name);
	return ask_rows(fcinfo, PGRAFT_OP_NODES);
}

Datum
pgraft_get_cluster_status(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_CLUSTER_STATUS);
}

Datum
pgraft_replicate_entry(PG_FUNCTION_ARGS)
{
	Size		max = (Size) pgraft_max_entry_size * 1024;
	Size		size;
	text	   *data;
	PgraftCall	call = {
		.op = PGRAFT_OP_REPLICATE,
		.is_write = true,
		.what = "the entry",
		.timeout_ms = pgraft_propose_timeout
	};

	pgraft_require_node();
	require_not_null(fcinfo, 0, "data");
	/* before it is decompressed or copied */
	size = toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ;
	if (size > max)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the entry is too large"),
				 errdetail("It has %zu bytes; \"pgraft.max_entry_size\" allows %zu.", size, max),
				 errhint("Raise \"pgraft.max_entry_size\" on all nodes, or replicate less at once.")));

	data = PG_GETARG_TEXT_PP(0);
	call.data = VARDATA_ANY(data);
	call.len = VARSIZE_ANY_EXHDR(data);
	return ask_done(&call);
}

Datum
pgraft_log_get_stats(PG_FUNCTION_ARGS)
{
	return ask_rows(fcinfo, PGRAFT_OP_LOG_STATS);
}

Datum
pgraft_log_get_entry(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {.op = PGRAFT_OP_LOG_ENTRY};
	PgraftRows	rows;
	size_t		len;
	char	   *data;

	pgraft_require_node();
	require_not_null(fcinfo, 0, "index");
	call.a = PG_GETARG_INT64(0);
	ask(&call, &rows);
	if (rows.nrows != 1 || rows.ncols != 1)
		elog(ERROR, "pgraft engine answered %u rows of %u columns for one entry",
			 rows.nrows, rows.ncols);
	data = pgraft_reply_value(&rows, &len);
	if (data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(data, len));
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
	const char *state = "stopped";

	require_preload();
	if (pgraft_node_id != 0)
	{
		switch (read_status().worker_state)
		{
			case PGRAFT_WORKER_INITIALIZING:
				state = "initializing";
				break;
			case PGRAFT_WORKER_RUNNING:
				state = "running";
				break;
			case PGRAFT_WORKER_ERROR:
				state = "error";
				break;
			default:
				break;
		}
	}
	PG_RETURN_TEXT_P(cstring_to_text(state));
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
		.is_write = true,
		.what = "pgraft_set_debug()"
	};

	pgraft_require_node();
	require_not_null(fcinfo, 0, "enabled");
	call.a = PG_GETARG_BOOL(0);
	return ask_done(&call);
}
