/*
 * settings.c
 *		The pgraft.* settings.
 *
 * Every process has its own copy of them, as with any setting.
 * election_timeout and heartbeat_interval, which depend on each other, are in
 * timing.c.
 */
#include "settings/settings.h"

#include <limits.h>

#include "common/file_perm.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

int			pgraft_node_id = 0;
int			pgraft_max_entry_size = 1024;
int			pgraft_propose_timeout = 10000;
char	   *pgraft_database;

static char *cluster_id;
static char *address;
static char *listen_address;
static int	port = 7001;
static char *data_dir;
static int	log_level = PGRAFT_LOG_INFO;
static int	snapshot_entries = 10000;
static int	retain_entries = 1000000;
static int	retain_size = 1024;

/* bytes */
#define PGRAFT_MAX_CLUSTER_ID	255

static const struct config_enum_entry log_levels[] = {
	{"debug", PGRAFT_LOG_DEBUG, false},
	{"info", PGRAFT_LOG_INFO, false},
	{"warning", PGRAFT_LOG_WARNING, false},
	{"error", PGRAFT_LOG_ERROR, false},
	{NULL, 0, false}
};

/* Not empty, short enough, and nothing that breaks a log line. */
static bool
check_word(const char *value, size_t max)
{
	size_t		len = strlen(value);

	if (len == 0)
	{
		GUC_check_errdetail("It must not be empty.");
		return false;
	}
	if (len > max)
	{
		GUC_check_errdetail("It has %zu bytes; at most %zu are allowed.", len, max);
		return false;
	}
	for (const char *c = value; *c != '\0'; c++)
	{
		if ((unsigned char) *c <= ' ' || *c == 0x7f)
		{
			GUC_check_errdetail("It must not contain spaces or control characters.");
			return false;
		}
	}
	return true;
}

static bool
check_cluster_id(char **newval, void **extra pg_attribute_unused(),
				 GucSource source pg_attribute_unused())
{
	if (!pg_verify_mbstr(PG_UTF8, *newval, (int) strlen(*newval), true))
	{
		GUC_check_errdetail("It must be UTF-8.");
		return false;
	}
	return check_word(*newval, PGRAFT_MAX_CLUSTER_ID);
}

static bool
check_database(char **newval, void **extra pg_attribute_unused(),
			   GucSource source pg_attribute_unused())
{
	if (**newval == '\0')
	{
		GUC_check_errdetail("It must not be empty.");
		return false;
	}
	if (strlen(*newval) >= NAMEDATALEN)
	{
		GUC_check_errdetail("The name of a database has at most %d bytes.", NAMEDATALEN - 1);
		return false;
	}
	return true;
}

/* The absolute, canonical path of a data_dir; buf has MAXPGPATH bytes. */
static void
absolute_data_dir(char *buf, const char *dir)
{
	if (is_absolute_path(dir))
		snprintf(buf, MAXPGPATH, "%s", dir);
	else
		snprintf(buf, MAXPGPATH, "%s/%s", DataDir, dir);
	canonicalize_path(buf);
}

/*
 * A directory of its own: in or above the server's data directory it would be
 * taken for it, and the marker that tells an emptied data_dir from a new node
 * would lie inside.
 */
static bool
check_data_dir(char **newval, void **extra pg_attribute_unused(),
			   GucSource source pg_attribute_unused())
{
	char		path[MAXPGPATH];
	char		server[MAXPGPATH];

	if (**newval == '\0')
	{
		GUC_check_errdetail("It must not be empty.");
		return false;
	}
	if (DataDir == NULL)
		return true;
	if (strlen(DataDir) + 1 + strlen(*newval) >= MAXPGPATH)
	{
		GUC_check_errdetail("The path is too long.");
		return false;
	}
	absolute_data_dir(path, *newval);
	snprintf(server, sizeof(server), "%s", DataDir);
	canonicalize_path(server);
	if (path_is_prefix_of_path(path, server))
	{
		GUC_check_errdetail("\"%s\" is or contains the server's data directory.", path);
		return false;
	}
	return true;
}

