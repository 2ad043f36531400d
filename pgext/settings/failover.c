/*
 * failover.c
 *		The settings of failover.
 *
 * Every process has its own copy of them, as with any setting.
 */
#include "settings/settings.h"

#include <limits.h>

#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"

bool		pgraft_failover = false;
int			pgraft_fence_wait = 5000;

static int	failover_priority = 100;
static int	seal_timeout = 5000;

char	   *pgraft_replication_conninfo;
char	   *pgraft_role_change_command;
int			pgraft_rejoin = PGRAFT_REJOIN_OFF;

static const struct config_enum_entry rejoins[] = {
	{"off", PGRAFT_REJOIN_OFF, false},
	{"rewind", PGRAFT_REJOIN_REWIND, false},
	{"clone", PGRAFT_REJOIN_CLONE, false},
	{NULL, 0, false}
};

/* It goes into a line of a file, and before what pgraft says of itself. */
static bool
check_replication_conninfo(char **newval, void **extra pg_attribute_unused(),
						   GucSource source pg_attribute_unused())
{
	if (strpbrk(*newval, "\r\n") != NULL)
	{
		GUC_check_errdetail("It must be one line.");
		return false;
	}
	if (strstr(*newval, "://") != NULL)
	{
		GUC_check_errdetail("It must be keywords and values, and no URI.");
		return false;
	}
	return true;
}

void
pgraft_failover_define(void)
{
	DefineCustomBoolVariable("pgraft.failover",
							 "Whether this server takes part in the failover of its cluster.",
							 NULL,
							 &pgraft_failover, false, PGC_POSTMASTER, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.fence_wait",
							"How long a commit waits until this server may write.",
							"After that it is refused.",
							&pgraft_fence_wait, 5000, 0, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.failover_priority",
							"Which of several servers that would lose nothing becomes primary.",
							"The greatest; 0: this server does not, and no commit waits for it.",
							&failover_priority, 100, 0, 1000, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.seal_timeout",
							"How long a failover waits for servers whose WAL may reach further.",
							"It does so only once nothing can be lost without them.",
							&seal_timeout, 5000, 1, INT_MAX / 2, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomStringVariable("pgraft.replication_conninfo",
							   "How this server connects to the primary, beside its host and port.",
							   "As primary_conninfo, which pgraft writes.",
							   &pgraft_replication_conninfo, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_replication_conninfo, NULL, NULL);
	DefineCustomStringVariable("pgraft.role_change_command",
							   "Shell command that is run when this server becomes the primary, or a standby.",
							   "%r is the role, %e the epoch. Nothing waits for it.",
							   &pgraft_role_change_command, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	DefineCustomEnumVariable("pgraft.rejoin",
							 "How a server whose WAL has diverged comes back by itself.",
							 "\"rewind\" lets pg_rewind change its data, \"clone\" also pg_basebackup make it anew beside.",
							 &pgraft_rejoin, PGRAFT_REJOIN_OFF, rejoins,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * With a delay of replay a server would follow a new primary only once it has replayed all that
 * it has, and would be promoted as late: so it is never primary, and no commit waits for it.
 */
static int
priority_in_force(void)
{
	if (recovery_min_apply_delay == 0 || failover_priority == 0)
		return failover_priority;
	if (pgraft_failover)
		ereport(WARNING,
				(errmsg("pgraft: \"recovery_min_apply_delay\" is set: this server does not become primary, and no commit waits for it"),
				 errhint("Set \"pgraft.failover_priority\" to 0, which says the same, or reset \"recovery_min_apply_delay\".")));
	return 0;
}

void
pgraft_failover_read(PgraftConfig *config)
{
	config->failover = pgraft_failover;
	config->failover_priority = priority_in_force();
	config->seal_timeout_ms = seal_timeout;
	config->server_port = PostPortNumber;
	config->rejoin = pgraft_rejoin;
	config->replication_conninfo.data = pgraft_replication_conninfo;
	config->replication_conninfo.len = strlen(pgraft_replication_conninfo);
}
