/*
 * A thread of the engine stands still while it writes the reply to a request that
 * was given up meanwhile, and the reply to the slot's next request is written:
 * replies_test.go builds and runs it.  With -DWITHOUT_MUTEX, engine_replies.c has no
 * mutex.
 */
#include "postgres.h"

#include <pthread.h>
#include <semaphore.h>

static void *copy_reply(void *to, const void *from, size_t len);
static int	lock_replies(pthread_mutex_t *mutex);

#define memcpy copy_reply
#define pthread_mutex_lock lock_replies
#ifdef WITHOUT_MUTEX
#define pthread_mutex_unlock(mutex) ((void) (mutex))
#endif
#include "../../../pgext/engine_worker/engine_replies.c"
#undef memcpy
#undef pthread_mutex_lock
#undef printf					/* PostgreSQL's own is not linked in */

#define SLOT	3
#define GIVEN_UP	UINT64CONST(7)	/* the generation of the first request */
#define NEXT		UINT64CONST(9)	/* of the next one */

static PgraftShared shared;
PgraftShared *pgraft_shared = &shared;
MemoryContext TopMemoryContext;

static sem_t arrived;			/* the second thread has written, or waits for
								 * the mutex */
static bool copying;			/* the first thread has begun */
static pthread_t second;

bool
pgraft_slot_advance(PgraftSlot *slot, uint64 from, uint64 to)
{
	return pg_atomic_compare_exchange_u64(&slot->word, &from, to);
}

/* Gives a reply of the one byte to the request of that generation. */
static void
answer(uint64 gen, char byte)
{
	struct
	{
		PgraftRecord record;
		char		body[PGRAFT_RECORD_ALIGN];
	}			reply = {.record = {.kind = PGRAFT_RECORD_REPLY, .len = 1, .id = PGRAFT_REQUEST_ID(gen, SLOT)}, .body = {byte}};

	pgraft_replies_answer((const char *) &reply, sizeof(reply));
}

static void *
answer_next(void *arg)
{
	answer(NEXT, 'n');
	sem_post(&arrived);
	return arg;
}

/* memcpy(), within which the slot goes on to its next request. */
static void *
copy_reply(void *to, const void *from, size_t len)
{
	PgraftSlot *slot = &shared.slots[SLOT];

	if (to == slot->reply && !copying)
	{
		copying = true;
		pg_atomic_write_u64(&slot->word, PGRAFT_WORD(NEXT, PGRAFT_SLOT_INFLIGHT));
		if (pthread_create(&second, NULL, answer_next, NULL) != 0)
			abort();
		while (sem_wait(&arrived) != 0)
			;
	}
	return memmove(to, from, len);
}

static int
lock_replies(pthread_mutex_t *mutex)
{
#ifdef WITHOUT_MUTEX
	(void) mutex;
	return 0;
#else
	if (pthread_mutex_trylock(mutex) == 0)
		return 0;
	sem_post(&arrived);
	return pthread_mutex_lock(mutex);
#endif
}

int
main(void)
{
	PgraftSlot *slot = &shared.slots[SLOT];

	sem_init(&arrived, 0, 0);
	pg_atomic_init_u64(&slot->word, PGRAFT_WORD(GIVEN_UP, PGRAFT_SLOT_INFLIGHT));
	answer(GIVEN_UP, 'g');
	pthread_join(second, NULL);
	if (pg_atomic_read_u64(&slot->word) != PGRAFT_WORD(NEXT, PGRAFT_SLOT_DONE))
		printf("the request was not answered\n");
	else
		printf("the reply is %c\n", slot->reply[0]);
	return 0;
}

/* What the other replies need. */
void
SetLatch(Latch *latch)
{
	(void) latch;
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	(void) context;
	(void) flags;
	return malloc(size);
}

void
pfree(void *pointer)
{
	free(pointer);
}

char *
pgraft_error_reply(size_t *len, const char *sqlstate, const char *message, const char *hint)
{
	abort();
}

dsm_segment *
dsm_attach(dsm_handle h)
{
	abort();
}

void
dsm_detach(dsm_segment *seg)
{
	abort();
}

void *
dsm_segment_address(dsm_segment *seg)
{
	abort();
}

Size
dsm_segment_map_length(dsm_segment *seg)
{
	abort();
}
