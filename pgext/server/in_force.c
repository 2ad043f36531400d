/*
 * in_force.c
 *		Which of the settings that were written are in force, in which process.
 *
 * A setting of PostgreSQL's own says nothing of when another process has read it, and
 * pg_reload_conf() only asks.  So each writing of settings (auto_conf.c) numbers
 * itself, in the setting pgraft.settings_number, which stands last in the file: the
 * process that assigns it has assigned all others, and says so here.  A process that is
 * forked later inherits what the postmaster has, and says so when its client is
 * authenticated.  Who has read a later writing has read the ones before it.
 *
 * Shared: a number for the startup process and the checkpointer, each written by that
 * process alone, and by the postmaster before either is there; and a word for each
 * process, its pid and its number, written by the process alone.  A word outlives its
 * process.  It says of the next one of the same pid no more than what is true.
 *
 * That a process says a number is what counts: one that never does is not known to
 * have the settings, and a new writing asks once more.
 */
#include "server/server.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/guc.h"

typedef struct InForce
{
	pg_atomic_uint32 startup;
	pg_atomic_uint32 checkpointer;
	int			n;
	pg_atomic_uint64 processes[FLEXIBLE_ARRAY_MEMBER];	/* pid << 32 | number */
} InForce;

static InForce *in_force;		/* NULL without shared_preload_libraries */
static int	settings_number;	/* this process's own */

static int
processes(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS + max_prepared_xacts;
}

static void
say(uint32 number)
{
	if (in_force == NULL || !IsUnderPostmaster)
		return;
	if (MyBackendType == B_STARTUP)
		pg_atomic_write_u32(&in_force->startup, number);
	else if (MyBackendType == B_CHECKPOINTER)
		pg_atomic_write_u32(&in_force->checkpointer, number);
	else if (MyProc != NULL && pgraft_my_proc_number() < (uint32) in_force->n)
		pg_atomic_write_u64(&in_force->processes[pgraft_my_proc_number()],
							(uint64) MyProcPid << 32 | number);
}

static void
assign_settings_number(int number, void *extra)
{
	say(number);
}

/* In the postmaster, as it loads the library. */
void
pgraft_in_force_define(void)
{
	DefineCustomIntVariable(PGRAFT_SETTINGS_NUMBER,
							"Counts the settings that pgraft has written.",
							"pgraft writes it beside them into postgresql.auto.conf: a process that has read it has read them.",
							&settings_number, 0, 0, INT_MAX, PGC_SIGHUP,
							GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_AUTO_FILE,
							NULL, assign_settings_number, NULL);
}

Size
pgraft_in_force_size(void)
{
	return add_size(offsetof(InForce, processes),
					mul_size(processes(), sizeof(pg_atomic_uint64)));
}

/* In the postmaster, with AddinShmemInitLock held: its children will have what it has. */
void
pgraft_in_force_attach(void)
{
	bool		found;

	in_force = ShmemInitStruct("pgraft settings in force", pgraft_in_force_size(), &found);
	if (!found)
	{
		in_force->n = processes();
		for (int i = 0; i < in_force->n; i++)
			pg_atomic_init_u64(&in_force->processes[i], 0);
		pg_atomic_init_u32(&in_force->startup, settings_number);
		pg_atomic_init_u32(&in_force->checkpointer, settings_number);
	}
}

/* In a new process, before it works for its client: in ClientAuthentication_hook. */
void
pgraft_in_force_inherited(void)
{
	say(settings_number);
}

/* The number that this process has. */
uint32
pgraft_in_force_here(void)
{
	return settings_number;
}

/* Has a process read the settings of a number? */
bool
pgraft_in_force_startup(uint32 number)
{
	return in_force != NULL && pg_atomic_read_u32(&in_force->startup) >= number;
}

bool
pgraft_in_force_checkpointer(uint32 number)
{
	return in_force != NULL && pg_atomic_read_u32(&in_force->checkpointer) >= number;
}

/* What a process has said last; 0: nothing. */
uint32
pgraft_in_force_process(pid_t pid)
{
	uint32		number = 0;

	for (int i = 0; in_force != NULL && i < in_force->n; i++)
	{
		uint64		word = pg_atomic_read_u64(&in_force->processes[i]);

		if (word >> 32 == (uint64) pid)
			number = Max(number, (uint32) word);
	}
	return number;
}
