/*
 * trace.c
 *		The flight recorder's settings, and pgraft_trace_save().
 *
 * Every process has its own copy of the settings, as with any setting.  What
 * the recorder does is the engine's business (node/recorder).
 */
#include "pgraft.h"

#include <limits.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(pgraft_trace_save);

static int	trace = PGRAFT_TRACE_RING;
static int	trace_size = 64;
static bool trace_redact = false;

/* MB; a file of the ring begins with the core's whole state */
#define PGRAFT_MIN_TRACE_SIZE	32

static const struct config_enum_entry trace_modes[] = {
	{"off", PGRAFT_TRACE_OFF, false},
	{"ring", PGRAFT_TRACE_RING, false},
	{"full", PGRAFT_TRACE_FULL, false},
	{NULL, 0, false}
};

void
pgraft_trace_define(void)
{
	DefineCustomEnumVariable("pgraft.trace",
							 "What the flight recorder keeps, to replay an incident with.",
							 "\"ring\" keeps the newest part, \"full\" everything: its files are yours to remove.",
							 &trace, PGRAFT_TRACE_RING, trace_modes,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.trace_size",
							"The size of the flight recorder's ring of files.",
							NULL,
							&trace_size, 64, PGRAFT_MIN_TRACE_SIZE, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomBoolVariable("pgraft.trace_redact",
							 "Leaves the data of entries out of the flight recorder's files.",
							 "Bytes made of its hash stand in for it.",
							 &trace_redact, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
}

void
pgraft_trace_read(PgraftConfig *config)
{
	config->trace = trace;
	config->trace_bytes = (uint64) trace_size * 1024 * 1024;
	config->trace_redact = trace_redact;
}

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
		.is_write = true,
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
