/*
 * failover.c
 *		The settings of failover.
 *
 * Every process has its own copy of them, as with any setting.
 */
#include "settings/settings.h"

#include <limits.h>

bool		pgraft_failover = false;
int			pgraft_fence_wait = 5000;

void
pgraft_failover_define(void)
{
	DefineCustomBoolVariable("pgraft.failover",
							 "Whether this server takes part in the failover of its cluster.",
							 NULL,
							 &pgraft_failover, false, PGC_POSTMASTER, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.fence_wait",
							"How long a commit waits until this server may write.",
							"After that it is refused.",
							&pgraft_fence_wait, 5000, 0, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
}
