/*
 * fence_statements.c
 *		Statements that are no queries, as they begin: whether they may show
 *		anything, and those for which the commit would be too late to ask.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/* Shows nothing of the data; the end of a transaction is looked at by itself. */
static bool
shows_nothing(const Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_TransactionStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_AlterSystemStmt:
		case T_CheckPointStmt:
		case T_DiscardStmt:
		case T_DeallocateStmt:
		case T_ClosePortalStmt:
			return true;
		default:
			return false;
	}
}

static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

/* VACUUM FULL rewrites tables, each in its own transaction. */
static bool
is_full(const VacuumStmt *statement)
{
	DefElem    *full = find_option(statement->options, "full");

	return full != NULL && defGetBoolean(full);
}

static bool
detaches_concurrently(const AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		if (cmd->subtype == AT_DetachPartition && ((PartitionCmd *) cmd->def)->concurrent)
			return true;
	}
	return false;
}

/*
 * The name of a statement that works beyond its transaction, else NULL: those that
 * PostgreSQL does not run in a transaction block (PreventInTransactionBlock), but for
 * ALTER SYSTEM, DISCARD ALL and a plain VACUUM, of which a refusal leaves nothing half
 * done, and the two that finish a prepared transaction.
 */
static const char *
works_beyond(const Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
			return "CREATE DATABASE";
		case T_DropdbStmt:
			return "DROP DATABASE";
		case T_AlterDatabaseStmt:
			return find_option(((const AlterDatabaseStmt *) statement)->options, "tablespace") != NULL ? "ALTER DATABASE SET TABLESPACE" : NULL;
		case T_CreateTableSpaceStmt:
			return "CREATE TABLESPACE";
		case T_DropTableSpaceStmt:
			return "DROP TABLESPACE";
		case T_IndexStmt:
			return ((const IndexStmt *) statement)->concurrent ? "CREATE INDEX CONCURRENTLY" : NULL;
		case T_DropStmt:
			return ((const DropStmt *) statement)->concurrent ? "DROP INDEX CONCURRENTLY" : NULL;
		case T_ReindexStmt:		/* more than one table: each in its own
								 * transaction */
			return "REINDEX";
		case T_AlterTableStmt:
			return detaches_concurrently((const AlterTableStmt *) statement) ? "ALTER TABLE ... DETACH CONCURRENTLY" : NULL;
		case T_VacuumStmt:
			return is_full((const VacuumStmt *) statement) ? "VACUUM FULL" : NULL;
		case T_CreateSubscriptionStmt:	/* makes a slot at the publisher */
			return "CREATE SUBSCRIPTION";
		case T_AlterSubscriptionStmt:
			return "ALTER SUBSCRIPTION";
		case T_DropSubscriptionStmt:
			return "DROP SUBSCRIPTION";
		case pgraft_T_ClusterStmt:
			return "CLUSTER";
		default:
			return NULL;
	}
}

static void
look_at(const Node *statement, ProcessUtilityContext context)
{
	const char *name;

	if (!shows_nothing(statement))
		pgraft_fence_reads();
	/* elsewhere PostgreSQL refuses those that follow */
	if (context != PROCESS_UTILITY_TOPLEVEL || IsTransactionBlock())
		return;
	if (IsA(statement, TransactionStmt))
	{
		TransactionStmtKind kind = ((const TransactionStmt *) statement)->kind;

		if (kind == TRANS_STMT_COMMIT_PREPARED)
			pgraft_fence_finishes_prepared("COMMIT PREPARED");
		else if (kind == TRANS_STMT_ROLLBACK_PREPARED)
			pgraft_fence_finishes_prepared("ROLLBACK PREPARED");
	}
	else if ((name = works_beyond(statement)) != NULL)
		pgraft_fence_autonomous(name);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	look_at(pstmt->utilityStmt, context);
	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

void
pgraft_fence_statements_install(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
