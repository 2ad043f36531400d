/*
 * timing.c
 *		pgraft.election_timeout and pgraft.heartbeat_interval.
 *
 * Every process has its own copy of them, as with any setting.
 *
 * election_timeout and heartbeat_interval must fit together, and a reload may
 * change both, one after the other in any order.  So when one is about to
 * change, its check hook compares it with the value that the other is going to
 * have: the one in the configuration files, if they set it.  A pair that does
 * not fit is refused on both sides and the old pair stays.  At server start no
 * order is right, so there the pair is looked at once both are defined: with one
 * that does not fit the node does not start (refused.c).
 */
#include "settings/settings.h"

#include "miscadmin.h"

#define PGRAFT_DEFAULT_ELECTION_TIMEOUT		1000
#define PGRAFT_DEFAULT_HEARTBEAT_INTERVAL	100

static int	election_timeout = PGRAFT_DEFAULT_ELECTION_TIMEOUT;
static int	heartbeat_interval = PGRAFT_DEFAULT_HEARTBEAT_INTERVAL;

/* where the values in force come from */
static GucSource election_timeout_source = PGC_S_DEFAULT;
static GucSource heartbeat_interval_source = PGC_S_DEFAULT;

static bool
pair_fits(int election, int heartbeat)
{
	return election >= (int64) heartbeat * PGRAFT_HEARTBEATS_PER_ELECTION;
}

/* The last value of a setting in one configuration file and its includes. */
static void
look_up_in_file(const char *file, const char *name, char **value)
{
	ConfigVariable *head = NULL;
	ConfigVariable *tail = NULL;

	/* errors in the file are the reload's to report */
	(void) ParseConfigFile(file, false, NULL, 0, 0, DEBUG5, &head, &tail);
	for (ConfigVariable *item = head; item != NULL; item = item->next)
		if (!item->ignore && item->errmsg == NULL &&
			pg_strcasecmp(item->name, name) == 0)
			*value = pstrdup(item->value);
	FreeConfigVariables(head);
}

/* What the configuration files say now: palloc'd, or NULL. */
char *
pgraft_coming_setting(const char *name)
{
	char	   *value = NULL;

	look_up_in_file(ConfigFileName, name, &value);
	look_up_in_file(PG_AUTOCONF_FILENAME, name, &value);
	return value;
}

/* What the other setting of the pair will be once the files have been read. */
static int
coming_value(const char *name, int current, GucSource source, int reset)
{
	char	   *text;
	int			value;

	if (source > PGC_S_FILE)
		return current;			/* the command line outranks the files */
	text = pgraft_coming_setting(name);
	if (text == NULL || !parse_int(text, &value, GUC_UNIT_MS, NULL))
		value = reset;
	if (text != NULL)
		pfree(text);
	return value;
}

static bool
check_pair(int election, int heartbeat)
{
	if (pair_fits(election, heartbeat))
		return true;
	GUC_check_errdetail("\"pgraft.election_timeout\" (%d ms) must be at least %d times \"pgraft.heartbeat_interval\" (%d ms).",
						election, PGRAFT_HEARTBEATS_PER_ELECTION, heartbeat);
	return false;
}

static bool
remember_source(void **extra, GucSource source)
{
	GucSource  *kept = pgraft_guc_extra(sizeof(GucSource));

	if (kept == NULL)
		return false;
	*kept = source;
	*extra = kept;
	return true;
}

static bool
check_election_timeout(int *newval, void **extra, GucSource source)
{
	if (!process_shared_preload_libraries_in_progress &&
		*newval != election_timeout &&
		!check_pair(*newval, coming_value("pgraft.heartbeat_interval",
										  heartbeat_interval, heartbeat_interval_source,
										  PGRAFT_DEFAULT_HEARTBEAT_INTERVAL)))
		return false;
	return remember_source(extra, source);
}

static bool
check_heartbeat_interval(int *newval, void **extra, GucSource source)
{
	if (!process_shared_preload_libraries_in_progress &&
		*newval != heartbeat_interval &&
		!check_pair(coming_value("pgraft.election_timeout",
								 election_timeout, election_timeout_source,
								 PGRAFT_DEFAULT_ELECTION_TIMEOUT), *newval))
		return false;
	return remember_source(extra, source);
}

static void
assign_election_timeout(int newval pg_attribute_unused(), void *extra)
{
	election_timeout_source = *(GucSource *) extra;
}

static void
assign_heartbeat_interval(int newval pg_attribute_unused(), void *extra)
{
	heartbeat_interval_source = *(GucSource *) extra;
}

/* In the postmaster, while shared_preload_libraries is loaded. */
void
pgraft_timing_define(void)
{
	DefineCustomIntVariable("pgraft.election_timeout",
							"How long a node hears nothing from its leader before it calls an election.",
							"At least three times pgraft.heartbeat_interval.",
							&election_timeout, PGRAFT_DEFAULT_ELECTION_TIMEOUT,
							30, 600000, PGC_SIGHUP, GUC_UNIT_MS,
							check_election_timeout, assign_election_timeout, NULL);
	DefineCustomIntVariable("pgraft.heartbeat_interval",
							"How often the leader sends heartbeats.",
							"At most a third of pgraft.election_timeout.",
							&heartbeat_interval, PGRAFT_DEFAULT_HEARTBEAT_INTERVAL,
							10, 200000, PGC_SIGHUP, GUC_UNIT_MS,
							check_heartbeat_interval, assign_heartbeat_interval, NULL);
}

/*
 * Whether the setting is one of a pair in force that does not fit, as only the
 * start of the server can bring about: what to say of it, palloc'd, else NULL.
 */
char *
pgraft_timing_refuses(const char *name)
{
	if (pair_fits(election_timeout, heartbeat_interval) ||
		(pg_strcasecmp(name, "pgraft.election_timeout") != 0 &&
		 pg_strcasecmp(name, "pgraft.heartbeat_interval") != 0))
		return NULL;
	return psprintf("\"pgraft.election_timeout\" (%d ms) must be at least %d times \"pgraft.heartbeat_interval\" (%d ms).",
					election_timeout, PGRAFT_HEARTBEATS_PER_ELECTION, heartbeat_interval);
}

/*
 * The timing in force in *config.  The check hooks refuse a pair that does not
 * fit, unless the files changed while they were read: then the old pair stays.
 */
void
pgraft_timing_read(PgraftConfig *config)
{
	static int	election = 0;
	static int	heartbeat = 0;

	if (election == 0 || pair_fits(election_timeout, heartbeat_interval))
	{
		election = election_timeout;
		heartbeat = heartbeat_interval;
	}
	else
		ereport(LOG,
				(errmsg("pgraft keeps its election timeout of %d ms and its heartbeat interval of %d ms",
						election, heartbeat),
				 errdetail("\"pgraft.election_timeout\" (%d ms) must be at least %d times \"pgraft.heartbeat_interval\" (%d ms).",
						   election_timeout, PGRAFT_HEARTBEATS_PER_ELECTION,
						   heartbeat_interval)));
	config->election_timeout_ms = election;
	config->heartbeat_interval_ms = heartbeat;
}
