/*
 * What commits read of the fence's block while the engine writes, or stands still
 * within a write: fence_test.go builds and runs it.  The n-th state has n in each field,
 * and n modulo the most members counted.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define WRITES	100000
#define READERS	3

static PgraftFenceBlock block;
static int	done;

static void
fill(PgraftFence *fence, uint64_t n)
{
	memset(fence, 0, sizeof(*fence));
	fence->epoch = fence->boot = fence->switchover = fence->decision = fence->limit = n;
	fence->w = fence->next_w = (uint32_t) n;
	fence->ncounted = n % (PGRAFT_MAX_COUNTED + 1);
	for (uint64_t i = 0; i < fence->ncounted; i++)
		fence->counted[i].token.epoch = fence->counted[i].in = n;
}

static void
check(uint64_t version, const PgraftFence *fence)
{
	uint64_t	n = fence->epoch;

	if (fence->boot != n || fence->limit != n || fence->w != (uint32_t) n || fence->ncounted != n % (PGRAFT_MAX_COUNTED + 1))
	{
		printf("%lu is not whole\n", (unsigned long) n);
		exit(1);
	}
	for (uint64_t i = 0; i < fence->ncounted; i++)
		if (fence->counted[i].token.epoch != n || fence->counted[i].in != n)
		{
			printf("member %lu of %lu is not whole\n", (unsigned long) i, (unsigned long) n);
			exit(1);
		}

	/*
	 * while the n-th is published, the version is 2n, or 1 more as the next
	 * one is
	 */
	if (version != 2 * n && version != 2 * n + 1)
	{
		printf("%lu has version %lu\n", (unsigned long) n, (unsigned long) version);
		exit(1);
	}
}

static void *
reader(void *arg)
{
	uint64_t	last = 0;

	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
	{
		PgraftFence fence;
		uint64_t	version = pgraft_fence_read(&block, &fence);

		check(version, &fence);
		if (version < last)
		{
			puts("it went back");
			exit(1);
		}
		last = version;
	}
	return arg;
}

int
main(void)
{
	pthread_t	threads[READERS];
	PgraftFence fence;

	for (int i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, reader, NULL);
	for (uint64_t n = 1; n <= WRITES; n++)
	{
		fill(&fence, n);
		pgraft_fence_write(&block, &fence);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);

	/*
	 * a writer that was killed in the middle: what was published before still
	 * holds
	 */
	block.copies[1] = block.copies[0];
	block.seq++;
	memset(&block.copies[0], 0xff, offsetof(PgraftFence, counted));
	check(pgraft_fence_read(&block, &fence), &fence);
	if (fence.epoch != WRITES || pgraft_fence_version(&block) != 2 * WRITES + 1)
		return 2;
	fill(&fence, WRITES + 1);
	pgraft_fence_write(&block, &fence);
	if (pgraft_fence_read(&block, &fence) != 2 * (WRITES + 1) || fence.epoch != WRITES + 1)
		return 3;
	return 0;
}
