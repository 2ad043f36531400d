/*
 * Stands in for the engine in tests of the fence: a background worker that publishes
 * what it is told over a socket in the data directory, one line a connection.
 *
 *		publish NAME=VALUE ...	changes fields, and publishes all of them.  A value of
 *								"counted" is TOKEN:SETS,TOKEN:SETS; "lease" is for how
 *								many milliseconds this server has the lease.
 *		half NAME=VALUE ...		does so as a writer that is killed half-way
 *		engine up | down		whether an engine takes requests
 *		names empty | needed	whether pgraft lets the names be empty
 *		forget					as an engine that ends
 *		look					"commits under way", then each sender's token and flush
 *
 * It is preloaded after pgraft, and writes to the shared memory of that.
 */
#include "postgres.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fmgr.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

#include "shmem/shmem.h"
/* its own copy of what the engine worker has, on the same memory */
#include "fence/fence_token.c"
#include "fence/fence_senders.c"
#include "fence/fence_state.c"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);
extern PGDLLEXPORT void publisher_main(Datum arg);

#define SOCKET_NAME	"publisher.sock"

static shmem_startup_hook_type prev_shmem_startup = NULL;
static PgraftShared *engine;
static PgraftFence now;

static const struct
{
	const char *name;
	size_t		offset;
	size_t		size;
}			fields[] = {
#define FIELD(f) {#f, offsetof(PgraftFence, f), sizeof(now.f)}
	FIELD(epoch), FIELD(boot), FIELD(switchover), FIELD(limit), FIELD(failover), FIELD(joined),
	FIELD(quarantined), FIELD(founding), FIELD(primary), FIELD(open), FIELD(reads), FIELD(lease_counts),
	FIELD(limited), FIELD(pending), FIELD(w), FIELD(next_w), FIELD(primary_node)
};

static void
startup(void)
{
	bool		found;

	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	engine = ShmemInitStruct("pgraft", sizeof(PgraftShared), &found);
	pgraft_fence_shmem_attach();
	pgraft_senders_shmem_attach();
	LWLockRelease(AddinShmemInitLock);
}

static void
set_lease(const char *value)
{
	PgraftStatus status;
	struct timespec ts;

	memset(&status, 0, sizeof(status));
	clock_gettime(CLOCK_BOOTTIME, &ts);
	status.lease_expiry_ns = (int64) ts.tv_sec * 1000000000 + ts.tv_nsec + strtol(value, NULL, 10) * 1000000;
	status.worker_state = PGRAFT_WORKER_RUNNING;
	pgraft_status_write(&engine->status, &status);
}

static bool
set_counted(char *value)
{
	now.ncounted = 0;
	for (char *each, *rest = value; (each = strtok_r(rest, ",", &rest)) != NULL; now.ncounted++)
	{
		char	   *sets = strchr(each, ':');

		if (sets == NULL || now.ncounted == PGRAFT_MAX_COUNTED)
			return false;
		*sets++ = '\0';
		if (!pgraft_token_parse(each, &now.counted[now.ncounted].token))
			return false;
		now.counted[now.ncounted].in = strtoul(sets, NULL, 10);
	}
	return true;
}

static bool
set_field(const char *name, char *value)
{
	if (strcmp(name, "lease") == 0)
	{
		set_lease(value);
		return true;
	}
	if (strcmp(name, "counted") == 0)
		return set_counted(value);
	if (strcmp(name, "primary_address") == 0)
	{
		snprintf(now.primary_address, sizeof(now.primary_address), "%s", value);
		return true;
	}
	for (size_t i = 0; i < lengthof(fields); i++)
	{
		if (strcmp(fields[i].name, name) != 0)
			continue;
		if (fields[i].size == sizeof(uint64))
			*(uint64 *) ((char *) &now + fields[i].offset) = strtoul(value, NULL, 10);
		else
			*(uint32 *) ((char *) &now + fields[i].offset) = (uint32) strtoul(value, NULL, 10);
		return true;
	}
	return false;
}

