/*
 * engine_library.c
 *		Loads the Go engine into the engine worker, and checks that Go leaves
 *		PostgreSQL's signals alone.
 *
 * The server loads this extension with its symbols global, so no function of
 * the shim may be named like one that the engine exports.
 *
 * Nothing here is shared between processes.  "pgraft_engine" is written once,
 * before the worker's loop; engine.h says how the engine's threads share
 * "pgraft_bell" with the main thread.
 *
 * PostgreSQL's latches use SIGURG through a signalfd, so it has to be blocked in
 * every thread: a thread that takes it loses the worker's latch for good.  Go's
 * threads inherit the mask of the thread that makes the first call into Go, and
 * unblock SIGURG for preemption unless the library is linked with
 * asyncpreemptoff=1.  So all signals are blocked while the library is loaded and
 * called first, and the result is looked up in /proc rather than trusted.
 *
 * Go's scheduler sleeps for 3 or 20 microseconds, again and again, while a
 * thread of the engine waits for the disk or comes back to C.  The kernel makes
 * some 70 of that, and each is a change of threads: more than a dozen for an
 * entry that is alone.  Go's threads inherit the timer slack of the thread that
 * starts them as well, and with more of it these sleeps are few.  Threads that
 * work for the core set their own back (slack.go).
 */
#include "engine_worker/engine_worker.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "fence/fence.h"
#include "settings/settings.h"
#include "shmem/shmem.h"

/*
 * Nanoseconds by which a timer of the engine may be late: little beside the
 * least tick, 3 ms.  This is the main thread's too, which has no short ones.
 */
#define ENGINE_TIMER_SLACK	1000000UL

PgraftEngine pgraft_engine;
PgraftBell	pgraft_bell = {.event_fd = -1};

/* False only if the thread is there and would take SIGURG. */
static bool
thread_blocks_sigurg(const char *tid)
{
	char		path[MAXPGPATH];
	char		line[256];
	FILE	   *file;
	bool		blocks = true;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	file = AllocateFile(path, "r");
	if (file == NULL)
	{
		if (errno != ENOENT && errno != ESRCH)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not open file \"%s\": %m", path)));
		return true;			/* it has ended meanwhile */
	}
	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (strncmp(line, "SigBlk:", 7) == 0)
		{
			uint64		mask = strtoull(line + 7, NULL, 16);

			blocks = (mask & (UINT64CONST(1) << (SIGURG - 1))) != 0;
		}
	}
	FreeFile(file);
	return blocks;
}

/* Every thread but this one must leave SIGURG to it. */
static void
check_threads(void)
{
	char		main_tid[32];
	struct dirent *entry;
	DIR		   *dir = AllocateDir("/proc/self/task");

	snprintf(main_tid, sizeof(main_tid), "%d", (int) getpid());
	while ((entry = ReadDir(dir, "/proc/self/task")) != NULL)
	{
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, main_tid) == 0)
			continue;
		if (!thread_blocks_sigurg(entry->d_name))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a thread of the pgraft engine does not block SIGURG"),
					 errdetail("The engine worker's wake-ups would get lost."),
					 errhint("Build the engine library with the linker option -X=runtime.godebugDefault=asyncpreemptoff=1.")));
	}
	FreeDir(dir);
}

static void *
lookup(void *library, const char *name)
{
	void	   *symbol = dlsym(library, name);

	if (symbol == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("the pgraft engine library has no function \"%s\"", name),
				 errhint("Install both libraries of pgraft from the same build, then restart the server.")));
	return symbol;
}

/* Does not raise: all signals are blocked here. */
static void *
load_and_call(const char *path, const char **build, char *err, size_t errlen)
{
	void	   *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (library == NULL)
		snprintf(err, errlen, "%s", dlerror());
	else
	{
		pgraft_engine.build = (pgraft_engine_build_fn) dlsym(library, "pgraft_engine_build");
		if (pgraft_engine.build != NULL)
			*build = pgraft_engine.build();
	}
	return library;
}

/*
 * Loads the engine.  Call it with the signal handlers in place and signals
 * unblocked.
 */
void
pgraft_library_load(void)
{
	char		path[MAXPGPATH];
	char		err[1024] = "";
	const char *build = NULL;
	void	   *library;
	sigset_t	all;
	sigset_t	old;

	if (prctl(PR_SET_TIMERSLACK, ENGINE_TIMER_SLACK, 0, 0, 0) != 0)
		ereport(ERROR,
				(errmsg("could not set the timer slack of the pgraft engine: %m")));
	snprintf(path, sizeof(path), "%s/pgraft_engine%s", pkglib_path, DLSUFFIX);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	library = load_and_call(path, &build, err, sizeof(err));
	pthread_sigmask(SIG_SETMASK, &old, NULL);

	if (library == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("could not load the pgraft engine library \"%s\": %s", path, err)));
	if (build == NULL || strcmp(build, PGRAFT_BUILD_ID) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the pgraft engine library \"%s\" is of another build", path),
				 errdetail("It is build %s; the extension that the server has loaded is build %s.",
						   build != NULL ? build : "(it does not say)", PGRAFT_BUILD_ID),
				 errhint("Install both from the same build of pgraft, then restart the server.")));

	pgraft_engine.start = (pgraft_engine_start_fn) lookup(library, "pgraft_engine_start");
	pgraft_engine.reload = (pgraft_engine_reload_fn) lookup(library, "pgraft_engine_reload");
	pgraft_engine.submit = (pgraft_engine_submit_fn) lookup(library, "pgraft_engine_submit");
	pgraft_engine.cancel = (pgraft_engine_cancel_fn) lookup(library, "pgraft_engine_cancel");
	pgraft_engine.drain = (pgraft_engine_drain_fn) lookup(library, "pgraft_engine_drain");
	pgraft_engine.served = (pgraft_engine_served_fn) lookup(library, "pgraft_engine_served");
	pgraft_engine.stop = (pgraft_engine_stop_fn) lookup(library, "pgraft_engine_stop");
	check_threads();
}

/* Starts the engine with all signals blocked, as its new threads inherit that. */
void
pgraft_library_start(const PgraftConfig *config)
{
	char		err[1024] = "";
	int			failed;
	sigset_t	all;
	sigset_t	old;

	pgraft_fence_open();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pgraft_engine.start(config, &pgraft_shared->status, &pgraft_bell,
								 pgraft_replies_answer,
								 pgraft_failover ? pgraft_fence_publish : NULL,
								 err, sizeof(err));
	pthread_sigmask(SIG_SETMASK, &old, NULL);

	if (failed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not start the pgraft engine: %s", err)));
	check_threads();
}
