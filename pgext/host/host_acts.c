/*
 * host_acts.c
 *		The small steps that a host carries out: settings, promotion, sessions.
 *
 * What writes settings reads them itself at once, so that the next look sees them.
 *
 * Nothing here is shared.
 */
#include "host/host.h"

#include <signal.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/bgwriter.h"
#include "replication/syncrep.h"
#include "utils/backend_status.h"
#include "utils/guc.h"

#include "boot/boot.h"
#include "fence/fence.h"

/* The numbers of what was written last, for in_force.c; 0: nothing, by this process. */
static uint32 sources_number = 0;
static uint32 names_number = 0;

static void
take_over_settings(void)
{
	ProcessConfigFile(PGC_SIGHUP);
}

void
pgraft_host_end_sources(void)
{
	sources_number = pgraft_sources_end();
	take_over_settings();
}

/* After pgraft_host_end_sources. */
bool
pgraft_host_sources_ended(void)
{
	if (sources_number == 0)
		elog(ERROR, "nobody has ended the sources of WAL");
	return pgraft_sources_ended(sources_number);
}

void
pgraft_host_stream(const char *conninfo, const char *slot)
{
	(void) pgraft_stream_from(conninfo, slot);
	take_over_settings();
}

void
pgraft_host_put_names(const char *names)
{
	const PgraftSetting setting = {"synchronous_standby_names", names};

	pgraft_fence_let_names_be_empty(names[0] == '\0');
	names_number = pgraft_auto_conf_write(&setting, 1);
	take_over_settings();
}

/*
 * Are these names in force, in every walsender and in the checkpointer?  An engine that
 * has put none knows nothing of those that are there.
 */
bool
pgraft_host_names_in_force(const PgraftLook *look, const char *names)
{
	if (names_number == 0 || strcmp(names, SyncRepStandbyNames) != 0)
		return false;			/* or somebody else has put others */
	return look->waits == (names[0] != '\0') &&
		pgraft_in_force_senders(look, names_number) && pgraft_in_force_checkpointer(names_number);
}

static PgraftHistory
history_of(const PgraftFork *forks, int n)
{
	PgraftHistory history = {n, palloc((n + 1) * sizeof(PgraftBranch))};

	for (int i = 0; i < n; i++)
	{
		history.branches[i].tli = forks[i].timeline;
		history.branches[i].begin = forks[i].begin;
	}
	return history;
}

void
pgraft_host_write_history(const PgraftFork *forks, int n)
{
	PgraftHistory history = history_of(forks, n);

	if (n == 0)
		elog(ERROR, "a history without a timeline");
	pgraft_history_write(&history, "pgraft");
}

/* Ends recovery on a timeline, where this server's WAL ends. */
void
pgraft_host_promote(TimeLineID tli)
{
	ControlFileData *control = pgraft_control();
	PgraftHistory parent;
	PgraftHistory history;
	PgraftWalRecord known;

	pgraft_history_read(pgraft_last_timeline(control), &parent);
	pgraft_wal_end_get(&known);
	history.n = parent.n + 1;
	history.branches = palloc(history.n * sizeof(PgraftBranch));
	memcpy(history.branches, parent.branches, parent.n * sizeof(PgraftBranch));
	history.branches[parent.n].tli = tli;
	history.branches[parent.n].begin = known.end;
	pgraft_promote(&history);
}

/* All that clients have; walsenders go on. */
void
pgraft_host_end_sessions(void)
{
	int			n;

	pgstat_clear_backend_activity_snapshot();
	n = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= n; i++)
	{
		PgBackendStatus *status = &pgraft_local_beentry(i)->backendStatus;

		if (status->st_backendType == B_BACKEND && kill(status->st_procpid, SIGTERM) != 0 && errno != ESRCH)
			ereport(ERROR, (errmsg("could not signal a session: %m")));
	}
	pgstat_clear_backend_activity_snapshot();
}

/* Asks for one, and does not wait. */
void
pgraft_host_checkpoint(void)
{
	RequestCheckpoint(PGRAFT_CHECKPOINT_FAST | CHECKPOINT_FORCE);
}

void
pgraft_host_fast_stop(void)
{
	ereport(LOG, (errmsg("pgraft: the server stops, as it has switched over, and starts as a standby")));
	pgraft_stop_and_come_back();
}

void
pgraft_host_flush(XLogRecPtr lsn)
{
	if (!RecoveryInProgress() && lsn <= GetXLogInsertRecPtr())
		XLogFlush(lsn);
}
