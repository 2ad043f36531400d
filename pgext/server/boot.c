/*
 * boot.c
 *		What a server does before recovery begins, so that it is a standby without a
 *		source of WAL, and what keeps it from that.
 *
 * In the postmaster, from shmem_startup_hook: at the server's start, and in each restart
 * in place.  PostgreSQL removes standby.signal at a promotion before it writes the new
 * timeline's history, and would come up writable on the old one after a crash in
 * between.  _PG_init would be too early: "postgres -C" runs it as well.
 *
 * Nothing is shared: no other process is there.
 */
#include "server/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/twophase.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"
#include "replication/walsender.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

/* What brings WAL. */
static const char *const cleared[] = {"primary_conninfo", "primary_slot_name", "restore_command"};

static bool
is_lowered(const char *name, int value, int needed, int elevel)
{
	if (value >= needed)
		return false;
	ereport(elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("pgraft: %s is %d, and the server's WAL needs %d at least", name, value, needed),
			 errdetail("A server of a failover cluster starts as a standby, and recovery stops where a setting is lower than it was on the primary."),
			 errhint("Set %s to %d or more.", name, needed)));
	return true;
}

static struct config_generic *
find_setting(const char *name)
{
	int			n;
	struct config_generic **all = pgraft_guc_variables(&n);

	for (int i = 0; i < n; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;				/* of another version of PostgreSQL */
}

static bool
is_given(const char *name, int elevel)
{
	struct config_generic *setting = find_setting(name);

	if (setting == NULL || setting->source != PGC_S_ARGV)
		return false;
	ereport(elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("pgraft: %s is given on the command line", name),
			 errdetail("It wins over every file, and so over what pgraft writes."),
			 errhint("Take it out of the command that starts the server.")));
	return true;
}

/* A recovery that ends before the end of WAL, or follows no other timeline. */
static bool
has_target(int elevel)
{
	if (recoveryTarget == RECOVERY_TARGET_UNSET &&
		recoveryTargetTimeLineGoal == RECOVERY_TARGET_TIMELINE_LATEST)
		return false;
	ereport(elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("pgraft: a recovery target is set"),
			 errdetail("A server of a failover cluster recovers all of its WAL, and follows its cluster's timelines."),
			 errhint("Remove recovery_target and its like from the configuration, and leave recovery_target_timeline at \"latest\".")));
	return true;
}

static bool
is_unsafe(int elevel)
{
	if (enableFsync)
		return false;
	ereport(elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("pgraft: fsync is off"),
			 errdetail("A commit that was acknowledged must survive the loss of power on this server."),
			 errhint("Set fsync to on.")));
	return true;
}

/*
 * Is there a setting with which recovery stops or hangs, or data is lost?  The first one
 * is reported: with FATAL, the server does not start.
 */
bool
pgraft_boot_obstacle(const ControlFileData *control, int elevel)
{
	for (size_t i = 0; i < lengthof(cleared); i++)
		if (is_given(cleared[i], elevel))
			return true;
	return is_given("synchronous_standby_names", elevel) || is_unsafe(elevel) || has_target(elevel) ||
		is_lowered("max_connections", MaxConnections, control->MaxConnections, elevel) ||
		is_lowered("max_worker_processes", max_worker_processes, control->max_worker_processes, elevel) ||
		is_lowered("max_wal_senders", max_wal_senders, control->max_wal_senders, elevel) ||
		is_lowered("max_prepared_transactions", max_prepared_xacts, control->max_prepared_xacts, elevel) ||
		is_lowered("max_locks_per_transaction", max_locks_per_xact, control->max_locks_per_xact, elevel);
}

/* In the files, and in the postmaster, which has read them already. */
static void
clear_sources(void)
{
	PgraftSetting none[lengthof(cleared)];
	uint32		number;

	for (size_t i = 0; i < lengthof(cleared); i++)
	{
		none[i].name = cleared[i];
		none[i].value = "";
	}
	number = pgraft_auto_conf_write(none, lengthof(none));
	for (size_t i = 0; i < lengthof(cleared); i++)
		SetConfigOption(cleared[i], "", PGC_POSTMASTER, PGC_S_FILE);
	SetConfigOption(PGRAFT_SETTINGS_NUMBER, psprintf("%u", number), PGC_POSTMASTER, PGC_S_FILE);
}

/*
 * Has the server come up as a standby without a source of WAL, and without a promotion
 * that was ordered before.  Before pgraft_in_force_attach().
 */
void
pgraft_boot_as_standby(void)
{
	struct stat st;

	/* postgres --single recovers by itself, and pg_upgrade's servers write */
	if (!IsPostmasterEnvironment || IsUnderPostmaster || IsBinaryUpgrade)
		return;
	if (unlink(PROMOTE_SIGNAL_FILE) == 0)
		ereport(LOG,
				(errmsg("pgraft: removed file \"%s\", which a promotion has left", PROMOTE_SIGNAL_FILE)));
	else if (errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", PROMOTE_SIGNAL_FILE)));
	clear_sources();
	if (stat(STANDBY_SIGNAL_FILE, &st) != 0)
		pgraft_write_durably(STANDBY_SIGNAL_FILE, "", 0);
	ereport(LOG, (errmsg("pgraft: the server starts as a standby")));
}
