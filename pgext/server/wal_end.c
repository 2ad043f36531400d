/*
 * wal_end.c
 *		Where valid WAL ends in pg_wal, and which record ends at an LSN.
 *
 * WAL is read record by record, with PostgreSQL's own reader: each has to have the
 * right CRC, and to name the one before it.  That is what tells a record from what a
 * recycled segment held before, which can be valid by itself at the very same place
 * within its file.  So reading begins where a record begins that is certainly there,
 * and never where the next one would.
 *
 * Nothing here is shared.
 */
#include "server/server.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogrecord.h"

static void
note_record(PgraftWalRecord *record, const XLogRecord *read, XLogReaderState *reader,
			const PgraftHistory *history)
{
	record->start = reader->ReadRecPtr;
	record->end = reader->EndRecPtr;
	record->crc = read->xl_crc;
	record->tli = history->branches[pgraft_history_owner(history, record->end - 1)].tli;
	COMP_CRC32C(record->sum, &record->end, sizeof(record->end));
	COMP_CRC32C(record->sum, &record->crc, sizeof(record->crc));
}

/* Why no record was read. */
static void
note_why(PgraftWalEnd *end, XLogReaderState *reader, const char *error)
{
	const char *what;
	XLogRecPtr	page = pgraft_wal_missing(reader, &what);

	if (page != 0)
		snprintf(end->why, sizeof(end->why), "there is no %s", what);
	else
		snprintf(end->why, sizeof(end->why), "%s", error != NULL ? error : "no reason is known");
	end->half = end->records > 0 && page > end->last.end &&
		XLogSegmentOffset(page, wal_segment_size) == 0;
}

/*
 * Reads on from where a record begins: to the end, or until one ends at "upto" or
 * behind it, which is "reached".  A record that ends behind "limit" is not counted.
 */
static void
read_on(XLogReaderState *reader, XLogRecPtr from, XLogRecPtr upto, XLogRecPtr limit,
		const PgraftHistory *history, PgraftWalEnd *end, PgraftWalRecord *reached)
{
again:
	memset(end, 0, sizeof(*end));
	memset(reached, 0, sizeof(*reached));
	INIT_CRC32C(end->last.sum);
	XLogBeginRead(reader, from);
	while (reached->end == 0 || pgraft_wal_doubtful(reader) != 0)
	{
		char	   *error = NULL;
		XLogRecord *read = XLogReadRecord(reader, &error);

		if (read == NULL)
		{
			note_why(end, reader, error);
			break;
		}
		if (reader->EndRecPtr > limit)
		{
			snprintf(end->why, sizeof(end->why), "the next record ends behind %X/%X", LSN_FORMAT_ARGS(limit));
			break;
		}
		note_record(&end->last, read, reader, history);
		end->records++;
		if (reached->end == 0 && end->last.end >= upto)
			*reached = end->last;
		if (end->last.start >= pgraft_wal_doubtful(reader))
			pgraft_wal_trust(reader);
	}
	if (pgraft_wal_doubtful(reader) != 0)
	{
		pgraft_wal_reject(reader);
		goto again;
	}
}

static void
find_end(XLogRecPtr from, XLogRecPtr limit, const PgraftHistory *history, bool sync,
		 PgraftWalEnd *end)
{
	XLogReaderState *reader = pgraft_wal_open(history, sync);
	PgraftWalRecord reached;

	PG_TRY();
	{
		read_on(reader, from, PG_UINT64_MAX, limit, history, end, &reached);
		pgraft_wal_sync(reader);
	}
	PG_FINALLY();
	{
		pgraft_wal_close(reader);
	}
	PG_END_TRY();
}

/*
 * Finds the end of valid WAL from a record on that is certainly there: the last one
 * that is known, or that a checkpoint began with.  A record whose end is missing is not
 * counted.  With "sync" what was read is durable when this returns.
 */
void
pgraft_wal_valid_end(XLogRecPtr from, const PgraftHistory *history, bool sync,
					 PgraftWalEnd *end)
{
	find_end(from, PG_UINT64_MAX, history, sync, end);
}

