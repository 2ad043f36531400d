/*
 * leave.c
 *		The postmaster ends, and goes on with its process id as the server itself, started
 *		anew; before that it may run a command to its end.
 *
 * So whoever started the server, and waits for its process, sees one that runs: a shell,
 * pg_ctl, systemd, a container in which it is process 1.
 *
 * A stop that somebody else asks for stays one.  Signals may come at each instant: while
 * the server ends, their handlers are wrapped, and from then on they are blocked, until
 * the server has handlers of its own; while the command runs this waits for them.  What
 * cannot be told is a signal that arrives in the same instant as ours.
 *
 * Shared: a flag, which the engine worker sets and the postmaster reads.  It is forgotten
 * when the server restarts in place.
 */
#include "server/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/postmaster.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"

/* With which somebody stops a server. */
static const int stops[] = {SIGINT, SIGTERM, SIGQUIT};

/* What may arrive before the next program handles it, and would end it. */
static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

/* More than a postmaster has open. */
#define MAX_DESCRIPTORS		65536

/* What the flag says the server was told to do, to come back. */
#define STOPS		1
#define RESTARTS	2			/* in place; where that is off, it ends */

static pg_atomic_uint32 *comes_back;	/* NULL: the server takes no part */

/* The postmaster's own. */
static bool leaves = false;		/* comes_back, as shared memory went */
static char **command = NULL;	/* what it runs before; NULL: nothing */
static volatile sig_atomic_t stop_asked = 0;	/* by somebody else */
static struct sigaction before[lengthof(stops)];
static int	output[] = {-1, -1, -1};	/* as they were at the start */
static char *notify_socket = NULL;
static emit_log_hook_type prev_emit_log = NULL;

static void
note_stop(int signo)
{
	stop_asked = 1;
	for (size_t i = 0; i < lengthof(stops); i++)
		if (stops[i] == signo)
			before[i].sa_handler(signo);
}

/* From here on another signal to stop is somebody else's, also one that is ignored. */
static void
watch_stops(void)
{
	for (size_t i = 0; i < lengthof(stops); i++)
	{
		struct sigaction watched;

		if (sigaction(stops[i], NULL, &before[i]) != 0 || (before[i].sa_flags & SA_SIGINFO) != 0 ||
			before[i].sa_handler == SIG_DFL || before[i].sa_handler == SIG_IGN || before[i].sa_handler == note_stop)
			continue;
		watched = before[i];
		watched.sa_handler = note_stop;
		(void) sigaction(stops[i], &watched, NULL);
	}
}

/* systemd would wait for the end of a service that says STOPPING=1, and kill it then. */
static void
hide_notify_socket(void)
{
	const char *name = getenv("NOTIFY_SOCKET");

	if (name == NULL)
		return;
	notify_socket = strdup(name);
	if (notify_socket != NULL)
		unsetenv("NOTIFY_SOCKET");
}

/* The postmaster logs that it stops before it tells systemd. */
static void
emit_log(ErrorData *error)
{
	const char *id = error->message_id != NULL ? error->message_id : "";
	uint32		flag = IsUnderPostmaster || comes_back == NULL ? 0 : pg_atomic_read_u32(comes_back);

	if (flag == STOPS && strcmp(id, "received fast shutdown request") == 0)
	{
		watch_stops();
		hide_notify_socket();
	}
	else if (flag != 0 && strncmp(id, "received ", 9) == 0 && strstr(id, " shutdown request") != NULL)
		stop_asked = 1;
	if (prev_emit_log)
		prev_emit_log(error);
}

/* Right before shared memory goes, in a restart in place too: that forgets it. */
static void
read_flag(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	leaves = comes_back != NULL && pg_atomic_read_u32(comes_back) != 0;
	comes_back = NULL;
}

static bool
is_stop_asked(void)
{
	sigset_t	pending;

	if (stop_asked || sigpending(&pending) != 0)
		return true;
	for (size_t i = 0; i < lengthof(stops); i++)
		if (sigismember(&pending, stops[i]))
			return true;
	return false;
}

/* All of a file of /proc, whose size nobody knows before; NULL: it cannot be read. */
static char *
read_all(const char *path, size_t *len)
{
	size_t		room = 4096;
	char	   *text = palloc(room + 1);
	int			fd = open(path, O_RDONLY);
	ssize_t		n = -1;

	*len = 0;
	while (fd >= 0 && (n = read(fd, text + *len, room - *len)) > 0)
		if ((*len += n) == room)
			text = repalloc(text, (room *= 2) + 1);
	if (fd >= 0)
		close(fd);
	text[*len] = '\0';
	return n < 0 ? NULL : text;
}

/* The command line, as the kernel has it; NULL: it does not say. */
static char **
own_arguments(void)
{
	size_t		len;
	char	   *text = read_all("/proc/self/cmdline", &len);
	char	  **arguments;
	size_t		n = 0;

	if (text == NULL || len == 0)
		return NULL;
	arguments = palloc0((len + 1) * sizeof(char *));
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		arguments[n++] = text + at;
	return arguments;
}

/* The server works in its data directory: a path that was relative leads nowhere there. */
static void
make_absolute(char **arguments)
{
	char	   *dir = pstrdup(ConfigFileName);
	const char *pgdata = getenv("PGDATA");

	get_parent_directory(dir);
	for (size_t i = 1; arguments[i] != NULL; i++)
		if (strcmp(arguments[i - 1], "-D") == 0 && !is_absolute_path(arguments[i]))
			arguments[i] = dir;
	if (pgdata != NULL && !is_absolute_path(pgdata))
		(void) setenv("PGDATA", dir, 1);
}

