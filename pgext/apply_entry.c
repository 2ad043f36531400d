/*
 * apply_entry.c
 *		Applies one committed entry: the progress moves on and the registered
 *		function is called, in one transaction.
 *
 * The function runs as its owner, never as the worker's superuser: whoever may
 * replace it gains nothing by that.  If the owner is no superuser, it runs as a
 * security-restricted operation too, as a subscription's triggers do, so that
 * nothing it leaves behind (a deferred trigger, a temporary table) runs later
 * with other rights.  Settings it changes are put back.
 *
 * Nothing here is shared; pgraft_in_apply_function is this process's own.
 */
#include "apply.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* From the start of an entry's transaction to its end: deferred triggers count. */
volatile sig_atomic_t pgraft_in_apply_function = false;

/*
 * Raised where a function must not be called from an apply function.
 */
void
pgraft_refuse_in_apply_function(const char *what)
{
	if (pgraft_in_apply_function)
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("%s is not possible within an apply function", what),
				 errdetail("It runs on every node for every entry, and again on every retry; so would what it asks for."),
				 errhint("Replicate from a client's session, and let the apply function only write tables.")));
}

/* The function of this signature; an error if there is none. */
Oid
pgraft_apply_find_function(const char *signature)
{
	return DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(signature)));
}

static void
wrong_function(Oid function, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 errmsg("%s cannot be an apply function", format_procedure(function)),
			 errdetail("%s", why),
			 errhint("An apply function is declared like CREATE FUNCTION f(index bigint, term bigint, data text) RETURNS void.")));
}

/* Raises an error unless it can be an apply function; returns its owner. */
Oid
pgraft_apply_check_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prokind != PROKIND_FUNCTION)
		wrong_function(function, "It is not a plain function.");
	if (proc->pronargs != 3 || proc->proargtypes.values[0] != INT8OID ||
		proc->proargtypes.values[1] != INT8OID || proc->proargtypes.values[2] != TEXTOID)
		wrong_function(function, "Its arguments are not (bigint, bigint, text).");
	if (proc->prorettype != VOIDOID || proc->proretset)
		wrong_function(function, "It does not return void.");
	owner = proc->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
call_function(const char *signature, uint64 index, uint64 term, const char *data, size_t len)
{
	Oid			function = pgraft_apply_find_function(signature);
	Oid			owner = pgraft_apply_check_function(function);
	FmgrInfo	flinfo;
	Oid			user;
	int			context;
	int			settings;

	LOCAL_FCINFO(fcinfo, 3);

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, superuser_arg(owner) ? context :
						   context | SECURITY_RESTRICTED_OPERATION);
	settings = NewGUCNestLevel();

	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 3, DEFAULT_COLLATION_OID, NULL, NULL);
	fcinfo->args[0] = (NullableDatum) {Int64GetDatum((int64) index), false};
	fcinfo->args[1] = (NullableDatum) {Int64GetDatum((int64) term), false};
	fcinfo->args[2] = (NullableDatum) {PointerGetDatum(cstring_to_text_with_len(data, len)), false};
	(void) FunctionCallInvoke(fcinfo);

	AtEOXact_GUC(false, settings);
	SetUserIdAndSecContext(user, context);
}

typedef struct EntryContext
{
	uint64		index;
	uint64		term;
	const char *function;
} EntryContext;

static void
entry_context(void *arg)
{
	EntryContext *entry = arg;

	errcontext("applying entry " UINT64_FORMAT " of term " UINT64_FORMAT " with %s",
			   entry->index, entry->term, entry->function);
}

/*
 * Applies an entry; data NULL is one of Raft's own, which only moves the
 * progress.  On an error the transaction, and pgraft_in_apply_function, are the
 * caller's to end.
 */
void
pgraft_apply_entry(PgraftApplySession *session, uint64 index, uint64 term,
				   const char *data, size_t len)
{
	MemoryContext caller = CurrentMemoryContext;
	EntryContext entry = {index, term, session->function};
	ErrorContextCallback context = {error_context_stack, entry_context, &entry};

	error_context_stack = &context;
	SetCurrentStatementStartTimestamp();
	pgraft_in_apply_function = true;
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, session->function);
	PushActiveSnapshot(GetTransactionSnapshot());
	pgraft_apply_move(session, index, term);
	PopActiveSnapshot();
	if (data != NULL)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
		call_function(session->function, index, term, data, len);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	pgraft_in_apply_function = false;
	error_context_stack = context.previous;
	MemoryContextSwitchTo(caller);

	session->index = index;
	pgraft_apply_set_applied(index, data != NULL);
}
