/*
 * wait_events.c
 *		The names under which pg_stat_activity shows the waits of pgraft.
 *
 * Their numbers are each process's own copy.  15 and 16 show all of them as
 * "Extension".
 */
#include "base/base.h"

static const char *const wait_event_names[] = {
	[PGRAFT_WAIT_ENGINE_MAIN] = "PgraftEngineMain",
	[PGRAFT_WAIT_ENGINE_START] = "PgraftEngineStart",
	[PGRAFT_WAIT_SLOT] = "PgraftRequestSlot",
	[PGRAFT_WAIT_REPLY] = "PgraftReply",
	[PGRAFT_WAIT_APPLY_MAIN] = "PgraftApplyMain",
	[PGRAFT_WAIT_APPLIED] = "PgraftApplied",
	[PGRAFT_WAIT_FENCE_BEGIN] = "PgraftFenceBegin",
	[PGRAFT_WAIT_FENCE_HOLD] = "PgraftFenceReplication",
	[PGRAFT_WAIT_FENCE_ACK] = "PgraftFenceAcknowledge",
	[PGRAFT_WAIT_ROLE_CHANGE] = "PgraftRoleChange",
};

/*
 * The number of a wait event.  It is registered at its first use in a process: that
 * needs shared memory, and may raise an error.
 */
uint32
pgraft_wait_event(PgraftWait wait)
{
	static uint32 numbers[lengthof(wait_event_names)];

	if (numbers[wait] == 0)
		numbers[wait] = pgraft_wait_event_new(wait_event_names[wait]);
	return numbers[wait];
}
