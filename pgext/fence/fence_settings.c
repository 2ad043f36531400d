/*
 * fence_settings.c
 *		Settings of PostgreSQL's: what clients are shown of whether they may write
 *		(F4), synchronous_standby_names, which nobody empties while commits need
 *		standbys, and log_min_messages, which does not hide errors.
 *
 * Whoever connects with target_session_attrs = read-write asks for these two, and goes
 * on to the next server.  They are shown as on, not set: a session that began while the
 * fence was closed writes once it is open.
 *
 * Nothing here is shared.
 */
#include "fence/fence.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/guc_tables.h"

static GucStringCheckHook prev_check_names = NULL;
static GucShowHook prev_show_default = NULL;
static GucShowHook prev_show_transaction = NULL;

static char *reign;				/* shown by its hook */

/* Whether a client of this process is to be shown that it may not write. */
static bool
shows_read_only(void)
{
	return IsUnderPostmaster && MyProcPort != NULL && pgraft_look_fenced();
}

static const char *
show_default_transaction_read_only(void)
{
	if (shows_read_only())
		return "on";
	if (prev_show_default)
		return prev_show_default();
	return DefaultXactReadOnly ? "on" : "off";
}

static const char *
show_transaction_read_only(void)
{
	if (shows_read_only())
		return "on";
	if (prev_show_transaction)
		return prev_show_transaction();
	return XactReadOnly ? "on" : "off";
}

/*
 * Emptied names let every commit go that waits for standbys.  Nobody but pgraft empties
 * them.  Every process decides that for itself, the checkpointer among them, which tells
 * the others.
 */
static bool
check_synchronous_standby_names(char **newval, void **extra, GucSource source)
{
	/* a parallel worker begins with the default, and then takes its leader's */
	if (pgraft_fence_is_there() && !IsParallelWorker() && (*newval == NULL || **newval == '\0'))
	{
		PgraftFence fence;

		(void) pgraft_fence_get(&fence);

		/*
		 * not RecoveryInProgress(): what that finds out stays, in the
		 * postmaster too
		 */
		if (fence.failover && fence.joined && GetRecoveryState() == RECOVERY_STATE_DONE &&
			!pgraft_fence_names_may_be_empty())
		{
			GUC_check_errdetail("Commits wait for standbys of the cluster, which pgraft names here.");
			return false;
		}
	}
	return prev_check_names ? prev_check_names(newval, extra, source) : true;
}

/*
 * How a stream of WAL has ended is known by what a walreceiver logs (host_stream.c), and
 * what is not logged reaches no hook.  What a session sets is its own.
 */
static bool
hides_errors(int level)
{
	/* LOG as this setting's value hides an ERROR, and is a lower number */
	return level > ERROR || level == LOG;
}

#if PG_VERSION_NUM < 190000		/* 19 has a level for each kind of process */
static GucEnumCheckHook prev_check_messages = NULL;

static bool
check_log_min_messages(int *newval, void **extra, GucSource source)
{
	if (source <= PGC_S_ARGV && hides_errors(*newval))
	{
		GUC_check_errdetail("How a stream of WAL has ended is known by what the walreceiver logs.");
		return false;
	}
	return prev_check_messages ? prev_check_messages(newval, extra, source) : true;
}
#endif

static struct config_generic *
find_setting(const char *name, enum config_type type)
{
	int			n;
	struct config_generic **variables = pgraft_guc_variables(&n);

	for (int i = 0; i < n; i++)
		if (strcmp(variables[i]->name, name) == 0 && variables[i]->vartype == type)
			return variables[i];
	elog(ERROR, "there is no setting \"%s\"", name);
}

/* What the server says of itself to who wants its data: see core/failover/host's Asked. */
static const char *
show_reign(void)
{
	static char epoch[32];
	PgraftFence fence;

	epoch[0] = '\0';
	if (IsUnderPostmaster && pgraft_fence_is_there())
	{
		(void) pgraft_fence_get(&fence);
		if (fence.failover && fence.joined && fence.primary)
			snprintf(epoch, sizeof(epoch), UINT64_FORMAT, fence.epoch);
	}
	return epoch;
}

void
pgraft_fence_settings_install(void)
{
	struct config_bool *setting;
	struct config_string *names;
#if PG_VERSION_NUM < 190000
	struct config_enum *messages;
#endif

	if (hides_errors(pgraft_log_min_messages))
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("pgraft: log_min_messages hides errors"),
				 errdetail("How a stream of WAL has ended is known by what the walreceiver logs."),
				 errhint("Set log_min_messages to error or to a lower level.")));
#if PG_VERSION_NUM < 190000
	messages = (struct config_enum *) find_setting("log_min_messages", PGC_ENUM);
	prev_check_messages = messages->check_hook;
	messages->check_hook = check_log_min_messages;
#endif
	DefineCustomStringVariable("pgraft.reign",
							   "The epoch that this server is the primary of; empty: of none.",
							   NULL,
							   &reign, "", PGC_INTERNAL,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   NULL, NULL, show_reign);
	setting = pgraft_guc_bool(find_setting("default_transaction_read_only", PGC_BOOL));
	prev_show_default = setting->show_hook;
	setting->show_hook = show_default_transaction_read_only;
	setting = pgraft_guc_bool(find_setting("transaction_read_only", PGC_BOOL));
	prev_show_transaction = setting->show_hook;
	setting->show_hook = show_transaction_read_only;
	names = pgraft_guc_string(find_setting("synchronous_standby_names", PGC_STRING));
	prev_check_names = names->check_hook;
	names->check_hook = check_synchronous_standby_names;
}
