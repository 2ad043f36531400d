/*
 * deadline.c
 *		When a wait ends.
 *
 * The time of day is set, by people and by NTP: a wait that went by it would end
 * at once, or hours late.  The engine's own timeouts go by the same clock.
 */
#include "base/base.h"

#include <limits.h>
#include <time.h>

static int64
now(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
		elog(ERROR, "could not read the clock: %m");
	return (int64) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

PgraftDeadline
pgraft_deadline_in(long ms)
{
	PgraftDeadline deadline = {now() + (int64) ms * 1000};

	return deadline;
}

PgraftDeadline
pgraft_deadline_earlier(PgraftDeadline a, PgraftDeadline b)
{
	return a.us < b.us ? a : b;
}

/* Rounded up; 0 once the deadline has passed. */
long
pgraft_remaining_ms(PgraftDeadline deadline)
{
	int64		left = deadline.us - now();

	return left <= 0 ? 0 : (long) Min((left + 999) / 1000, INT_MAX);
}

/* The pause before the next attempt, after so many failures in a row, at least 1. */
int
pgraft_retry_ms(uint32 failures)
{
	return Min(PGRAFT_MAX_RETRY_MS, PGRAFT_MIN_RETRY_MS << Min(failures - 1, 10));
}
