/*
 * Has the server that is promoted first die in the middle of it, once the file dies.armed is there.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/timeline.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static char *armed;
static char *at;
static bool stands;
static emit_log_hook_type next_hook;

/* The new timeline's history cannot be written: it ends once standby.signal is gone. */
static void
block_history(const char *message)
{
	char		path[MAXPGPATH];
	uint32		tli;

	if (sscanf(message, "selected new timeline ID: %u", &tli) != 1)
		return;
	TLHistoryFilePath(path, tli);
	if (mkdir(path, 0700) == 0)
	{
		strlcat(path, "/full", sizeof(path));
		(void) mkdir(path, 0700);
	}
}

static void
look(ErrorData *edata)
{
	if (next_hook)
		next_hook(edata);
	if (edata->message_id == NULL || strncmp(edata->message_id, at, strlen(at)) != 0 || unlink(armed) != 0)
		return;
	if (strncmp(at, "selected", 8) == 0)
		block_history(edata->message);
	else if (stands)
		raise(SIGSTOP);
	else
	{
		kill(PostmasterPid, SIGKILL);
		_exit(2);
	}
}

void
_PG_init(void)
{
	DefineCustomStringVariable("dies.armed", "Who removes this file dies.", NULL, &armed, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("dies.at", "The message with which it does.", NULL, &at, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("dies.stands", "It stands still instead.", NULL, &stands, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	next_hook = emit_log_hook;
	emit_log_hook = look;
}
