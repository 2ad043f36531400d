/*
 * role_change.c
 *		pgraft.role_change_command, which runs at each change of this server's role.
 *
 * The engine worker looks in each turn of its loop, and starts a background worker where
 * the role is another one than the command was run for last.  That one forks: the engine
 * worker must not, as Go's threads are in it, and nobody may wait for the command.  It runs
 * one command after the other, until it has been run for the role that the server has by
 * then; of roles that the server had only meanwhile nobody is told.
 *
 * Shared, in RoleShared: what the command was run for last, and which worker runs it.
 * Both are atomic; who has made itself the runner, by a compare and exchange, is the only
 * one to write "told".  A restart in place forgets them, as the server starts as a standby
 * then.
 */
#include "engine_worker/engine_worker.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "access/xlog.h"
#include "lib/stringinfo.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "fence/fence.h"
#include "settings/settings.h"

/* For so long a command may run. */
#define PGRAFT_ROLE_COMMAND_MS		60000

/* More than this process has open. */
#define MAX_DESCRIPTORS		65536

typedef enum Role
{
	ROLE_UNKNOWN = 0,			/* neither: what it was it still is */
	ROLE_STANDBY,
	ROLE_PRIMARY
} Role;

typedef struct RoleShared
{
	pg_atomic_uint32 told;		/* Role */
	pg_atomic_uint32 runner;	/* a process id; 0: none */
} RoleShared;

static RoleShared *shared = NULL;	/* NULL: the server takes no part */

/* The engine worker's own. */
static BackgroundWorkerHandle *started = NULL;
static bool refused = false;

/* The other worker's own: of the command that runs; 0: none. */
static pid_t command = 0;

Size
pgraft_role_shmem_size(void)
{
	return CACHELINEALIGN(sizeof(RoleShared));
}

/* In the postmaster, with AddinShmemInitLock held. */
void
pgraft_role_shmem_attach(void)
{
	bool		found;

	shared = ShmemInitStruct("pgraft role", sizeof(RoleShared), &found);
	if (found)
		return;
	pg_atomic_init_u32(&shared->told, ROLE_UNKNOWN);
	pg_atomic_init_u32(&shared->runner, 0);
}

/*
 * A primary's epoch is open; a standby is in recovery.  Before anything is known of the
 * epoch, and while a primary stops to be one, it is neither.
 */
static Role
role_now(uint64 *epoch)
{
	PgraftFence fence;

	(void) pgraft_fence_get(&fence);
	*epoch = fence.epoch;
	if (!fence.failover || fence.epoch == 0)
		return ROLE_UNKNOWN;
	if (RecoveryInProgress())
		return ROLE_STANDBY;
	return fence.primary && fence.open ? ROLE_PRIMARY : ROLE_UNKNOWN;
}

static bool
is_due(Role *role, uint64 *epoch)
{
	*role = role_now(epoch);
	return *role != ROLE_UNKNOWN && *role != pg_atomic_read_u32(&shared->told);
}

static bool
is_started(void)
{
	pid_t		pid;

	if (started == NULL)
		return false;
	switch (GetBackgroundWorkerPid(started, &pid))
	{
		case BGWH_STARTED:
		case BGWH_NOT_YET_STARTED:
			return true;
		default:
			pfree(started);
			started = NULL;
			return false;
	}
}

/* In the engine worker, in each turn of its loop. */
void
pgraft_role_watch(void)
{
	BackgroundWorker worker;
	MemoryContext before;
	Role		role;
	uint64		epoch;

	if (shared == NULL || pgraft_role_change_command[0] == '\0' || !is_due(&role, &epoch) || is_started())
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strcpy(worker.bgw_library_name, "pgraft");
	strcpy(worker.bgw_function_name, "pgraft_role_main");
	strcpy(worker.bgw_name, "pgraft role change");
	strcpy(worker.bgw_type, "pgraft role change");
	before = MemoryContextSwitchTo(TopMemoryContext);
	if (RegisterDynamicBackgroundWorker(&worker, &started))
		refused = false;
	else if (!refused)
	{
		refused = true;
		ereport(WARNING,
				(errmsg("no background worker is free to run pgraft.role_change_command"),
				 errhint("You might need to increase max_worker_processes.")));
	}
	MemoryContextSwitchTo(before);
}