static void
define_identity(void)
{
	DefineCustomStringVariable("pgraft.cluster_id",
							   "The name of the cluster that this node belongs to.",
							   "Nodes of another cluster_id are refused.",
							   &cluster_id, "pgraft", PGC_POSTMASTER, 0,
							   check_cluster_id, NULL, NULL);
	DefineCustomIntVariable("pgraft.node_id",
							"The number of this node in its cluster.",
							"0 means unset: then pgraft is idle.",
							&pgraft_node_id, 0, 0, INT_MAX, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomStringVariable("pgraft.address",
							   "The host name or IP address at which other nodes reach this one.",
							   NULL,
							   &address, "127.0.0.1", PGC_POSTMASTER, 0,
							   pgraft_check_address, NULL, NULL);
	DefineCustomStringVariable("pgraft.listen_address",
							   "The host name or IP address on which this node listens.",
							   "If empty, it listens on pgraft.address.",
							   &listen_address, "", PGC_POSTMASTER, 0,
							   pgraft_check_listen_address, NULL, NULL);
	DefineCustomIntVariable("pgraft.port",
							"The TCP port for traffic between nodes.",
							NULL,
							&port, 7001, 1, PGRAFT_MAX_PORT, PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomStringVariable("pgraft.data_dir",
							   "The directory of this node's Raft log and state.",
							   "A relative path starts at the server's data directory.",
							   &data_dir, "pgraft", PGC_POSTMASTER,
							   GUC_SUPERUSER_ONLY,
							   check_data_dir, NULL, NULL);
	DefineCustomStringVariable("pgraft.database",
							   "The database where committed entries are applied.",
							   "Its apply worker calls the function registered with pgraft_set_apply_function().",
							   &pgraft_database, "postgres", PGC_POSTMASTER, 0,
							   check_database, NULL, NULL);
}

static void
define_limits(void)
{
	DefineCustomEnumVariable("pgraft.log_level",
							 "The least severe messages of pgraft that go to the server log.",
							 NULL,
							 &log_level, PGRAFT_LOG_INFO, log_levels,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.max_entry_size",
							"The largest entry that can be replicated.",
							NULL,
							&pgraft_max_entry_size, 1024, 1, PGRAFT_MAX_ENTRY_BYTES / 1024,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.propose_timeout",
							"How long to wait until an entry is committed.",
							"After that it is not known whether it will be.",
							&pgraft_propose_timeout, 10000, 1, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.snapshot_entries",
							"The number of entries between snapshots of the cluster's own state.",
							NULL,
							&snapshot_entries, 10000, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.retain_entries",
							"The number of entries kept in the log store.",
							"Whichever of this and pgraft.retain_size is reached first.",
							&retain_entries, 1000000, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgraft.retain_size",
							"The size of the entries kept in the log store.",
							"Whichever of this and pgraft.retain_entries is reached first.",
							&retain_size, 1024, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
}

/* In the postmaster, while shared_preload_libraries is loaded. */
void
pgraft_settings_define(void)
{
	pgraft_refused_begin();
	define_identity();
	define_limits();
	pgraft_timing_define();
	pgraft_recorder_define();
	pgraft_tls_define();
	pgraft_http_define();
	pgraft_failover_define();
	pgraft_refused_end();
	MarkGUCPrefixReserved("pgraft");
}

/* The directory of the Raft store, absolute; buf has MAXPGPATH bytes. */
void
pgraft_settings_data_dir(char *buf)
{
	absolute_data_dir(buf, data_dir);
}

/* Whether this server is to be a node: else pgraft is idle. */
bool
pgraft_has_node(void)
{
	return pgraft_node_id != 0 || pgraft_refused_is("pgraft.node_id");
}

static PgraftBytes
bytes_of(const char *string)
{
	PgraftBytes bytes = {string, strlen(string)};

	return bytes;
}

/*
 * In the engine worker, at its start and after a reload: fills config.
 * The strings are good until the next reload, or the next call, and as long as
 * the caller's memory context.
 */
void
pgraft_settings_read(PgraftConfig *config)
{
	static char path[MAXPGPATH];
	static char marker[MAXPGPATH];

	absolute_data_dir(path, data_dir);
	snprintf(marker, sizeof(marker), "%s/pgraft.initialized", DataDir);

	memset(config, 0, sizeof(*config));
	pgraft_refused_look_again();
	pgraft_refused_read(config);
	config->node_id = pgraft_node_id;
	config->port = port;
	config->group_access = pg_dir_create_mode == PG_DIR_MODE_GROUP;
	pgraft_timing_read(config);
	pgraft_recorder_read(config);
	pgraft_tls_read(config);
	pgraft_http_read(config);
	pgraft_failover_read(config);
	config->max_entry_bytes = (uint32) pgraft_max_entry_size * 1024;
	config->snapshot_entries = snapshot_entries;
	config->log_level = log_level;
	config->retain_entries = retain_entries;
	config->retain_bytes = (uint64) retain_size * 1024 * 1024;
	config->cluster_id = bytes_of(cluster_id);
	config->address = bytes_of(address);
	config->listen_address = bytes_of(listen_address);
	config->data_dir = bytes_of(path);
	config->marker_path = bytes_of(marker);
}
