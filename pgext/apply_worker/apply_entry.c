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
 * Nothing here is shared.
 */
#include "apply_worker/apply_worker.h"

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

/* The function of this signature; an error if there is none. */
Oid
pgraft_apply_find_function(const char *signature)
{
	return DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(signature)));
}

/* How each kind is declared, for who declares it otherwise. */
static const struct
{
	const char *what;
	const char *like;
	int			nargs;
	Oid			args[3];
	Oid			result;
}			kinds[] = {

	[PGRAFT_FUNCTION_APPLY] = {"an apply function",
	"f(index bigint, term bigint, data text) RETURNS void", 3, {INT8OID, INT8OID, TEXTOID}, VOIDOID},
	[PGRAFT_FUNCTION_EXPORT] = {"an export function",
	"f() RETURNS bytea", 0, {InvalidOid}, BYTEAOID},
	[PGRAFT_FUNCTION_IMPORT] = {"an import function",
	"f(state bytea) RETURNS void", 1, {BYTEAOID}, VOIDOID},
};

static void
wrong_function(Oid function, PgraftApplyKind kind, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 errmsg("%s cannot be %s", format_procedure(function), kinds[kind].what),
			 errdetail("%s", why),
			 errhint("Declare it like CREATE FUNCTION %s.", kinds[kind].like)));
}

/* Raises an error unless it can be one of this kind; returns its owner. */
Oid
pgraft_apply_check_function(Oid function, PgraftApplyKind kind)
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
		wrong_function(function, kind, "It is not a plain function.");
	if (proc->pronargs != kinds[kind].nargs ||
		memcmp(proc->proargtypes.values, kinds[kind].args, kinds[kind].nargs * sizeof(Oid)) != 0)
		wrong_function(function, kind, "It has other arguments.");
	if (proc->prorettype != kinds[kind].result || proc->proretset)
		wrong_function(function, kind, "It returns something else.");
	owner = proc->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Calls it as its owner.  args are as many as its kind has. */
Datum
pgraft_apply_invoke(const char *signature, PgraftApplyKind kind,
					const NullableDatum *args, bool *isnull)
{
	Oid			function = pgraft_apply_find_function(signature);
	Oid			owner = pgraft_apply_check_function(function, kind);
	FmgrInfo	flinfo;
	Oid			user;
	int			context;
	int			settings;
	Datum		result;

	LOCAL_FCINFO(fcinfo, 3);

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, superuser_arg(owner) ? context :
						   context | SECURITY_RESTRICTED_OPERATION);
	settings = NewGUCNestLevel();

	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, kinds[kind].nargs, DEFAULT_COLLATION_OID, NULL, NULL);
	for (int i = 0; i < kinds[kind].nargs; i++)
		fcinfo->args[i] = args[i];
	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;

	AtEOXact_GUC(false, settings);
	SetUserIdAndSecContext(user, context);
	return result;
}

/* Starts the transaction that a function of a site's runs in. */
void
pgraft_apply_start(const char *function)
{
	SetCurrentStatementStartTimestamp();
	pgraft_in_apply_function = true;
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, function);
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
 * Applies an entry, its data as in the log; NULL is one of Raft's own, which only
 * moves the progress.  On an error the transaction, and pgraft_in_apply_function, are the
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
	pgraft_apply_start(session->function);
	PushActiveSnapshot(GetTransactionSnapshot());
	pgraft_apply_move(session, index, term);
	PopActiveSnapshot();
	if (data != NULL)
	{
		const char *text = pgraft_text_from_log(data, &len);
		NullableDatum args[] = {
			{Int64GetDatum((int64) index), false},
			{Int64GetDatum((int64) term), false},
			{PointerGetDatum(cstring_to_text_with_len(text, (int) len)), false}
		};
		bool		isnull;

		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
		(void) pgraft_apply_invoke(session->function, PGRAFT_FUNCTION_APPLY, args, &isnull);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	pgraft_in_apply_function = false;
	error_context_stack = context.previous;
	MemoryContextSwitchTo(caller);

	session->index = index;
	pgraft_apply_set_applied(index, data != NULL);
}
