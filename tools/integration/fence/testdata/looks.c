/*
 * A backend is stopped between two of its looks, and what is published changes
 * meanwhile: looks_test.go builds and runs it.  It prints the verdicts of F3, F1 and F2 for
 * each instant at which that can happen.
 */
#include "postgres.h"

#include <stdio.h>

/* F3 has all it needs in what is published first, and nothing in what comes after. */
#include "../../../../pgext/fence/fence_look.c"
#include "../../../../pgext/fence/fence_rules.c"
#undef printf					/* PostgreSQL's own is not linked in */

static PgraftFence published;
static uint64 version;
static int	looks;				/* so far */
static int	changes_at;			/* the look before which it changes */

static void
look(void)
{
	if (++looks != changes_at)
		return;
	published.w = 2;
	published.switchover = 1;
	version += 2;
}

uint64
pgraft_fence_get(PgraftFence *fence)
{
	look();
	*fence = published;
	return version;
}

uint64
pgraft_fence_get_version(void)
{
	look();
	return version;
}

bool
pgraft_has_lease(void)
{
	look();
	return true;
}

void
pgraft_senders_count(const PgraftFence *fence, XLogRecPtr end, uint32 *set, uint32 *next)
{
	look();
	*set = 1;
	*next = 0;
}

XLogRecPtr
GetFlushRecPtr(TimeLineID *insertTLI)
{
	look();
	return 100;
}

bool
RecoveryInProgress(void)
{
	return false;
}

static void
begin(int at)
{
	memset(&published, 0, sizeof(published));
	published.failover = published.joined = published.primary = published.open = 1;
	published.lease_counts = 1;
	published.epoch = 3;
	published.w = 1;
	looks = 0;
	changes_at = at;
	version = 10;
}

int
main(void)
{
	for (int at = 0; at <= 6; at++)
	{
		PgraftCommit commit = {.fenced = true, .epoch = 3, .end = 50};
		PgraftFence fence;
		int			ack;

		begin(at);
		ack = pgraft_look_ack(&commit);
		if (ack == PGRAFT_ACK_RESTART)
			printf("changes before look %d: F3 restarts, then %d", at, pgraft_look_ack(&commit));
		else
			printf("changes before look %d: F3 %d", at, ack);
		begin(at);
		printf(", F1 %d", pgraft_look_begin(true, &fence));
		begin(at);
		printf(", F2 %d\n", pgraft_look_replicated(50));
	}
	return 0;
}
