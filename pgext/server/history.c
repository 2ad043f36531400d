/*
 * history.c
 *		Timelines: the histories that they have, and the files that hold them.
 *
 * As PostgreSQL's timeline.c, whose rules these are, but for two things: an error is
 * an ERROR and no FATAL, which would end the engine; and no archive is asked, as what is
 * not in pg_wal is not this server's.
 *
 * A file that is written here stays out of the archive.  The primary of that timeline
 * archives its own: with another reason in it, two files of one name would differ, and
 * an archive_command that refuses to overwrite would fail for ever.
 */
#include "server/server.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogarchive.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"

static void
bad_line(const char *path, const char *line, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid history file \"%s\": %s", path, why),
			 errdetail("The line is \"%s\".", line)));
}

static void
add_branch(PgraftHistory *history, TimeLineID tli, XLogRecPtr begin)
{
	PgraftBranch *branch;

	if (history->n % 16 == 0)
	{
		size_t		size = (history->n + 16) * sizeof(PgraftBranch);

		history->branches = history->n == 0 ? palloc(size) : repalloc(history->branches, size);
	}
	branch = &history->branches[history->n++];
	branch->tli = tli;
	branch->begin = begin;
}

/*
 * Reads a timeline's history.  Without a file it has no parents: then this returns
 * false.
 */
bool
pgraft_history_read(TimeLineID tli, PgraftHistory *history)
{
	char		path[MAXPGPATH];
	char	   *text;
	char	   *next;
	XLogRecPtr	begin = 0;

	history->n = 0;
	history->branches = NULL;
	TLHistoryFilePath(path, tli);
	text = tli == 1 ? NULL : pgraft_read_file(path, NULL);
	for (char *line = text; line != NULL; line = next)
	{
		TimeLineID	parent;
		uint32		high,
					low;
		int			fields;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line += strspn(line, " \t\r\f\v");
		if (*line == '\0' || *line == '#')
			continue;
		fields = sscanf(line, "%u\t%X/%X", &parent, &high, &low);
		if (fields != 3)
			bad_line(path, line, fields < 1 ? "a timeline is expected" : "an LSN is expected");
		if (history->n > 0 && parent <= history->branches[history->n - 1].tli)
			bad_line(path, line, "timelines must rise");
		if (parent >= tli)
			bad_line(path, line, "a parent's timeline must be less than the child's");
		add_branch(history, parent, begin);
		begin = ((uint64) high << 32) | low;
	}
	add_branch(history, tli, begin);
	return text != NULL;
}

bool
pgraft_history_equal(const PgraftHistory *a, const PgraftHistory *b)
{
	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->branches[i].tli != b->branches[i].tli || a->branches[i].begin != b->branches[i].begin)
			return false;
	return true;
}

TimeLineID
pgraft_history_last(const PgraftHistory *history)
{
	return history->branches[history->n - 1].tli;
}

/* The branch that the byte at an LSN belongs to. */
int
pgraft_history_owner(const PgraftHistory *history, XLogRecPtr at)
{
	int			owner = 0;

	for (int i = 1; i < history->n && history->branches[i].begin <= at; i++)
		owner = i;
	return owner;
}

/* The names in pg_wal that a timeline's number begins, as strings: history files and segments. */
List *
pgraft_wal_names(void)
{
	DIR		   *dir = AllocateDir(XLOGDIR);
	struct dirent *de;
	List	   *names = NIL;

	while ((de = ReadDir(dir, XLOGDIR)) != NULL)
		if (IsXLogFileName(de->d_name) || IsTLHistoryFileName(de->d_name))
			names = lappend(names, pstrdup(de->d_name));
	FreeDir(dir);
	return names;
}

/* The timeline of such a name. */
TimeLineID
pgraft_wal_timeline(const char *name)
{
	char		number[9];

	memcpy(number, name, 8);
	number[8] = '\0';
	return strtoul(number, NULL, 16);
}

/* Is there a segment of the timeline in pg_wal? */
static bool
has_segment(TimeLineID tli)
{
	List	   *names = pgraft_wal_names();
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *name = lfirst(cell);

		if (IsXLogFileName(name) && pgraft_wal_timeline(name) == tli)
			return true;
	}
	return false;
}

/*
 * Writes the history file of a history's last timeline, durably.  One that says the
 * same stays as it is: it may be PostgreSQL's own.  One that says something else is
 * replaced only where there is no WAL of that timeline: then it is a number that came
 * to nothing.  So is one whose file names no parent: a first segment that is
 * there is of a promotion that was cut short before its history file came.
 */
void
pgraft_history_write(const PgraftHistory *history, const char *reason)
{
	char		path[MAXPGPATH];
	char		name[MAXFNAMELEN];
	StringInfoData text;
	PgraftHistory there;
	TimeLineID	tli = pgraft_history_last(history);

	if (tli == 1)
		return;					/* it has none */
	TLHistoryFilePath(path, tli);
	if (pgraft_history_read(tli, &there))
	{
		if (pgraft_history_equal(history, &there))
			return;
		if (there.n > 1 && has_segment(tli))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the history of timeline %u is another one in this server's pg_wal", tli)));
	}
	initStringInfo(&text);
	for (int i = 0; i + 1 < history->n; i++)
		appendStringInfo(&text, "%u\t%X/%X\t%s\n", history->branches[i].tli,
						 LSN_FORMAT_ARGS(history->branches[i + 1].begin), reason);
	pgraft_write_durably(path, text.data, text.len);
	if (XLogArchiveMode != ARCHIVE_MODE_OFF)
	{
		TLHistoryFileName(name, tli);
		XLogArchiveForceDone(name);
	}
	pfree(text.data);
}

/*
 * Takes the numbers between two timelines for a promotion to the second: a file for each,
 * from the newest down, that names no parent.  Recovery looks for newer timelines now
 * and then, and would aim at the newest of an unbroken row that is a child of its own;
 * these are nobody's.  pgraft_history_write_all says later what they were.
 */
void
pgraft_history_reserve(TimeLineID after, TimeLineID before)
{
	for (TimeLineID tli = before - 1; tli > after; tli--)
	{
		PgraftBranch branch = {tli, 0};
		PgraftHistory alone = {1, &branch};

		pgraft_history_write(&alone, "");
	}
}

/*
 * Writes a file for each number from the last timeline of a history down to its first:
 * for a number that was not used, with the history of the next one that was.  Recovery
 * takes the last of an unbroken row of files for the newest timeline, so nobody must
 * see the row's beginning without its end.  Without "last" the last timeline's own
 * file is left to the promotion that begins it.
 */
void
pgraft_history_write_all(const PgraftHistory *history, bool last)
{
	PgraftBranch *branches = palloc(history->n * sizeof(PgraftBranch));

	memcpy(branches, history->branches, history->n * sizeof(PgraftBranch));
	for (int i = history->n - 1; i > 0; i--)
	{
		PgraftHistory of = {i + 1, branches};

		for (TimeLineID tli = history->branches[i].tli; tli > history->branches[i - 1].tli; tli--)
		{
			bool		used = tli == history->branches[i].tli;

			branches[i].tli = tli;
			if (!used || last || i < history->n - 1)
				pgraft_history_write(&of, used ? "pgraft" : "timeline number not used");
		}
	}
	pfree(branches);
}
