/*
 * wait_events.c
 *		The names under which pg_stat_activity shows the waits of pgraft.
 *
 * Their numbers are each process's own copy.  15 and 16 show all of them as
 * "Extension".
 */
#include "base/base.h"

/* The name is registered at its first use: that needs shared memory. */
static uint32
wait_event(uint32 *number, const char *name pg_attribute_unused())
{
	if (*number == 0)
		*number = pgraft_wait_event_new(name);
	return *number;
}

uint32
pgraft_wait_event_main(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftEngineMain");
}

/* waiting until the engine worker is up */
uint32
pgraft_wait_event_engine(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftEngineStart");
}

/* waiting for one of the PGRAFT_SLOTS request slots */
uint32
pgraft_wait_event_slot(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftRequestSlot");
}

/* waiting for the engine's reply */
uint32
pgraft_wait_event_reply(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftReply");
}

/* the apply worker, waiting until it tries again or is woken */
uint32
pgraft_wait_event_apply(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftApplyMain");
}

/* waiting until the apply worker has come as far as a read has to see */
uint32
pgraft_wait_event_applied(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftApplied");
}

/* a commit, waiting until it may begin */
uint32
pgraft_wait_event_fence_begin(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftFenceBegin");
}

/* a commit whose wait for standbys was to end early, waiting for them on */
uint32
pgraft_wait_event_fence_hold(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftFenceReplication");
}

/* a commit, waiting until it may be acknowledged */
uint32
pgraft_wait_event_fence_ack(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftFenceAcknowledge");
}
