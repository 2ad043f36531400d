/*
 * pgraft.c
 *		Where the server meets the extension: loading, and wait events.
 *
 * The library does something only when shared_preload_libraries loads it.
 * Loaded later (CREATE EXTENSION does that to look its functions up) it defines
 * nothing, and its functions say what is missing.  The postmaster must never
 * load Go, whose threads do not survive a fork: it sees this C library only, and
 * the engine worker loads the rest.
 *
 * Nothing here is shared: the wait event numbers are each process's own copy, and
 * whether the workers are registered is known to all through the fork.
 */
#include "apply.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/bgworker_internals.h"

PGRAFT_MODULE_MAGIC(PGRAFT_VERSION);

extern PGDLLEXPORT void _PG_init(void);

bool		pgraft_engine_is_registered = false;
bool		pgraft_apply_is_registered = false;

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

	pgraft_settings_define();
	pgraft_shmem_install();
	pgraft_apply_watch_extension();

	if (IsBinaryUpgrade)
		return;
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

/* The name is registered at its first use: that needs shared memory. */
static uint32
wait_event(uint32 *number, const char *name pg_attribute_unused())
{
	if (*number == 0)
		*number = pgraft_wait_event_new(name);
	return *number;
}

uint32
pgraft_wait_event_main(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftEngineMain");
}

/* waiting until the engine worker is up */
uint32
pgraft_wait_event_engine(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftEngineStart");
}

/* waiting for one of the PGRAFT_SLOTS request slots */
uint32
pgraft_wait_event_slot(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftRequestSlot");
}

/* waiting for the engine's reply */
uint32
pgraft_wait_event_reply(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftReply");
}

/* the apply worker, waiting until it tries again or is woken */
uint32
pgraft_wait_event_apply(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftApplyMain");
}

/* waiting until the apply worker has come as far as a read has to see */
uint32
pgraft_wait_event_applied(void)
{
	static uint32 number = 0;

	return wait_event(&number, "PgraftApplied");
}
