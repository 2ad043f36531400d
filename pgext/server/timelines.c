/*
 * timelines.c
 *		The last timeline of which this server has WAL, and what there is of those
 *		above it.
 *
 * A history file above the last timeline is of a promotion that did not come about
 * here, or of WAL that did not come.  Recovery would aim at that timeline: at its start
 * it waits for ever for one that is not its own's child, and what is promoted becomes
 * the child of one that this server has nothing of.  The first segment of such a
 * timeline, received up to some byte before the fork, ends recovery before the parent's
 * own segment does, and a promotion in a PANIC.
 *
 * Nothing here is shared.  Only while no walreceiver runs is the answer final.
 */
#include "server/server.h"

#include <unistd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

/* How often a control file is read anew that was being written. */
#define PGRAFT_CONTROL_TRIES	100

/* Works before there is shared memory, too. */
ControlFileData *
pgraft_control(void)
{
	for (int i = 0; i < PGRAFT_CONTROL_TRIES; i++)
	{
		ControlFileData *control;
		bool		whole;

		if (MyProc != NULL)
			LWLockAcquire(ControlFileLock, LW_SHARED);
		control = get_controlfile(DataDir, &whole);
		if (MyProc != NULL)
			LWLockRelease(ControlFileLock);
		if (whole)
			return control;
		pfree(control);
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the control file of this server has a wrong checksum")));
}

/* A timeline has WAL here if pg_control names it, or its first record is there. */
TimeLineID
pgraft_last_timeline(const ControlFileData *control)
{
	TimeLineID	last = Max(control->checkPointCopy.ThisTimeLineID, control->minRecoveryPointTLI);
	List	   *names = pgraft_wal_names();
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		TimeLineID	tli = pgraft_wal_timeline(name);
		PgraftHistory history;
		PgraftWalRecord first;

		if (IsTLHistoryFileName(name) && tli > last &&
			pgraft_history_read(tli, &history) && pgraft_wal_begins(&history, &first))
			last = tli;
	}
	list_free_deep(names);
	return last;
}

/* The timelines that have a history file, in no order; returns how many. */
int
pgraft_timelines_with_history(TimeLineID **timelines)
{
	List	   *names = pgraft_wal_names();
	ListCell   *cell;
	int			n = 0;

	*timelines = palloc(Max(list_length(names), 1) * sizeof(TimeLineID));
	foreach(cell, names)
	{
		const char *name = lfirst(cell);

		if (IsTLHistoryFileName(name))
			(*timelines)[n++] = pgraft_wal_timeline(name);
	}
	list_free_deep(names);
	return n;
}

/*
 * Puts a timeline's files aside, of which there is no record: its history file goes for
 * good, first, and its segments become NAME.aside, which PostgreSQL never looks at.
 * Whoever has noted whose WAL the timeline is takes the note away before.
 */
void
pgraft_timeline_put_aside(TimeLineID tli)
{
	List	   *names = pgraft_wal_names();
	ListCell   *cell;
	char		path[MAXPGPATH];
	char		aside[MAXPGPATH + 16];

	TLHistoryFilePath(path, tli);
	if (access(path, F_OK) == 0)
	{
		(void) durable_unlink(path, ERROR);
		ereport(LOG,
				(errmsg("pgraft: removed file \"%s\": this server has no WAL of that timeline", path)));
	}
	foreach(cell, names)
	{
		const char *name = lfirst(cell);

		if (!IsXLogFileName(name) || pgraft_wal_timeline(name) != tli)
			continue;
		snprintf(path, sizeof(path), XLOGDIR "/%s", name);
		snprintf(aside, sizeof(aside), "%s.aside", path);
		(void) durable_rename(path, aside, ERROR);
		ereport(LOG,
				(errmsg("pgraft: renamed file \"%s\" to \"%s\": this server has no WAL of that timeline", path, aside)));
	}
	list_free_deep(names);
}
