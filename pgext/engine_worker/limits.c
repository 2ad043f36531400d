/*
 * limits.c
 *		Tries whether this process may have what the Go runtime needs.
 *
 * Go's runtime takes address space, memory and threads as it is loaded, and
 * while it runs.  If it cannot have them it ends the process, with which the
 * whole server is restarted.  So the engine worker takes as much at first, gives
 * it back, and if it does not get it raises an error, which ends the worker only.
 *
 * What was measured (Go 1.26, amd64, two processors): an idle engine has 1.73 GB
 * of address space, most of it reserved and never used, 130 MB of memory that may
 * be written to, 56 MB of it the stacks of 7 threads, and 20 files.
 *
 * A limit of memory that counts pages as they are used (a control group's) cannot
 * be tried.  Whom it kills has crashed: see crashes.c.
 *
 * Nothing here is shared.
 */
#include "engine_worker/engine_worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MB						((size_t) 1024 * 1024)

/* Reserved, not used: what the runtime takes, and room for the heap to grow. */
#define PGRAFT_NEEDS_ADDRESSES	(1920 * MB)

/* Memory that may be written to, besides the stacks of threads. */
#define PGRAFT_NEEDS_MEMORY		(96 * MB)

/* Threads: one for each processor that Go uses, and those that wait in a call. */
#define PGRAFT_NEEDS_THREADS	8
#define PGRAFT_MAX_PROCESSORS	64

#define PGRAFT_NEEDS_FILES		32

/* What is held at the same time, and given back at the end. */
typedef struct Held
{
	void	   *addresses;
	void	   *memory;
	pthread_t	threads[PGRAFT_NEEDS_THREADS + PGRAFT_MAX_PROCESSORS];
	int			nthreads;
	int			fds[PGRAFT_NEEDS_FILES];
	int			nfds;
	pthread_mutex_t gate;		/* the threads wait for it */
} Held;

static void *
wait_at_gate(void *gate)
{
	pthread_mutex_lock(gate);
	pthread_mutex_unlock(gate);
	return NULL;
}

static void *
map(size_t size, int protection)
{
	void	   *p = mmap(NULL, size, protection,
						 MAP_PRIVATE | MAP_ANONYMOUS | (protection == PROT_NONE ? MAP_NORESERVE : 0), -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
give_back(Held *held)
{
	pthread_mutex_unlock(&held->gate);
	for (int i = 0; i < held->nthreads; i++)
		pthread_join(held->threads[i], NULL);
	for (int i = 0; i < held->nfds; i++)
		close(held->fds[i]);
	if (held->addresses != NULL)
		munmap(held->addresses, PGRAFT_NEEDS_ADDRESSES);
	if (held->memory != NULL)
		munmap(held->memory, PGRAFT_NEEDS_MEMORY);
	pthread_mutex_destroy(&held->gate);
}

/*
 * Takes all, in the order in which the errors make sense: a thread needs memory
 * for its stack.  Returns 0, or the errno of what could not be had: then the
 * member of held that comes next is short.  Does not raise, as it holds threads.
 */
static int
take(Held *held, int nthreads)
{
	pthread_mutex_init(&held->gate, NULL);
	pthread_mutex_lock(&held->gate);
	held->addresses = map(PGRAFT_NEEDS_ADDRESSES, PROT_NONE);
	if (held->addresses == NULL)
		return errno;
	held->memory = map(PGRAFT_NEEDS_MEMORY, PROT_READ | PROT_WRITE);
	if (held->memory == NULL)
		return errno;
	for (; held->nthreads < nthreads; held->nthreads++)
	{
		int			failed = pthread_create(&held->threads[held->nthreads], NULL,
											wait_at_gate, &held->gate);

		if (failed != 0)
			return failed;
	}
	for (; held->nfds < PGRAFT_NEEDS_FILES; held->nfds++)
	{
		held->fds[held->nfds] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (held->fds[held->nfds] < 0)
			return errno;
	}
	return 0;
}

/* A limit of this process in words; palloc'd. */
static char *
limit_name(int which, const char *name, rlim_t unit, const char *unit_name)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return psprintf("%s: unlimited", name);
	return psprintf("%s: %llu%s", name, (unsigned long long) (limit.rlim_cur / unit), unit_name);
}

static void
report(const Held *held, int nthreads, int error)
{
	char	   *memory = psprintf("%s, %s",
								  limit_name(RLIMIT_AS, "ulimit -v", 1024, " kB"),
								  limit_name(RLIMIT_DATA, "ulimit -d", 1024, " kB"));

	errno = error;
	if (held->addresses == NULL || held->memory == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("the pgraft engine cannot have the memory that it needs: %m"),
				 held->addresses == NULL ?
				 errdetail("It reserves %zu MB of addresses (%s).", PGRAFT_NEEDS_ADDRESSES / MB, memory) :
				 errdetail("It needs %zu MB of memory, and %zu MB of addresses (%s).",
						   PGRAFT_NEEDS_MEMORY / MB, PGRAFT_NEEDS_ADDRESSES / MB, memory),
				 errhint("Raise the limits with which the server is started, then restart it; with systemd they are LimitAS and LimitDATA.")));
	if (held->nthreads < nthreads)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("the pgraft engine cannot have the threads that it needs: %m"),
				 errdetail("It could start %d of %d (%s, %s, %s).", held->nthreads, nthreads,
						   limit_name(RLIMIT_NPROC, "ulimit -u", 1, ""),
						   limit_name(RLIMIT_STACK, "ulimit -s", 1024, " kB"), memory),
				 errhint("Raise the limit of processes with which the server is started, then restart it; with systemd they are LimitNPROC and TasksMax.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("the pgraft engine cannot have the files that it needs: %m"),
			 errdetail("It could open %d of %d (%s).", held->nfds, PGRAFT_NEEDS_FILES,
					   limit_name(RLIMIT_NOFILE, "ulimit -n", 1, "")),
			 errhint("Raise the limit of open files with which the server is started, then restart it; with systemd it is LimitNOFILE.")));
}

/* Raises an error unless the engine can be loaded. */
void
pgraft_limits_try(void)
{
	Held		held = {0};
	long		processors = sysconf(_SC_NPROCESSORS_ONLN);
	int			nthreads;
	int			error;
	sigset_t	all;
	sigset_t	old;

	nthreads = PGRAFT_NEEDS_THREADS + Max(1, Min(processors, PGRAFT_MAX_PROCESSORS));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);	/* the threads inherit that */
	error = take(&held, nthreads);
	give_back(&held);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0)
		report(&held, nthreads, error);
}
