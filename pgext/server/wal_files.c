/*
 * wal_files.c
 *		Which file in pg_wal a byte of a history's WAL is read from.
 *
 * Each byte comes from the file of the timeline that owns it in the history.  Recovery
 * takes the newest timeline's file that there is, whatever is in it, and so ends early
 * at a fork whose first segment was received by half: that file begins with a copy of
 * its parent's bytes.  A page that lies on both sides of a fork is put together from
 * both files.
 *
 * Where the owner's file is gone it may have become .partial: with archive_mode a
 * promotion renames its parent's last segment.  Else a descendant's copy will do that
 * is valid past the fork.  Whether it is turns out only as the WAL behind the fork is
 * read: until then what comes from it is in doubt, and if that is not there the reader
 * of the WAL rejects the copy and reads once more.
 *
 * The file of a segment may be recycled while it is read.  No page of it fits then.
 *
 * Nothing here is shared.
 */
#include "server/server.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "miscadmin.h"
#include "storage/fd.h"

/* A segment of a branch, in an open file. */
typedef struct Segment
{
	int			fd;				/* -1: none */
	int			branch;
	int			from;			/* the branch whose file it is */
	XLogSegNo	no;
} Segment;

struct PgraftWal
{
	const PgraftHistory *history;
	bool		sync;			/* what is read is to be made durable */
	Segment		open[2];		/* those read last: a page may lie on both
								 * sides of a fork */
	int			next;			/* of them, to be replaced */
	bool	   *rejected;		/* by branch: its copy of what was before it */
	int			copy;			/* the branch whose copy was read last, or -1 */
	XLogRecPtr	doubtful;		/* what begins before this one rests on it; 0:
								 * nothing */
	XLogRecPtr	failed;			/* the page that could not be read last; 0:
								 * none */
	char		missing[MAXPGPATH]; /* the file that is not there, or why not */
};

static PgraftWal *
wal_of(XLogReaderState *reader)
{
	return (PgraftWal *) reader->private_data;
}

static void
close_segment(PgraftWal *wal, Segment *segment)
{
	int			fd = segment->fd;

	segment->fd = -1;
	if (fd < 0)
		return;
	if (wal->sync && pg_fsync(fd) != 0)
	{
		int			failure = errno;

		close(fd);
		errno = failure;
		ereport(data_sync_elevel(ERROR),
				(errcode_for_file_access(),
				 errmsg("could not fsync a segment of timeline %u: %m",
						wal->history->branches[segment->from].tli)));
		return;
	}
	close(fd);
}

/* Opens a file of pg_wal; false: there is none. */
static bool
open_file(PgraftWal *wal, Segment *segment, int from, XLogSegNo no, const char *suffix)
{
	char		path[MAXPGPATH];
	char		partial[MAXPGPATH + 16];
	int			fd;

	XLogFilePath(path, wal->history->branches[from].tli, no, wal_segment_size);
	snprintf(partial, sizeof(partial), "%s%s", path, suffix);
	fd = BasicOpenFile(partial, (wal->sync ? O_RDWR : O_RDONLY) | PG_BINARY);
	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", partial)));
	}
	segment->fd = fd;
	segment->from = from;
	return true;
}

/* The segment that holds a branch's bytes; NULL: there is none. */
static Segment *
segment_of(PgraftWal *wal, int branch, XLogSegNo no)
{
	const PgraftHistory *h = wal->history;
	Segment    *segment;

	for (size_t i = 0; i < lengthof(wal->open); i++)
		if (wal->open[i].fd >= 0 && wal->open[i].branch == branch && wal->open[i].no == no)
			return &wal->open[i];

	segment = &wal->open[wal->next];
	wal->next = (wal->next + 1) % lengthof(wal->open);
	close_segment(wal, segment);
	segment->branch = branch;
	segment->no = no;
	if (open_file(wal, segment, branch, no, "") ||
		open_file(wal, segment, branch, no, ".partial"))
		return segment;
	for (int n = h->n - 1; n > branch; n--)
	{
		XLogSegNo	first;

		XLByteToSeg(h->branches[n].begin, first, wal_segment_size);
		if (first != no || wal->rejected[n] || !open_file(wal, segment, n, no, ""))
			continue;
		wal->copy = n;
		wal->doubtful = Max(wal->doubtful, h->branches[n].begin);
		return segment;
	}
	XLogFileName(wal->missing, h->branches[branch].tli, no, wal_segment_size);
	return NULL;
}

/* Is there a file for the bytes with which a segment begins? */
bool
pgraft_wal_has_segment(XLogReaderState *reader, XLogSegNo no)
{
	PgraftWal  *wal = wal_of(reader);
	XLogRecPtr	start;

	XLogSegNoOffsetToRecPtr(no, 0, wal_segment_size, start);
	return segment_of(wal, pgraft_history_owner(wal->history, start), no) != NULL;
}