static void
child_ended(SIGNAL_ARGS)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

/* The command and all that it has started. */
static void
end_command(void)
{
	if (command > 0)
		(void) kill(-command, SIGKILL);
}

static void
release(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	end_command();
	pg_atomic_write_u32(&shared->runner, 0);
}

/* Another worker that runs looks at the role itself, once its command has ended. */
static bool
claim(void)
{
	uint32		nobody = 0;

	if (!pg_atomic_compare_exchange_u32(&shared->runner, &nobody, MyProcPid))
		return false;
	before_shmem_exit(release, (Datum) 0);
	return true;
}

/* The setting with what %r, %e and %% stand for. */
static char *
command_for(const char *role, uint64 epoch)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *p = pgraft_role_change_command; *p != '\0'; p++)
	{
		if (p[0] == '%' && p[1] == 'r')
			appendStringInfoString(&text, role);
		else if (p[0] == '%' && p[1] == 'e')
			appendStringInfo(&text, UINT64_FORMAT, epoch);
		else if (p[0] == '%' && p[1] == '%')
			appendStringInfoChar(&text, '%');
		else
		{
			appendStringInfoChar(&text, *p);
			continue;
		}
		p++;
	}
	return text.data;
}

/* In the child: nothing of this process goes along, but where it logs to. */
static void
become(const char *text)
{
	sigset_t	none;
	int			fd = open("/dev/null", O_RDWR);

	(void) setsid();			/* with what it starts it is ended as one */
	if (fd >= 0)
		(void) dup2(fd, STDIN_FILENO);
	for (fd = STDERR_FILENO + 1; fd < Min(sysconf(_SC_OPEN_MAX), MAX_DESCRIPTORS); fd++)
		(void) close(fd);
	for (int signo = 1; signo < NSIG; signo++)
		(void) signal(signo, SIG_DFL);
	sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/bin/sh", "sh", "-c", text, (char *) NULL);
	_exit(127);
}

/* Waits until the command has ended, or must; returns its status, and whether it was ended. */
static int
wait_for_command(bool *ended)
{
	PgraftDeadline limit = pgraft_deadline_in(PGRAFT_ROLE_COMMAND_MS);
	int			status = 0;

	*ended = false;
	for (;;)
	{
		pid_t		pid = waitpid(command, &status, WNOHANG);

		if (pid == command)
			return status;
		if (pid < 0 && errno != EINTR)
			ereport(ERROR, (errmsg("could not wait for pgraft.role_change_command: %m")));
		if (!*ended && (ShutdownRequestPending || pgraft_remaining_ms(limit) <= 0))
		{
			*ended = true;
			end_command();
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000,
						 pgraft_wait_event(PGRAFT_WAIT_ROLE_CHANGE));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
run_command(const char *text)
{
	int			status;
	bool		ended;

	fflush(NULL);				/* or it would be written twice */
	command = fork();
	if (command == 0)
		become(text);
	if (command < 0)
	{
		ereport(WARNING, (errmsg("could not start pgraft.role_change_command: %m")));
		return;
	}
	status = wait_for_command(&ended);
	command = 0;
	if (ended)
		ereport(WARNING,
				(errmsg("pgraft.role_change_command was ended, as %s",
						ShutdownRequestPending ? "the server stops" : "it took too long"),
				 errdetail("The command was: %s", text)));
	else if (status != 0)
		ereport(WARNING,
				(errmsg("pgraft.role_change_command failed: %s", wait_result_to_str(status)),
				 errdetail("The failed command was: %s", text)));
}

/* The worker that runs the command. */
void
pgraft_role_main(Datum arg pg_attribute_unused())
{
	Role		role;
	uint64		epoch;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGCHLD, child_ended);
	BackgroundWorkerUnblockSignals();
	if (!claim())
		proc_exit(0);
	while (!ShutdownRequestPending && is_due(&role, &epoch))
	{
		const char *name = role == ROLE_PRIMARY ? "primary" : "standby";

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		pg_atomic_write_u32(&shared->told, role);
		if (pgraft_role_change_command[0] == '\0')
			continue;
		ereport(LOG,
				(errmsg("pgraft: this server is a %s in epoch " UINT64_FORMAT ": it runs pgraft.role_change_command", name, epoch)));
		run_command(command_for(name, epoch));
	}
	proc_exit(0);
}
