/*
 * process.c
 *		What a process knows of itself and of the server that it is of.
 *
 * Whether the workers are registered is found out by the postmaster, at the
 * server's start, and every process inherits it.  Whether an apply function
 * runs is each process's own, as is whether it is a worker of pgraft's that writes: only
 * the apply worker sets these.
 */
#include "base/base.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/pidfile.h"

bool		pgraft_engine_is_registered = false;
bool		pgraft_apply_is_registered = false;

bool		pgraft_is_apply_worker = false;

/* From the start of an entry's transaction to its end: deferred triggers count. */
volatile sig_atomic_t pgraft_in_apply_function = false;

/* Raises an error within an apply function, where "what" is not possible. */
void
pgraft_refuse_in_apply_function(const char *what)
{
	if (pgraft_in_apply_function)
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("%s is not possible within an apply function", what),
				 errdetail("It runs on every node for every entry, and again on every retry; so would what it asks for."),
				 errhint("Replicate from a client's session, and let the apply function only write tables.")));
}

/*
 * Whether the postmaster shuts the server down, in any mode.  It writes so into its pid
 * file before it signals anybody.  Raises no error.
 */
bool
pgraft_server_is_stopping(void)
{
	char		text[BLCKSZ];
	char	   *line = text;
	int			fd = open(PGRAFT_PID_FILE, O_RDONLY);
	ssize_t		len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", PGRAFT_PID_FILE)));
	if (fd >= 0)
		close(fd);
	if (len < 0)
		return false;
	text[len] = '\0';
	for (int i = 1; i < LOCK_FILE_LINE_PM_STATUS && line != NULL; i++)
	{
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return line != NULL && strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
}
