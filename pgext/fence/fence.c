/*
 * fence.c
 *		The fence's hooks.
 *
 * They are there only where pgraft.failover is on: elsewhere the server is as PostgreSQL
 * has it.  Nothing here is shared.
 */
#include "fence/fence.h"

/* In the postmaster, while shared_preload_libraries is loaded. */
void
pgraft_fence_install(void)
{
	pgraft_fence_auth_install();
	pgraft_fence_xact_install();
	pgraft_fence_hold_install();
	pgraft_fence_statements_install();
	pgraft_fence_shows_install();
	pgraft_fence_settings_install();
}