/* The same, of WAL that is durable up to "limit": a record that ends behind is not counted. */
void
pgraft_wal_durable_end(XLogRecPtr from, XLogRecPtr limit, const PgraftHistory *history,
					   PgraftWalEnd *end)
{
	find_end(from, limit, history, false, end);
}

/*
 * The first record that begins in a segment or behind it, before "end"; if there is
 * none, that of the segment before: a record may fill several.
 */
static XLogRecPtr
record_before(XLogReaderState *reader, XLogRecPtr end)
{
	XLogRecPtr	segment = end - 1 - XLogSegmentOffset(end - 1, wal_segment_size);

	for (;;)
	{
		XLogRecPtr	found = XLogFindNextRecord(reader, segment);

		if (found != InvalidXLogRecPtr && found < end)
			return found;
		if (found == InvalidXLogRecPtr || segment <= (XLogRecPtr) wal_segment_size)
			return InvalidXLogRecPtr;
		segment -= wal_segment_size;
	}
}

/*
 * Is there a record that ends at an LSN, on that timeline of a history?  There is only
 * if WAL can be read record by record to there, and no further than to "limit", where
 * what this server has flushed ends.
 */
PgraftEnding
pgraft_wal_record_ending(XLogRecPtr end, TimeLineID tli, const PgraftHistory *history,
						 XLogRecPtr limit, PgraftWalRecord *record)
{
	XLogReaderState *reader;
	PgraftWalEnd found;

	memset(record, 0, sizeof(*record));
	if (end == 0 || end > limit ||
		history->branches[pgraft_history_owner(history, end - 1)].tli != tli)
		return PGRAFT_WAL_NOT_THERE;
	reader = pgraft_wal_open(history, false);
	PG_TRY();
	{
		XLogRecPtr	from = record_before(reader, end);

		if (from != InvalidXLogRecPtr)
			read_on(reader, from, end, PG_UINT64_MAX, history, &found, record);
	}
	PG_FINALLY();
	{
		pgraft_wal_close(reader);
	}
	PG_END_TRY();
	if (record->end == 0)
		return PGRAFT_WAL_NOT_THERE;
	if (record->end == end)
		return PGRAFT_RECORD_ENDS;
	memset(record, 0, sizeof(*record));
	return PGRAFT_NO_RECORD_ENDS;
}

/*
 * The sum over all records from where one begins to where one ends; false: they are not
 * all there.
 */
bool
pgraft_wal_sum(XLogRecPtr from, XLogRecPtr end, const PgraftHistory *history, pg_crc32c *sum)
{
	XLogReaderState *reader = pgraft_wal_open(history, false);
	PgraftWalRecord reached;
	PgraftWalEnd found;

	PG_TRY();
	{
		read_on(reader, from, end, PG_UINT64_MAX, history, &found, &reached);
	}
	PG_FINALLY();
	{
		pgraft_wal_close(reader);
	}
	PG_END_TRY();
	*sum = reached.sum;
	FIN_CRC32C(*sum);
	return reached.end == end;
}

/*
 * Is there WAL of a history's last timeline: a whole record where it begins?  It has to
 * follow the record that ends there on the parent.
 */
bool
pgraft_wal_begins(const PgraftHistory *history, PgraftWalRecord *first)
{
	XLogRecPtr	begin = history->branches[history->n - 1].begin;
	XLogReaderState *reader;
	volatile bool begins = false;

	memset(first, 0, sizeof(*first));
	if (begin == 0)
		return false;
	reader = pgraft_wal_open(history, false);
	PG_TRY();
	{
		char	   *error;
		XLogRecord *read;

		XLogBeginRead(reader, begin);
		read = XLogReadRecord(reader, &error);
		if (read != NULL)
		{
			note_record(first, read, reader, history);
			XLogBeginRead(reader, read->xl_prev);
			read = XLogReadRecord(reader, &error);
			begins = read != NULL && reader->EndRecPtr == begin;
		}
	}
	PG_FINALLY();
	{
		pgraft_wal_close(reader);
	}
	PG_END_TRY();
	if (!begins)
		memset(first, 0, sizeof(*first));
	return begins;
}
