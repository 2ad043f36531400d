/*
 * What the last walreceiver of this server was told by whom it followed, as the engine is told.
 */
#include "postgres.h"

#include "fmgr.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"

/* its own copy of what the engine worker has, on the same memory */
#include "boot/memory.c"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(failover_told);

Datum
failover_told(PG_FUNCTION_ARGS)
{
	PgraftMemory memory;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pgraft_memory_attach();
	LWLockRelease(AddinShmemInitLock);
	pgraft_memory_get(&memory);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("ended %u, lacks %u", memory.ended, memory.lacks)));
}
