/*
 * pgraft.c
 *		Where the server meets the extension: loading it, with the start of
 *		every room.
 *
 * The library does something only when shared_preload_libraries loads it.
 * Loaded later (CREATE EXTENSION does that to look its functions up) it defines
 * nothing, and its functions say what is missing.  The postmaster must never
 * load Go, whose threads do not survive a fork: it sees this C library only, and
 * the engine worker loads the rest.
 *
 * It stands above all rooms, so that none has to call another for its start.
 * Nothing here is shared.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/bgworker_internals.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "apply_worker/apply_worker.h"
#include "boot/boot.h"
#include "engine/engine.h"
#include "engine_worker/engine_worker.h"
#include "fence/fence.h"
#include "functions/functions.h"
#include "host/host.h"
#include "server/server.h"
#include "settings/settings.h"
#include "shmem/shmem.h"

PGRAFT_MODULE_MAGIC(PGRAFT_VERSION);

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static bool takes_part;			/* in failover */

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(add_size(pgraft_shmem_size(), pgraft_apply_shmem_size()));
	if (takes_part)
	{
		RequestAddinShmemSpace(add_size(pgraft_fence_shmem_size(), pgraft_senders_shmem_size()));
		RequestAddinShmemSpace(add_size(pgraft_memory_size(), pgraft_in_force_size()));
		RequestAddinShmemSpace(add_size(pgraft_leave_size(), pgraft_role_shmem_size()));
	}
}

/* At the server's start, and in every crash restart. */
static void
startup_shmem(void)
{
	PgraftStatus no_engine = {.worker_state = PGRAFT_WORKER_ERROR};

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	if (takes_part)
	{
		pgraft_fence_shmem_attach();
		pgraft_senders_shmem_attach();
		pgraft_memory_attach();
		pgraft_leave_attach();
		pgraft_role_shmem_attach();
		pgraft_boot();
		pgraft_in_force_attach();
	}
	pgraft_apply_shmem_attach();
	if (pgraft_shmem_attach() &&
		pgraft_has_node() && !pgraft_engine_is_registered && !IsBinaryUpgrade)
		pgraft_status_write(&pgraft_shared->status, &no_engine);
	LWLockRelease(AddinShmemInitLock);
}

static void
install_shmem_hooks(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}

/*
 * Registers a worker.  False if there are more than max_worker_processes: the
 * server only logs that, and would never start this one.
 */
static bool
register_worker(BackgroundWorker *worker)
{
	pgraft_worker_iter iter;

	RegisterBackgroundWorker(worker);
	pgraft_workers_foreach(iter, &BackgroundWorkerList)
	{
		RegisteredBgWorker *registered = pgraft_workers_get(iter);

		if (strcmp(registered->rw_worker.bgw_function_name, worker->bgw_function_name) == 0)
			return true;
	}
	return false;
}

/*
 * The engine worker starts with the postmaster, not after recovery: a member
 * must not be missing for as long as a crash recovery takes, and it serves on a
 * hot standby too.
 */
static void
register_engine_worker(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = 1;
	strcpy(worker.bgw_library_name, "pgraft");
	strcpy(worker.bgw_function_name, "pgraft_engine_main");
	strcpy(worker.bgw_name, "pgraft engine");
	strcpy(worker.bgw_type, "pgraft engine");
	pgraft_engine_is_registered = register_worker(&worker);
}

/*
 * The apply worker needs a database.  It starts as soon as there is one, on a
 * hot standby too: there it applies nothing, but tells the engine what of the
 * log the standby would need if it were promoted now.
 */
static void
register_apply_worker(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	strcpy(worker.bgw_library_name, "pgraft");
	strcpy(worker.bgw_function_name, "pgraft_apply_main");
	strcpy(worker.bgw_name, "pgraft apply");
	strcpy(worker.bgw_type, "pgraft apply");
	pgraft_apply_is_registered = register_worker(&worker);
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	pgraft_in_force_define();
	pgraft_settings_define();
	takes_part = pgraft_boot_takes_part();
	install_shmem_hooks();
	pgraft_apply_watch_extension();

	if (IsBinaryUpgrade)
		return;
	if (takes_part)
	{
		pgraft_fence_install();
		pgraft_host_install();
		pgraft_leave_install();
	}
	pgraft_refused_report();
	if (!pgraft_has_node())
		ereport(LOG,
				(errmsg("pgraft is idle until \"pgraft.node_id\" is set")));
	else
	{
		register_engine_worker();
		register_apply_worker();
	}
}
