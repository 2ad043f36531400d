/*
 * What backends read of the status block while the engine writes, or stands still
 * within a write: status_test.go builds and runs it.  With the name of a file, the
 * block is in that, and the test writes it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine.h"

#define WRITES	200000
#define READERS	3

static PgraftStatusBlock own;
static PgraftStatusBlock *block = &own;
static int	writing;			/* set before there are readers: without a
								 * pause */

/* Every word of the status says n. */
static PgraftStatus
filled(uint64_t n)
{
	PgraftStatus status;

	for (size_t i = 0; i < PGRAFT_STATUS_WORDS; i++)
		((uint64_t *) &status)[i] = n;
	return status;
}

static void
put(uint64_t n)
{
	PgraftStatus status = filled(n);

	pgraft_status_write(block, &status);
}

/* Begins to write, and stands still. */
static void
put_half(uint64_t n)
{
	(void) pgraft_status_begin(block);
	for (size_t i = 0; i < PGRAFT_STATUS_WORDS / 2; i++)
		__atomic_store_n(&((uint64_t *) &block->copies[0])[i], n, __ATOMIC_RELAXED);
}

static uint64_t
get(void)
{
	PgraftStatus status;
	uint64_t   *words = (uint64_t *) &status;

	/* as in ask.c: only a writer that never rests can make it try again */
	while (!pgraft_status_read(block, &status))
		if (!writing)
		{
			printf("the status block cannot be read\n");
			exit(1);
		}
	for (size_t i = 1; i < PGRAFT_STATUS_WORDS; i++)
		if (words[i] != words[0])
		{
			printf("torn: word 0 says %lu, word %zu says %lu\n", words[0], i, words[i]);
			exit(1);
		}
	return words[0];
}

static void
want(uint64_t n)
{
	uint64_t	got = get();

	if (got != n)
	{
		printf("read %lu, want %lu\n", got, n);
		exit(1);
	}
}

/* Never anything older than what was read before. */
static void *
read_all(void *arg)
{
	for (uint64_t last = 0; last < WRITES;)
	{
		uint64_t	got = get();

		if (got < last)
		{
			printf("read %lu after %lu\n", got, last);
			exit(1);
		}
		last = got;
	}
	return arg;
}

/* As read_all, of what another process writes. */
static int
read_file(const char *name)
{
	int			fd = open(name, O_RDWR);

	block = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (block == MAP_FAILED)
	{
		perror(name);
		return 1;
	}
	writing = 1;
	printf("ready\n");
	fflush(stdout);
	(void) read_all(NULL);
	return 0;
}

int
main(int argc, char **argv)
{
	pthread_t	readers[READERS];

	if (argc > 1)
		return read_file(argv[1]);

	/* stopped, or killed, within a write: what was said before counts */
	want(0);
	put_half(1);
	want(0);
	put(2);
	want(2);
	put(3);
	put_half(4);
	want(3);
	put_half(5);
	want(3);
	put(6);
	want(6);

	put(0);
	writing = 1;
	for (int i = 0; i < READERS; i++)
		if (pthread_create(&readers[i], NULL, read_all, NULL) != 0)
			return 1;
	for (uint64_t n = 1; n <= WRITES; n++)
		put(n);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	printf("ok\n");
	return 0;
}
