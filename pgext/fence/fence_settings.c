/*
 * fence_settings.c
 *		Settings of PostgreSQL's: what clients are shown of whether they may write
 *		(F4), and synchronous_standby_names, which nobody empties while commits
 *		need standbys.
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

void
pgraft_fence_settings_install(void)
{
	struct config_bool *setting;
	struct config_string *names;

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
