/*
 * wal_shape.c
 *		What is wrong with the files that hold a history's WAL: one is missing, or the
 *		last record is there by half.
 *
 * Nothing here is shared.
 */
#include "server/server.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"

/* Does the file hold WAL of its own segment, and not what a recycled one held before? */
static bool
holds_wal(const char *name, XLogRecPtr start)
{
	char		path[MAXPGPATH];
	XLogPageHeaderData page;
	ssize_t		n;
	int			fd;

	snprintf(path, sizeof(path), XLOGDIR "/%s", name);
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0 && errno == ENOENT)
		return false;
	n = fd < 0 ? -1 : read(fd, &page, sizeof(page));
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	CloseTransientFile(fd);
	return n == sizeof(page) && page.xlp_magic == XLOG_PAGE_MAGIC && page.xlp_pageaddr == start;
}

/*
 * Is a segment missing, from the one in which valid WAL ends on, behind which there is
 * WAL of the same history?
 */
bool
pgraft_wal_hole(const PgraftHistory *history, XLogRecPtr end)
{
	List	   *names = pgraft_wal_names();
	ListCell   *cell;
	XLogSegNo	first,
				last;
	struct XLogReaderState *reader;
	volatile bool hole = false;

	XLByteToPrevSeg(end, first, wal_segment_size);
	last = first;
	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		TimeLineID	tli;
		XLogSegNo	no;
		XLogRecPtr	start;

		if (!IsXLogFileName(name))
			continue;
		XLogFromFileName(name, &tli, &no, wal_segment_size);
		XLogSegNoOffsetToRecPtr(no, 0, wal_segment_size, start);
		if (no > last && tli == history->branches[pgraft_history_owner(history, start)].tli &&
			holds_wal(name, start))
			last = no;
	}
	list_free_deep(names);
	reader = pgraft_wal_open(history, false);
	PG_TRY();
	{
		for (XLogSegNo no = first; no < last && !hole; no++)
			hole = !pgraft_wal_has_segment(reader, no);
	}
	PG_FINALLY();
	{
		pgraft_wal_close(reader);
	}
	PG_END_TRY();
	return hole;
}

static void
put_zeros(const char *path, off_t from)
{
	static const char zeros[XLOG_BLCKSZ];
	int			fd = OpenTransientFile(path, O_RDWR | PG_BINARY);
	bool		done = fd >= 0;

	if (fd < 0 && errno == ENOENT)
		return;
	while (done && from < wal_segment_size)
	{
		size_t		n = Min(XLOG_BLCKSZ, wal_segment_size - from);

		errno = ENOSPC;			/* of a short write */
		done = pwrite(fd, zeros, n, from) == (ssize_t) n;
		from += n;
	}
	if (!done || pg_fsync(fd) != 0)
		ereport(data_sync_elevel(ERROR),
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	CloseTransientFile(fd);
	ereport(LOG,
			(errmsg("pgraft: zeros are put over half a record at the end of file \"%s\"", path)));
}

/*
 * Puts zeros over what follows the end of valid WAL in its segment: recovery would hold
 * the half record that fills the segment up, and wait for the next segment, even where
 * the record's end is to come from another fork.  Before recovery begins.
 */
void
pgraft_wal_cut(const PgraftHistory *history, XLogRecPtr end)
{
	XLogSegNo	no;

	XLByteToSeg(end, no, wal_segment_size);
	for (int i = 0; i < history->n; i++)
	{
		char		path[MAXPGPATH];

		XLogFilePath(path, history->branches[i].tli, no, wal_segment_size);
		if (history->branches[i].begin <= end)
			put_zeros(path, XLogSegmentOffset(end, wal_segment_size));
	}
}
