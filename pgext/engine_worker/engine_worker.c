/*
 * engine_worker.c
 *		The background worker that hosts the Go engine.
 *
 * One loop on the main thread: take requests out of shared memory, hand them to
 * the engine, take its records and act on them.  Only this thread calls
 * PostgreSQL; the engine's threads never do, but to put replies into slots
 * (pgraft_replies_answer), and wake it through an eventfd.  No error is ever raised while a Go function is on the stack.
 *
 * The worker has no database connection, so it needs no recovered database.  It
 * writes PgraftShared's status (until the engine starts and after it has
 * stopped), next_start and last_error; see shmem.c for their guards.
 * The statics are the main thread's own.
 *
 * When the engine fails, only this worker exits, with code 1, and the postmaster
 * starts it again after a second.  It exits with 0, which would end it for good,
 * only when the server is shutting down.
 *
 * What the engine needs is tried before it is loaded (limits.c), since Go's
 * runtime ends the process, and with it the server's sessions, if it cannot have
 * it.  After failures in a row (engine_failures.c), and after crashes in a row
 * (crashes.c), the worker waits before it starts the engine.
 */
#include "engine_worker/engine_worker.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "fence/fence.h"
#include "settings/settings.h"
#include "shmem/shmem.h"

/* Looks around this often even if nobody wakes it. */
#define PGRAFT_BACKSTOP_MS		1000

/* In the server's data directory; see crashes.c. */
#define PGRAFT_ENGINE_CRASHES_FILE	"pgraft.engine"

/* Errors in a row without a good turn of the loop; then the worker exits. */
#define PGRAFT_MAX_ERRORS		10

static WaitEventSet *events;
static bool running = false;
static bool stopped_as_asked = false;

/*
 * Nobody may take this node for the leader from here on.  The term and the
 * indexes stay: they never go back.
 */
static void
clear_status(uint32 worker_state)
{
	PgraftStatus status;

	if (!pgraft_status_read(&pgraft_shared->status, &status))
		memset(&status, 0, sizeof(status));
	status.lease_expiry_ns = 0;
	status.leader_node = 0;
	status.leader_port = 0;
	status.role = PGRAFT_ROLE_NONE;
	status.worker_state = worker_state;
	memset(status.leader_address, 0, sizeof(status.leader_address));
	pgraft_status_write(&pgraft_shared->status, &status);
}

static void
engine_exit(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	pgraft_fence_close();
	clear_status(stopped_as_asked ? PGRAFT_WORKER_STOPPED : PGRAFT_WORKER_ERROR);
	pgraft_slots_end();
	pgraft_crashes_end();
}

/* An error's message, DETAIL and HINT in one; palloc'd. */
static char *
error_in_full(const ErrorData *error)
{
	return psprintf("%s%s%s%s%s", error->message,
					error->detail != NULL ? ".  " : "", error->detail != NULL ? error->detail : "",
					error->hint != NULL ? "  " : "", error->hint != NULL ? error->hint : "");
}

static void
read_event_fd(void)
{
	uint64		count;

	if (read(pgraft_bell.event_fd, &count, sizeof(count)) < 0 &&
		errno != EAGAIN && errno != EINTR)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not read the pgraft engine's eventfd: %m")));
}

/* The server stops, or somebody sent a SIGTERM to this process alone. */
static void
stop_worker(void)
{
	if (running)
	{
		pgraft_engine.stop();
		pgraft_records_drain();
	}
	stopped_as_asked = true;
	pgraft_failures_forget();
	pgraft_next_start_set(0);
	pgraft_crashes_forget();
	if (pgraft_server_is_stopping())
		proc_exit(0);
	ereport(LOG,
			(errmsg("the pgraft engine worker was terminated; it is started again in a second")));
	proc_exit(1);
}

/* Waits until there is something to do. */
static void
sleep_until_woken(void)
{
	WaitEvent	happened[3];
	int			n = 0;

	/* in this order: see PgraftBell */
	__atomic_store_n(&pgraft_bell.asleep, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pgraft_bell.records, __ATOMIC_SEQ_CST) == 0)
		n = WaitEventSetWait(events, PGRAFT_BACKSTOP_MS, happened, lengthof(happened),
							 pgraft_wait_event(PGRAFT_WAIT_ENGINE_MAIN));
	__atomic_store_n(&pgraft_bell.asleep, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < n; i++)
		if (happened[i].events & WL_SOCKET_READABLE)
			read_event_fd();
}

