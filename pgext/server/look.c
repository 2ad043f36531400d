/*
 * look.c
 *		What is seen of the server at one look.
 *
 * A look is not one instant.  What others decide by is looked at in the order in which
 * it may grow old: first which settings the walsenders have read and whom they send to,
 * then what is flushed.  So what a look shows as flushed came under the settings that
 * it shows, or under later ones.
 *
 * All of it is PostgreSQL's shared memory, each part under the lock that PostgreSQL
 * has for it, and two files.
 */
#include "server/server.h"

#include <sys/stat.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "replication/slot.h"
#include "replication/syncrep.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/backend_status.h"

/* A process's application_name, as it is for this look. */
static void
get_name(pid_t pid, char *name)
{
	int			n = pgstat_fetch_stat_numbackends();

	name[0] = '\0';
	for (int i = 1; i <= n; i++)
	{
		PgBackendStatus *status = &pgraft_local_beentry(i)->backendStatus;

		if (status->st_procpid == pid)
			snprintf(name, NAMEDATALEN, "%s", status->st_appname);
	}
}

/* The physical slot that a process holds. */
static void
get_slot(pid_t pid, char *name)
{
	name[0] = '\0';
	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		if (!slot->in_use)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->active_pid == pid && SlotIsPhysical(slot))
			memcpy(name, NameStr(slot->data.name), NAMEDATALEN);
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(ReplicationSlotControlLock);
}

static void
look_at_senders(PgraftLook *look)
{
	look->senders = palloc(Max(max_wal_senders, 1) * sizeof(PgraftWalsender));
	for (int i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *walsnd = &WalSndCtl->walsnds[i];
		PgraftWalsender *sender = &look->senders[look->n];
		pid_t		pid;

		SpinLockAcquire(&walsnd->mutex);
		pid = walsnd->pid;
		SpinLockRelease(&walsnd->mutex);
		if (pid == 0)
			continue;
		sender->settings = pgraft_in_force_process(pid);
		get_name(pid, sender->name);
		get_slot(pid, sender->slot);
		SpinLockAcquire(&walsnd->mutex);
		sender->pid = walsnd->pid;
		sender->streams = walsnd->state == WALSNDSTATE_STREAMING;
		sender->flushed = walsnd->flush;
		SpinLockRelease(&walsnd->mutex);
		if (sender->pid == pid)
			look->n++;			/* else it has ended meanwhile */
	}
}

/* The checkpointer alone switches the waiting for standbys on and off. */
static bool
commits_wait(void)
{
	bool		wait;

	LWLockAcquire(SyncRepLock, LW_SHARED);
#ifdef SYNC_STANDBY_DEFINED
	wait = (WalSndCtl->sync_standbys_status & SYNC_STANDBY_DEFINED) != 0;
#else
	wait = WalSndCtl->sync_standbys_defined;
#endif
	LWLockRelease(SyncRepLock);
	return wait;
}

static void
look_at_receiver(PgraftLook *look)
{
	SpinLockAcquire(&WalRcv->mutex);
	look->receives = WalRcv->walRcvState != WALRCV_STOPPED;
	SpinLockRelease(&WalRcv->mutex);
	look->received = GetWalRcvWriteRecPtr();
	look->flushed = GetWalRcvFlushRecPtr(NULL, &look->flushed_tli);
}

static void
look_at_files(PgraftLook *look)
{
	ControlFileData *control = pgraft_control();
	struct stat st;

	look->state = control->state;
	look->checkpoint = control->checkPoint;
	look->checkpoint_tli = control->checkPointCopy.ThisTimeLineID;
	look->redo = control->checkPointCopy.redo;
	look->min_recovery = control->minRecoveryPoint;
	look->min_recovery_tli = control->minRecoveryPointTLI;
	look->backup_start = control->backupStartPoint;
	look->backup_end_required = control->backupEndRequired;
	look->system_identifier = control->system_identifier;
	pfree(control);
	look->backup_label = stat(BACKUP_LABEL_FILE, &st) == 0;
	look->promote_file = stat(PROMOTE_SIGNAL_FILE, &st) == 0;
}

/*
 * Where WAL was inserted up to.  Right behind the header of a page nothing is inserted
 * on it yet: what was ends with the page before, and no flush comes any further.
 */
static XLogRecPtr
inserted_end(void)
{
	XLogRecPtr	at = GetXLogInsertRecPtr();
	uint64		header = XLogSegmentOffset(at, wal_segment_size) < XLOG_BLCKSZ ? SizeOfXLogLongPHD : SizeOfXLogShortPHD;

	return at % XLOG_BLCKSZ == header ? at - header : at;
}

/* The beginning of a look: settings, and who has read them.  In a process with a PGPROC. */
void
pgraft_look_at_senders(PgraftLook *look)
{
	memset(look, 0, sizeof(*look));
	pgstat_clear_backend_activity_snapshot();
	look->waits = commits_wait();
	look_at_senders(look);
	pgstat_clear_backend_activity_snapshot();
}

/* And its end: positions, and what they rest on. */
void
pgraft_look_at_positions(PgraftLook *look)
{
	look->conninfo = PrimaryConnInfo != NULL ? PrimaryConnInfo : "";
	look->restore_command = recoveryRestoreCommand != NULL ? recoveryRestoreCommand : "";
	look->recovery = RecoveryInProgress();
	if (look->recovery)
	{
		look->hot_standby = HotStandbyActive();
		look->promotes = PromoteIsTriggered();
		look->paused = GetRecoveryPauseState() != RECOVERY_NOT_PAUSED;
		look->replayed = GetXLogReplayRecPtr(&look->replayed_tli);
		look_at_receiver(look);
	}
	else
	{
		look->inserted = inserted_end();
		look->flushed = GetFlushRecPtr(&look->flushed_tli);
	}
	look_at_files(look);
}

void
pgraft_look_free(PgraftLook *look)
{
	pfree(look->senders);
	look->senders = NULL;
	look->n = 0;
}

/* Have all walsenders read the settings of a number? */
bool
pgraft_in_force_senders(const PgraftLook *look, uint32 number)
{
	for (int i = 0; i < look->n; i++)
		if (look->senders[i].settings < number)
			return false;
	return true;
}
