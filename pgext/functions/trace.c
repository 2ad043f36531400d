/*
 * trace.c
 *		pgraft_trace_save().  What the flight recorder keeps is the engine's
 *		business (node/recorder), its settings are settings/recorder.c's.
 *
 * Nothing here touches shared memory but through ask.c.
 */
#include "functions/functions.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "settings/settings.h"

PG_FUNCTION_INFO_V1(pgraft_trace_save);

/*
 * pgraft_trace_save(path): copies the recorder's files into a new directory on
 * the server and returns their bytes.  As with COPY, a path is absolute: what a
 * relative one starts at, the data directory, is no place for copies.
 */
Datum
pgraft_trace_save(PG_FUNCTION_ARGS)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_TRACE_SAVE,
		.what = "pgraft_trace_save()"
	};
	size_t		len;
	char	   *path;

	pgraft_require_node();
	pgraft_require_argument(fcinfo, 0, "path");
	if (!has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to write files on the server"),
				 errdetail("Only roles with privileges of the \"%s\" role may do so.",
						   "pg_write_server_files"),
				 errhint("Ask a superuser to call the function, or for GRANT %s TO %s.",
						 "pg_write_server_files", quote_identifier(GetUserNameFromId(GetUserId(), false)))));
	path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relative path not allowed for the flight recorder's files: \"%s\"", path),
				 errhint("Name a new directory on the server by its absolute path, such as '/tmp/incident/node%d'.",
						 pgraft_node_id)));
	canonicalize_path(path);
	call.data = path;
	call.len = strlen(path);

	return DirectFunctionCall1(int8in, CStringGetDatum(pgraft_ask_value(&call, &len)));
}