/* One turn of the loop. */
static void
work_once(void)
{
	sleep_until_woken();
	ResetLatch(MyLatch);
	if (ShutdownRequestPending)
		stop_worker();
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		PgraftConfig config;

		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		pgraft_settings_read(&config);
		pgraft_engine.reload(&config);
	}
	pgraft_slots_scan();
	pgraft_records_drain();
	pgraft_role_watch();
	if (pgraft_crashes_runs_well())
		pgraft_failures_forget();
}

/* Waits before the engine is started; a reload ends that. */
static void
wait_for(int ms)
{
	PgraftDeadline start = pgraft_deadline_in(ms);
	long		left;

	pgraft_next_start_set(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms));
	while (!ConfigReloadPending && (left = pgraft_remaining_ms(start)) > 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, pgraft_wait_event(PGRAFT_WAIT_ENGINE_MAIN));
		ResetLatch(MyLatch);
		if (ShutdownRequestPending)
			stop_worker();
		CHECK_FOR_INTERRUPTS();
	}
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* The pause that failures and crashes in a row call for. */
static void
wait_to_start(void)
{
	uint32		crashes = pgraft_crashes_open(PGRAFT_ENGINE_CRASHES_FILE);
	int			ms = pgraft_crashes_wait_ms();

	if (ms > 0)
	{
		char	   *message = psprintf("the engine has crashed %u times in a row, and the server with it", crashes);

		pgraft_last_error_set(message);
		clear_status(PGRAFT_WORKER_ERROR);
		ereport(WARNING,
				(errmsg("the pgraft engine has crashed %u times in a row", crashes),
				 errdetail("It is started again in %d s.", ms / 1000),
				 errhint("What it has written to the server log before says why.  Reload the configuration to have it started at once.")));
		wait_for(ms);
	}
	else if ((ms = pgraft_failures_wait_ms()) > 0)
	{
		clear_status(PGRAFT_WORKER_ERROR);
		wait_for(ms);
	}
}

static void
start_engine(void)
{
	PgraftConfig config;

	wait_to_start();
	pgraft_limits_try();
	pgraft_crashes_begin();
	pgraft_library_load();
	pgraft_bell.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pgraft_bell.event_fd < 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not create an eventfd: %m")));
	pgraft_settings_read(&config);
	pgraft_library_start(&config);

	events = pgraft_create_wait_event_set(3);
	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, pgraft_bell.event_fd, NULL, NULL);
	pgraft_last_error_set("");
	pgraft_next_start_set(0);
	running = true;
	pgraft_slots_begin();
}

static void
install_signal_handlers(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGINT, PGRAFT_SIG_IGN);
	pqsignal(SIGPIPE, PGRAFT_SIG_IGN);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	pqsignal(SIGUSR2, PGRAFT_SIG_IGN);
	/* Go forwards a SIGFPE of C code to this; forwarded to SIG_IGN, it spins */
	pqsignal(SIGFPE, FloatExceptionHandler);
	pqsignal(SIGQUIT, pgraft_crashes_quit);
	BackgroundWorkerUnblockSignals();
}

/*
 * Where an error of the worker's own lands.  Before the engine runs it ends the
 * worker; later it costs at most the request that it happened on.
 */
static void
recover_from_error(int errors, MemoryContext context)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	error_context_stack = NULL;
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	ReleaseAuxProcessResources(false);
	if (!running || errors > PGRAFT_MAX_ERRORS)
	{
		pgraft_failures_note(error_in_full(error));
		proc_exit(1);
	}
	FreeErrorData(error);
	pgraft_slots_after_error();
	RESUME_INTERRUPTS();
	SetLatch(MyLatch);			/* whatever it had not got to */
}

void
pgraft_engine_main(Datum arg pg_attribute_unused())
{
	sigjmp_buf	on_error;
	volatile int errors = 0;
	MemoryContext context;

	clear_status(PGRAFT_WORKER_INITIALIZING);
	before_shmem_exit(engine_exit, (Datum) 0);
	install_signal_handlers();
	CreateAuxProcessResourceOwner();
	context = AllocSetContextCreate(TopMemoryContext, "pgraft engine",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);

	if (sigsetjmp(on_error, 1) != 0)
		recover_from_error(++errors, context);
	PG_exception_stack = &on_error;

	if (!running)
		start_engine();
	for (;;)
	{
		work_once();
		MemoryContextReset(context);
		errors = 0;
	}
}
