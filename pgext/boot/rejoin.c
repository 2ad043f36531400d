/*
 * rejoin.c
 *		A server makes way for the program that makes its data anew, and for itself
 *		afterwards, all under one process id.
 *
 * The engine worker writes a marker beside the data directory, and has the server restart
 * in place.  The boot finds the marker, and the postmaster leaves: it runs the command "pgraft
 * rejoin", and executes the server once the data is whole.  A boot that finds a marker
 * later, as that program was killed or the machine was, does the same: it never starts
 * with such data.
 *
 * Nothing here is shared.
 */
#include "boot/boot.h"

#include <mntent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "settings/settings.h"

/* Beside the data directory, which a rejoin makes anew. */
#define MARKER_SUFFIX		".pgraft_rejoin"

/* Beside it, too: why a rejoin has changed nothing. */
#define FAILED_SUFFIX		".pgraft_rejoin_failed"
#define FAILED_SECONDS		60

/* What shows the process list nothing. */
#define CONNINFO_VARIABLE	"PGRAFT_REJOIN_CONNINFO"

char *
pgraft_rejoin_marker_path(void)
{
	return psprintf("%s%s", DataDir, MARKER_SUFFIX);
}

/* Whether a file is there: a boot that cannot tell is none. */
bool
pgraft_boot_is_there(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return true;
	if (errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	return false;
}

bool
pgraft_rejoin_is_marked(void)
{
	return pgraft_boot_is_there(pgraft_rejoin_marker_path());
}

/* Where make install and the Debian package put it, or beside the server's programs; NULL. */
static char *
find_program(void)
{
	char		dir[MAXPGPATH];
	const char *const dirs[] = {dir, "/usr/local/bin", "/usr/bin"};

	snprintf(dir, sizeof(dir), "%s", my_exec_path);
	get_parent_directory(dir);
	for (size_t i = 0; i < lengthof(dirs); i++)
	{
		char	   *path = psprintf("%s/pgraft", dirs[i]);

		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

/* The server would be gone before pgraft finds out that it lacks one. */
static void
check_programs(void)
{
	char		dir[MAXPGPATH];
	const char *const programs[] = {"pg_controldata", "pg_rewind", "pg_basebackup"};
	size_t		n = lengthof(programs) - (pgraft_rejoin == PGRAFT_REJOIN_CLONE ? 0 : 1);

	if (find_program() == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("the program \"pgraft\", which makes a server's data anew, is not installed"),
				 errhint("Install it into /usr/local/bin, /usr/bin, or the directory of the server's programs.")));
	snprintf(dir, sizeof(dir), "%s", my_exec_path);
	get_parent_directory(dir);
	for (size_t i = 0; i < n; i++)
		if (access(psprintf("%s/%s", dir, programs[i]), X_OK) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("the data of this server cannot be made anew: could not execute the program \"%s/%s\": %m", dir, programs[i]),
					 errhint("Install the server and the client programs of PostgreSQL.")));
}

/* One that has changed nothing is not tried again at once: the engine was away for it. */
static void
wait_after_failure(void)
{
	char	   *path = psprintf("%s%s", DataDir, FAILED_SUFFIX);
	struct stat st;
	char	   *why;

	if (stat(path, &st) != 0 || time(NULL) - st.st_mtime >= FAILED_SECONDS)
		return;
	why = pgraft_read_file(path, NULL);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this server's data could not be made anew, and nothing was changed: %s", why != NULL ? why : "it is not known why"),
			 errhint("It is tried again %d s after that, or once the file \"%s\" is removed.", FAILED_SECONDS, path)));
}

/* The marker would lie on another file system than the data, and a clone could not take its place. */
static bool
is_mount_point(const char *dir)
{
	char	   *real = realpath(dir, NULL);
	FILE	   *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;
	bool		is = false;

	if (real == NULL || mounts == NULL)
		ereport(ERROR, (errmsg("could not find out whether \"%s\" is a mount point: %m", dir)));
	while (!is && (mount = getmntent(mounts)) != NULL)
		is = strcmp(mount->mnt_dir, real) == 0;
	(void) endmntent(mounts);
	free(real);
	return is;
}

/* In the engine worker: the data is to be made anew as the marker says.  Returns only by an error. */
void
pgraft_rejoin_begin(const char *marker, size_t len)
{
	ControlFileData *control = pgraft_control();

	check_programs();
	if (pgraft_rejoin == PGRAFT_REJOIN_REWIND && !control->wal_log_hints && control->data_checksum_version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the data of this server cannot be rewound: it has no checksums, and wal_log_hints is off"),
				 errhint("Set \"pgraft.rejoin\" to clone, or enable checksums with pg_checksums.")));
	if (is_mount_point(DataDir))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the data of this server cannot be made anew: its data directory \"%s\" is a mount point", DataDir),
				 errhint("Move the data into a directory of that file system, or stop the server, make its data anew with pg_rewind or pg_basebackup, and start it.")));
	wait_after_failure();
	pgraft_write_durably(pgraft_rejoin_marker_path(), marker, len);
	pgraft_restart_and_come_back();
}

/* In the postmaster, as it boots and finds the marker.  Returns if the settings do not allow it. */
void
pgraft_rejoin_go(void)
{
	char		store[MAXPGPATH];
	char	   *program = find_program();

	if (pgraft_rejoin == PGRAFT_REJOIN_OFF || program == NULL)
		return;
	pgraft_settings_data_dir(store);
	ereport(LOG, (errmsg("pgraft: the data of this server is made anew, by \"%s\"", program)));
	if (setenv(CONNINFO_VARIABLE, pgraft_replication_conninfo, 1) != 0)
		ereport(FATAL, (errmsg("could not set an environment variable: %m")));
	{
		const char *const command[] = {program, "rejoin", "--data-directory", DataDir, "--config-file", ConfigFileName,
			"--store", store, pgraft_rejoin == PGRAFT_REJOIN_CLONE ? "--clone" : "--clone=false",
		"--postgres", my_exec_path};

		pgraft_leave_for(command, lengthof(command));
	}
}
