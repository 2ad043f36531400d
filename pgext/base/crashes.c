/*
 * crashes.c
 *		How often a worker has crashed in a row, remembered in a file.
 *
 * A process that crashes takes the whole server into a restart, which clears
 * shared memory and starts the worker again: a worker that crashes each time it
 * starts would do so for ever, and nobody could work on the server.  So it
 * waits before it starts, longer with each crash.
 *
 * A crash is an end that nobody has written down.  Before a worker does what may
 * crash it writes "starting" into its file, after a while "running", and whatever
 * else ends the process writes "ended": an exit of its own, however it came about,
 * and SIGQUIT, with which the postmaster ends all when another process has crashed.
 * If the whole server has died, by SIGKILL or with its machine, nobody knows whose
 * fault that was: it counts only if the worker was starting.  It has to, as there
 * are servers that end when one of their processes crashes (restart_after_crash),
 * for others to start them again.  "waiting" stands there while the worker waits
 * because of that.
 *
 * The file lies in the server's data directory and is written in place, so that
 * a full disk does not matter.  It names its own inode: a copy, as a base backup
 * has it, says nothing about the server that it is brought to.
 *
 * Nothing here is shared: each worker has a file of its own.  The statics are
 * its main thread's; the handler of SIGQUIT reads "word" and "fd".
 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

/* The first word of the file; all of the same length, as it is changed in place. */
static const char *const words[] = {"ended   ", "starting", "running ", "waiting "};

typedef enum Word
{
	ENDED,						/* as it meant to */
	STARTING,
	RUNNING,
	WAITING						/* after a crash */
} Word;

/* More than the file has. */
#define PGRAFT_CRASHES_BYTES	128

/* For how long a worker is starting. */
#define PGRAFT_STARTING_MS		10000

/* A worker that has run for so long has not failed or crashed in a row. */
#define PGRAFT_RUNS_WELL_MS		300000

/* The longest pause before a worker is started again. */
#define PGRAFT_CRASHES_MAX_WAIT_MS	300000

static char path[MAXPGPATH];
static int	fd = -1;
static volatile Word word = ENDED;
static uint32 crashes;
static uint64 progress;			/* of the worker's work, when it last started */
static PgraftDeadline started,	/* until when it counts as starting */
			runs_well;			/* from when on it runs well */

/* All of the file, or its first word only; async-signal-safe. */
static bool
put(const char *text, size_t len)
{
	return fd < 0 || pwrite(fd, text, len, 0) == (ssize_t) len;
}

static void
complain(const char *what)
{
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", what, path),
			 errdetail("If this worker crashes, it is not known how often.")));
}

static void
write_file(Word new_word)
{
	char		text[PGRAFT_CRASHES_BYTES];
	struct stat st;

	word = new_word;
	if (fd < 0)
		return;
	if (fstat(fd, &st) != 0)
	{
		complain("stat");
		return;
	}
	snprintf(text, sizeof(text), "%s %10u %20llu %20lld %20llu\n", words[word], crashes,
			 (unsigned long long) st.st_ino, (long long) PgStartTime,
			 (unsigned long long) progress);
	if (!put(text, strlen(text)))
		complain("write");
}

/* Takes over what the file says, if that is about this server. */
static void
take_over(const char *text, unsigned long long inode)
{
	char		said[16];
	uint32		count;
	unsigned long long said_inode;
	unsigned long long said_progress;
	long long	server;

	if (sscanf(text, "%15s %u %llu %lld %llu", said, &count, &said_inode, &server, &said_progress) != 5 ||
		said_inode != inode)
		return;
	crashes = count;
	progress = said_progress;
	if (strcmp(said, "starting") == 0 ||
		(strcmp(said, "running") == 0 && server == (long long) PgStartTime))
	{
		crashes++;
		word = WAITING;
	}
	else if (strcmp(said, "waiting") == 0)
		word = WAITING;
}

/*
 * Opens the file and counts the crash that it tells of, if any; returns how many
 * there were in a row.
 */
uint32
pgraft_crashes_open(const char *name)
{
	char		text[PGRAFT_CRASHES_BYTES];
	ssize_t		len;
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", DataDir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, pg_file_create_mode);
	if (fd < 0)
	{
		complain("open");
		return 0;
	}
	len = pread(fd, text, sizeof(text) - 1, 0);
	if (len < 0 || fstat(fd, &st) != 0)
	{
		complain("read");
		return 0;
	}
	text[len] = '\0';
	take_over(text, st.st_ino);
	write_file(word);
	return crashes;
}

/*
 * How far the worker has come with its work, for one that knows: if that is further
 * than when it last started, it does not crash at the same place each time.
 */
uint32
pgraft_crashes_without(uint64 now)
{
	if (now > progress)
		crashes = 0;
	progress = now;
	return crashes;
}

/*
 * How long to wait, if the worker's last life ended with a crash.  The first one
 * may have been the only one.
 */
int
pgraft_crashes_wait_ms(void)
{
	if (crashes < 2 || word != WAITING)
		return 0;
	return Min(PGRAFT_CRASHES_MAX_WAIT_MS, 1000 << Min(crashes - 2, 10));
}

/* From here on, an end that nobody writes down is a crash. */
void
pgraft_crashes_begin(void)
{
	started = pgraft_deadline_in(PGRAFT_STARTING_MS);
	runs_well = pgraft_deadline_in(PGRAFT_RUNS_WELL_MS);
	write_file(STARTING);
}

/* The worker exits, and means to. */
void
pgraft_crashes_end(void)
{
	if (word != WAITING && !put(words[ENDED], strlen(words[ENDED])))
		complain("write");
}

/* Whoever stops or restarts the worker by hand does not want it to wait. */
void
pgraft_crashes_forget(void)
{
	if (crashes == 0)
		return;
	crashes = 0;
	write_file(word);
}

/* To be called now and then: true once, when the worker has run well for long. */
bool
pgraft_crashes_runs_well(void)
{
	if (word != STARTING && word != RUNNING)
		return false;
	if (pgraft_remaining_ms(runs_well) == 0)
	{
		crashes = 0;
		write_file(ENDED);
		return true;
	}
	if (word == STARTING && pgraft_remaining_ms(started) == 0)
		write_file(RUNNING);
	return false;
}

/* The handler of SIGQUIT: another process has crashed, or an immediate shutdown. */
void
pgraft_crashes_quit(SIGNAL_ARGS)
{
	if (word != WAITING)
		(void) put(words[ENDED], strlen(words[ENDED]));
	_exit(2);
}
