/*
 * fence_hint.c
 *		Where to go instead.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include "settings/settings.h"

/* A sentence, palloc'd; NULL if nobody is known to be the primary, or this server is. */
char *
pgraft_hint_primary(const PgraftFence *fence)
{
	if (!pgraft_failover)		/* and yet the fence is there */
		return pstrdup("Set pgraft.failover to on and restart this server: it takes part in failover.");
	if (fence->primary || fence->primary_node == 0)
		return NULL;
	if (fence->primary_address[0] == '\0')
		return psprintf("The primary is node %u.", fence->primary_node);
	return psprintf("The primary is node %u: %s.", fence->primary_node, fence->primary_address);
}
