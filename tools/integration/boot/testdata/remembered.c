/*
 * Logs what a boot has left in shared memory for the host: the damage, what else is
 * remembered, and where WAL ends.  It is preloaded after pgraft, whose functions it calls,
 * once, in a background worker.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

#include "boot/boot.h"		/* whose functions are in the shim */

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);
extern PGDLLEXPORT void remembered_main(Datum arg);

void
remembered_main(Datum arg)
{
	PgraftMemory memory;
	PgraftWalRecord end;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	pgraft_memory_get(&memory);
	pgraft_wal_end_get(&end);
	/* a word of the walreceiver's that comes meanwhile is not lost */
	pgraft_memory_stream_ended(true, false);
	memory.promoting = 5;
	pgraft_memory_set(&memory);
	pgraft_memory_get(&memory);
	ereport(LOG,
			(errmsg("remembered: damage %u, WAL of timeline %u ends at %X/%X; promoting %d, lacks %u, ended %u", memory.damage, end.tli,
					LSN_FORMAT_ARGS(end.end), (int) memory.promoting, memory.lacks, memory.ended)));
	memset(&memory, 0xff, sizeof(memory));
	pgraft_memory_set(&memory);
	while (!ShutdownRequestPending) /* so that it is started again after a crash */
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

void
_PG_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = 1;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "%s", LIBRARY);
	strcpy(worker.bgw_function_name, "remembered_main");
	strcpy(worker.bgw_name, "remembered");
	RegisterBackgroundWorker(&worker);
}
