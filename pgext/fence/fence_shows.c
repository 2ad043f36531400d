/*
 * fence_shows.c
 *		Queries as they begin: whether they may show anything.
 *
 * On a server that shows no data some run nevertheless: what pgraft says of the cluster
 * is how an operator finds out why it shows none, and an operator's word may be what
 * the cluster waits for.
 *
 * Such a query is a SELECT over no relation but views, which calls at least one of
 * the functions below, and besides them only functions that are immutable: those
 * promise not to look into the database.  The executor tells of each function before
 * it calls it, wherever in the plan that is.  A statement that a function runs inside
 * is looked at by itself.
 *
 * The statics are each process's own.
 */
#include "fence/fence.h"

#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* They ask the engine, or read what it has published, and nothing else. */
static const char *const of_the_cluster[] = {
	"pgraft_add_node",
	"pgraft_clear_quarantine",
	"pgraft_confirm_leader",
	"pgraft_disable_failover",
	"pgraft_failover_settings",
	"pgraft_failover_to",
	"pgraft_get_cluster_status",
	"pgraft_get_leader",
	"pgraft_get_nodes",
	"pgraft_get_nodes_for_view",
	"pgraft_get_primary",
	"pgraft_get_term",
	"pgraft_get_version",
	"pgraft_get_worker_state",
	"pgraft_health_check",
	"pgraft_is_leader",
	"pgraft_log_get_replication_status",
	"pgraft_log_get_stats",
	"pgraft_recover_from_lost_quorum",
	"pgraft_remove_node",
	"pgraft_replace_node",
	"pgraft_stat_get_failover",
	"pgraft_stat_get_failover_history",
	"pgraft_stat_get_node",
	"pgraft_stat_get_peers",
	"pgraft_switchover",
	"pgraft_trace_save",
	"pgraft_transfer_leadership"
};

/* As CREATE EXTENSION has it. */
#define PGRAFT_LIBRARY	"$libdir/pgraft"

static ExecutorStart_hook_type prev_ExecutorStart = NULL;
static object_access_hook_type prev_object_access = NULL;

static bool looking = false;	/* a query starts that may show no data */
static bool asks_pgraft;		/* it calls one of those functions */

static bool
has_text(HeapTuple function, AttrNumber attribute, const char *wanted)
{
	bool		is_null;
	Datum		value = SysCacheGetAttr(PROCOID, function, attribute, &is_null);

	return !is_null && strcmp(TextDatumGetCString(value), wanted) == 0;
}

static bool
is_of_the_cluster(HeapTuple function)
{
	if (((Form_pg_proc) GETSTRUCT(function))->prolang != ClanguageId ||
		!has_text(function, Anum_pg_proc_probin, PGRAFT_LIBRARY))
		return false;
	for (size_t i = 0; i < lengthof(of_the_cluster); i++)
		if (has_text(function, Anum_pg_proc_prosrc, of_the_cluster[i]))
			return true;
	return false;
}

/* The query that starts calls a function. */
static void
look_at_function(Oid oid)
{
	HeapTuple	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	bool		is_immutable;

	if (!HeapTupleIsValid(function))
		elog(ERROR, "cache lookup failed for function %u", oid);
	is_immutable = ((Form_pg_proc) GETSTRUCT(function))->provolatile == PROVOLATILE_IMMUTABLE;
	if (is_of_the_cluster(function))
		asks_pgraft = true;
	else if (!is_immutable)
		pgraft_fence_refuse_to_show();
	ReleaseSysCache(function);
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class, object, sub, arg);
	if (looking && access == OAT_FUNCTION_EXECUTE)
		look_at_function(object);
}

/* On a server that shows no data: an error if it might show some. */
static void
start_without_data(ExecutorStart_hook_type start, QueryDesc *query, int flags)
{
	ListCell   *cell;

	foreach(cell, query->plannedstmt->relationOids)
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_VIEW)
			pgraft_fence_refuse_to_show();
	}
	if (query->operation != CMD_SELECT)
		pgraft_fence_refuse_to_show();
	asks_pgraft = false;
	looking = true;
	PG_TRY();
	{
		start(query, flags);
	}
	PG_FINALLY();
	{
		looking = false;
	}
	PG_END_TRY();
	if (!asks_pgraft)
		pgraft_fence_refuse_to_show();
}

static void
executor_start(QueryDesc *query, int flags)
{
	ExecutorStart_hook_type start = prev_ExecutorStart ? prev_ExecutorStart : standard_ExecutorStart;

	if (pgraft_fence_may_read())
		start(query, flags);
	else
		start_without_data(start, query, flags);
}

void
pgraft_fence_shows_install(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
}
