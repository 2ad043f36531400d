/*
 * process.c
 *		What a process knows of itself and of the server that it is of.
 *
 * Whether the workers are registered is found out by the postmaster, at the
 * server's start, and every process inherits it.  Whether an apply function
 * runs is each process's own: only the apply worker sets it.
 */
#include "base/base.h"

bool		pgraft_engine_is_registered = false;
bool		pgraft_apply_is_registered = false;

/* From the start of an entry's transaction to its end: deferred triggers count. */
volatile sig_atomic_t pgraft_in_apply_function = false;

/* Raises an error within an apply function, where "what" is not possible. */
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