/* Reads bytes of a branch; false: they are not there. */
static bool
read_bytes(PgraftWal *wal, int branch, XLogRecPtr from, XLogRecPtr to, char *buf)
{
	XLogSegNo	no;
	Segment    *segment;
	ssize_t		n;

	XLByteToSeg(from, no, wal_segment_size);
	segment = segment_of(wal, branch, no);
	if (segment == NULL)
		return false;
	n = pread(segment->fd, buf, to - from, XLogSegmentOffset(from, wal_segment_size));
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read WAL at %X/%X of timeline %u: %m",
						LSN_FORMAT_ARGS(from), wal->history->branches[segment->from].tli)));
	if (n == (ssize_t) (to - from))
		return true;
	snprintf(wal->missing, sizeof(wal->missing), "a whole segment of timeline %u at %X/%X",
			 wal->history->branches[segment->from].tli, LSN_FORMAT_ARGS(from));
	return false;
}

static bool
is_page(const char *buf, XLogRecPtr at)
{
	const XLogPageHeaderData *page = (const XLogPageHeaderData *) buf;

	return page->xlp_magic == XLOG_PAGE_MAGIC && page->xlp_pageaddr == at;
}

/*
 * XLogReader's: a page, put together of the branches that it lies on.  What is not
 * there behind a fork is zeros: the records before the fork can be read.  A segment that
 * begins with something else counts as one that is not there, as in recovery.
 */
static int
read_page(XLogReaderState *reader, XLogRecPtr page, int wanted,
		  XLogRecPtr record, char *buf)
{
	PgraftWal  *wal = wal_of(reader);
	const PgraftHistory *h = wal->history;
	XLogRecPtr	end = page + XLOG_BLCKSZ;
	XLogRecPtr	from = page;

	CHECK_FOR_INTERRUPTS();
	wal->failed = 0;
	while (from < end)
	{
		int			branch = pgraft_history_owner(h, from);
		XLogRecPtr	to = branch + 1 < h->n ? Min(end, h->branches[branch + 1].begin) : end;

		if (!read_bytes(wal, branch, from, to, buf + (from - page)))
		{
			if (from == page)
			{
				wal->failed = page;
				return -1;
			}
			memset(buf + (from - page), 0, end - from);
			break;
		}
		from = to;
	}
	if (XLogSegmentOffset(page, wal_segment_size) == 0 && !is_page(buf, page))
	{
		snprintf(wal->missing, sizeof(wal->missing), "WAL in the segment at %X/%X", LSN_FORMAT_ARGS(page));
		wal->failed = page;
		return -1;
	}
	return XLOG_BLCKSZ;
}

XLogReaderState *
pgraft_wal_open(const PgraftHistory *history, bool sync)
{
	PgraftWal  *wal = palloc0(sizeof(PgraftWal));
	XLogReaderState *reader;

	wal->history = history;
	wal->sync = sync;
	wal->copy = -1;
	wal->rejected = palloc0(history->n * sizeof(bool));
	for (size_t i = 0; i < lengthof(wal->open); i++)
		wal->open[i].fd = -1;
	reader = XLogReaderAllocate(wal_segment_size, NULL,
								XL_ROUTINE(.page_read = read_page), wal);
	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while allocating a WAL reading processor.")));
	return reader;
}

/* With "sync": what was read is durable from now on. */
void
pgraft_wal_sync(XLogReaderState *reader)
{
	PgraftWal  *wal = wal_of(reader);

	for (size_t i = 0; i < lengthof(wal->open); i++)
		close_segment(wal, &wal->open[i]);
	if (wal->sync)
		fsync_fname(XLOGDIR, true);
}

void
pgraft_wal_close(XLogReaderState *reader)
{
	PgraftWal  *wal = wal_of(reader);

	for (size_t i = 0; i < lengthof(wal->open); i++)
		if (wal->open[i].fd >= 0)
			close(wal->open[i].fd);
	XLogReaderFree(reader);
	pfree(wal->rejected);
	pfree(wal);
}

/*
 * A record that begins before this LSN may have been read from a copy that is not
 * known to be whole; 0: none has.
 */
XLogRecPtr
pgraft_wal_doubtful(XLogReaderState *reader)
{
	return wal_of(reader)->doubtful;
}

/* The copy is whole: a record behind it was read. */
void
pgraft_wal_trust(XLogReaderState *reader)
{
	wal_of(reader)->doubtful = 0;
}

/* It is not: WAL is read without it from now on. */
void
pgraft_wal_reject(XLogReaderState *reader)
{
	PgraftWal  *wal = wal_of(reader);

	wal->rejected[wal->copy] = true;
	wal->doubtful = 0;
	for (size_t i = 0; i < lengthof(wal->open); i++)
		close_segment(wal, &wal->open[i]);
}

/* The page that could not be read last, and what of it is not there; 0: all is. */
XLogRecPtr
pgraft_wal_missing(XLogReaderState *reader, const char **what)
{
	PgraftWal  *wal = wal_of(reader);

	*what = wal->missing;
	return wal->failed;
}
