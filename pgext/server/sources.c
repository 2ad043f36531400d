/*
 * sources.c
 *		The ends and the beginnings of what brings a standby WAL, its promotion, and
 *		its restart.
 *
 * Nothing here waits: the caller asks again until an end has come.
 *
 * The startup process looks at a setting only between records, and while replay waits
 * for a query it does not.  So the walreceiver is ended without it.  Once the queries
 * are gone it could still start another, with the setting of before: it does so where
 * it has read pg_wal to the end while it was blocked.  Hence sources have ended only
 * when the startup process says itself that it has the settings.
 */
#include "server/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "replication/walreceiver.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/spin.h"

#define NO_SOURCE \
	{"primary_conninfo", ""}, {"primary_slot_name", ""}, {"restore_command", ""}

/* As ShutdownWalRcv(), but for the wait: a walreceiver may hang in an fsync. */
static bool
end_walreceiver(void)
{
	bool		ended = false;
	bool		starting = false;
	pid_t		pid = 0;

	SpinLockAcquire(&WalRcv->mutex);
	switch (WalRcv->walRcvState)
	{
		case WALRCV_STOPPED:
			ended = true;
			break;
		case WALRCV_STARTING:
			WalRcv->walRcvState = WALRCV_STOPPED;
			starting = true;
			break;
		default:
			WalRcv->walRcvState = WALRCV_STOPPING;
			pid = WalRcv->pid;
	}
	SpinLockRelease(&WalRcv->mutex);
	if (starting)
		ConditionVariableBroadcast(&WalRcv->walRcvStoppedCV);
	if (pid != 0 && kill(pid, SIGTERM) != 0 && errno != ESRCH)
		ereport(ERROR, (errmsg("could not signal the walreceiver: %m")));
	return ended;
}

/*
 * Takes away all that brings a standby WAL, and the file with which a promotion was
 * ordered, if the startup process has not found that yet.  The walreceiver is told to
 * end at once.  Returns the number for pgraft_sources_ended().
 */
uint32
pgraft_sources_end(void)
{
	const PgraftSetting none[] = {NO_SOURCE};
	uint32		number = pgraft_auto_conf_write(none, lengthof(none));

	if (unlink(PROMOTE_SIGNAL_FILE) != 0 && errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", PROMOTE_SIGNAL_FILE)));
	(void) end_walreceiver();
	return number;
}

/*
 * Has every source ended, for good?  A walreceiver that was started meanwhile is told
 * to end, too.  The startup process is asked first: what it starts before it has the
 * settings is seen behind that.
 */
bool
pgraft_sources_ended(uint32 number)
{
	bool		told = !RecoveryInProgress() || pgraft_in_force_startup(number);

	return end_walreceiver() && told;
}

/* Streams from a primary.  Returns the number for pgraft_in_force_startup(). */
uint32
pgraft_stream_from(const char *conninfo, const char *slot)
{
	const PgraftSetting settings[] = {
		{"primary_conninfo", conninfo},
		{"primary_slot_name", slot},
		{"restore_command", ""},
	};

	return pgraft_auto_conf_write(settings, lengthof(settings));
}

/*
 * A walreceiver that has come to the end of a timeline waits for the startup process to
 * say where it goes on.  That one looks for a newer timeline first; where it knows the
 * newest already, as behind two changes of the primary, it waits
 * wal_retrieve_retry_interval, or until it is woken.  One that is not there yet forgets
 * that, so this is called at each look.
 */
void
pgraft_next_timeline(void)
{
	bool		waits;

	SpinLockAcquire(&WalRcv->mutex);
	waits = WalRcv->walRcvState == WALRCV_WAITING;
	SpinLockRelease(&WalRcv->mutex);
	if (waits)
		WakeupRecovery();
}

/*
 * Ends recovery where WAL ends, on the last timeline of a history.  PostgreSQL gives it
 * one number more than an unbroken row of history files has, so these fill the row up.
 * Recovery goes on looking for newer timelines until it has seen the request, so they
 * name no parent until it has ended: see pgraft_promotion_ended.
 */
void
pgraft_promote(const PgraftHistory *history)
{
	TimeLineID	tli = pgraft_history_last(history);
	PgraftHistory parent = *history;
	PgraftHistory there;
	int			fd;

	if (!RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is not in progress")));
	if (history->n < 2 || pgraft_history_read(tli, &there))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a promotion cannot begin timeline %u: %s", tli,
						history->n < 2 ? "it has no parent" : "its history file is there")));
	parent.n--;
	pgraft_history_write_all(&parent, true);
	pgraft_history_reserve(pgraft_history_last(&parent), tli);
	fd = OpenTransientFile(PROMOTE_SIGNAL_FILE, O_WRONLY | O_CREAT | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", PROMOTE_SIGNAL_FILE)));
	CloseTransientFile(fd);
	if (kill(PostmasterPid, SIGUSR1) != 0)
		ereport(ERROR, (errmsg("could not signal the postmaster: %m")));
}

/*
 * Says in the files of the numbers that were not used what they were, once the server has
 * been promoted: pg_rewind reads them, and followers fetch them.  May be called again.
 */
void
pgraft_promotion_ended(const PgraftHistory *history)
{
	if (!RecoveryInProgress())
		pgraft_history_write_all(history, false);
}

/*
 * Has the server restart as after a crash, without its postmaster's end: a process that
 * leaves with this code is one that crashed.  shmem_startup_hook makes a standby of it.
 * With restart_after_crash off the server ends.
 */
void
pgraft_restart_in_place(void)
{
	ereport(LOG, (errmsg("pgraft: the server restarts in place")));
	proc_exit(2);
}