/* how: SIG_BLOCK or SIG_SETMASK */
static void
hold_signals(int how)
{
	sigset_t	set;

	sigemptyset(&set);
	for (size_t i = 0; i < lengthof(held); i++)
		sigaddset(&set, held[i]);
	(void) sigprocmask(how, &set, NULL);
}

/* Nothing of this program goes along, but what is held of signals, and where it writes to. */
static void
shed(void)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (output[fd] >= 0)
			(void) dup2(output[fd], fd);
	for (int fd = STDERR_FILENO + 1; fd < Min(sysconf(_SC_OPEN_MAX), MAX_DESCRIPTORS); fd++)
		(void) close(fd);
	if (notify_socket != NULL)
		(void) setenv("NOTIFY_SOCKET", notify_socket, 1);
	for (int signo = 1; signo < NSIG; signo++)
		(void) signal(signo, SIG_DFL);
	hold_signals(SIG_SETMASK);
}

/* In a child that ends with this process. */
static void
execute_command(pid_t parent)
{
	sigset_t	none;

	sigemptyset(&none);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		execv(command[0], command);
	write_stderr("pgraft: could not execute \"%s\": %s\n", command[0], strerror(errno));
	_exit(1);
}

/*
 * Runs the command to its end, and hands on to it what is to stop the server.  False: the
 * server is not to start.  SIGCHLD is blocked from here on.
 */
static bool
run_command(void)
{
	sigset_t	awaited;
	pid_t		parent = getpid(),
				child,
				ended;
	int			status;

	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	for (size_t i = 0; i < lengthof(stops); i++)
		sigaddset(&awaited, stops[i]);
	(void) sigprocmask(SIG_BLOCK, &awaited, NULL);
	child = fork();
	if (child == 0)
		execute_command(parent);
	if (child < 0)
	{
		write_stderr("pgraft: could not fork: %s\n", strerror(errno));
		return false;
	}
	for (;;)
	{
		int			signo = sigwaitinfo(&awaited, NULL);

		/*
		 * in a container this may be process 1, whose children are others',
		 * too
		 */
		while (signo == SIGCHLD && (ended = waitpid(-1, &status, WNOHANG)) > 0)
			if (ended == child)
				return !is_stop_asked() && WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (signo > 0 && signo != SIGCHLD)
		{
			stop_asked = 1;
			(void) kill(child, signo);
		}
	}
}

/* The lock file is this process's; the command may have put another directory in the place of the one that it is in. */
static void
end_without_server(void)
{
	char	   *path = psprintf("%s/postmaster.pid", DataDir);

	if (unlink(path) != 0 && errno != ENOENT)
		write_stderr("pgraft: could not remove \"%s\": %s\n", path, strerror(errno));
	_exit(is_stop_asked() ? 0 : 1);
}

/* As the postmaster ends: of all that it was only its lock file is left. */
static void
go_on(int code pg_attribute_unused(), Datum arg pg_attribute_unused())
{
	char	  **arguments;

	if (IsUnderPostmaster || (!leaves && command == NULL))
		return;
	hold_signals(SIG_BLOCK);
	if (is_stop_asked())
		return;
	arguments = own_arguments();
	if (arguments == NULL)
	{
		write_stderr("pgraft: the server does not start anew: /proc does not say how it was started\n");
		return;
	}
	make_absolute(arguments);
	shed();
	if (command != NULL && !run_command())
		end_without_server();
	hold_signals(SIG_SETMASK);
	execv(my_exec_path, arguments);
	write_stderr("pgraft: could not execute \"%s\": %s\n", my_exec_path, strerror(errno));
}

/* In the postmaster, as it loads the library. */
void
pgraft_leave_install(void)
{
	if (!IsPostmasterEnvironment || IsUnderPostmaster)
		return;
	/* before the logging collector takes them */
	output[STDOUT_FILENO] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	output[STDERR_FILENO] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	prev_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
	on_proc_exit(go_on, 0);
}

Size
pgraft_leave_size(void)
{
	return CACHELINEALIGN(sizeof(pg_atomic_uint32));
}

/* In the postmaster, with AddinShmemInitLock held, at each boot. */
void
pgraft_leave_attach(void)
{
	bool		found;

	leaves = false;
	stop_asked = 0;
	comes_back = ShmemInitStruct("pgraft comes back", pgraft_leave_size(), &found);
	if (found)
		return;
	pg_atomic_init_u32(comes_back, 0);
	on_shmem_exit(read_flag, 0);
}

/* Stops the server as a fast shutdown does; then it starts anew. */
void
pgraft_stop_and_come_back(void)
{
	pg_atomic_write_u32(comes_back, STOPS);
	if (kill(PostmasterPid, SIGINT) != 0)
	{
		pg_atomic_write_u32(comes_back, 0);
		ereport(ERROR, (errmsg("could not signal the postmaster: %m")));
	}
}

/* Restarts the server in place; with restart_after_crash off it ends, and starts anew. */
void
pgraft_restart_and_come_back(void)
{
	pg_atomic_write_u32(comes_back, RESTARTS);
	pgraft_restart_in_place();
}

/* In the postmaster, at a boot: it ends, runs the command, and starts anew if that succeeds. */
void
pgraft_leave_for(const char *const *words, size_t n)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	command = palloc0((n + 1) * sizeof(char *));
	for (size_t i = 0; i < n; i++)
		command[i] = pstrdup(words[i]);
	MemoryContextSwitchTo(before);
	proc_exit(1);
}