static void
look(char *answer, size_t size)
{
	PgraftSender found[16];
	int			n = pgraft_senders_get(found, lengthof(found));
	int			len = snprintf(answer, size, "%u commits under way", pgraft_commits_under_way());

	for (int i = 0; i < n; i++)
		len += snprintf(answer + len, size - len, ", %lu %lu %lu %lu %X/%X", (unsigned long) found[i].token.epoch,
						(unsigned long) found[i].token.boot, (unsigned long) found[i].token.member,
						(unsigned long) found[i].token.follow, LSN_FORMAT_ARGS(found[i].flushed));
}

static void
obey(char *line, char *answer, size_t size)
{
	char	   *rest = NULL;
	char	   *verb = strtok_r(line, " \n", &rest);
	char	   *word;
	bool		half = verb != NULL && strcmp(verb, "half") == 0;

	strcpy(answer, "done");
	if (verb == NULL)
		strcpy(answer, "what?");
	else if (strcmp(verb, "look") == 0)
		look(answer, size);
	else if (strcmp(verb, "forget") == 0)
	{
		pgraft_fence_close();
		pgraft_fence_open();
	}
	else if (strcmp(verb, "engine") == 0)
		pg_atomic_write_u32(&engine->engine_generation, strncmp(rest, "up", 2) == 0 ? 1 : 2);
	else if (strcmp(verb, "names") == 0)
		pgraft_fence_let_names_be_empty(strncmp(rest, "empty", 5) == 0);
	else if (half || strcmp(verb, "publish") == 0)
	{
		while ((word = strtok_r(NULL, " \n", &rest)) != NULL)
		{
			char	   *value = strchr(word, '=');

			if (value == NULL)
				break;
			*value++ = '\0';
			if (!set_field(word, value))
			{
				snprintf(answer, size, "no %s", word);
				return;
			}
		}
		if (half && (shared->block.seq & 1) == 0)
		{
			pgraft_fence_copy(&shared->block.copies[1], &shared->block.copies[0]);
			__atomic_add_fetch(&shared->block.seq, 1, __ATOMIC_SEQ_CST);
			pgraft_fence_copy(&shared->block.copies[0], &now);
		}
		else
			pgraft_fence_publish(&now);
	}
	else
		strcpy(answer, "what?");
}

static int
listen_on_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, SOCKET_NAME);
	unlink(SOCKET_NAME);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(fd, 8) != 0)
		elog(FATAL, "could not listen on %s: %m", SOCKET_NAME);
	return fd;
}

static void
serve(int listener)
{
	char		line[8192];
	char		answer[8192];
	int			fd = accept(listener, NULL, NULL);
	ssize_t		len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (len > 0)
	{
		line[len] = '\0';
		obey(line, answer, sizeof(answer));
		if (write(fd, answer, strlen(answer)) < 0)
			elog(LOG, "could not answer: %m");
	}
	if (fd >= 0)
		close(fd);
}

void
publisher_main(Datum arg)
{
	int			listener;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	pgraft_fence_open();
	listener = listen_on_socket();
	while (!ShutdownRequestPending)
	{
		int			events = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
											   listener, -1, PG_WAIT_EXTENSION);

		ResetLatch(MyLatch);
		if (events & WL_SOCKET_READABLE)
			serve(listener);
	}
	pg_atomic_write_u32(&engine->engine_generation, 2);
	pgraft_fence_close();
	proc_exit(0);
}

void
_PG_init(void)
{
	BackgroundWorker worker;

	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = 1;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "%s", LIBRARY);
	strcpy(worker.bgw_function_name, "publisher_main");
	strcpy(worker.bgw_name, "publisher");
	strcpy(worker.bgw_type, "publisher");
	RegisterBackgroundWorker(&worker);
}
