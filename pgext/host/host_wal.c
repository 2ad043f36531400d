/*
 * host_wal.c
 *		Where this server's WAL ends, and which record of it ends somewhere.
 *
 * The end is looked for from the last record on that was found: by the look before, by
 * that of an engine before, or by the boot (pgraft_wal_end_get).  All of it is durable: what
 * a walreceiver brings counts once that has flushed it, and what nobody is at work on is
 * synced here.
 *
 * Nothing here is shared.
 */
#include "host/host.h"

#include "access/xlog.h"

#include "boot/boot.h"

/* What was proven last: the sum is over the records between the two. */
static struct
{
	XLogRecPtr	from;
	PgraftWalRecord last;
	pg_crc32c	sum;
}			proven;

/* A history, as engine.h has it. */
const PgraftFork *
pgraft_host_forks(const PgraftHistory *history)
{
	PgraftFork *forks = palloc(history->n * sizeof(PgraftFork));

	for (int i = 0; i < history->n; i++)
	{
		forks[i].timeline = history->branches[i].tli;
		forks[i].begin = history->branches[i].begin;
	}
	return forks;
}

static void
find_end(XLogRecPtr from, XLogRecPtr durable, const PgraftLook *look,
		 const PgraftHistory *history, PgraftWalEnd *end)
{
	if (look->receives)
		pgraft_wal_durable_end(from, durable, history, end);
	else
		pgraft_wal_valid_end(from, history, true, end);
}

/* From where pg_control's checkpoint began on nobody has compared this server's WAL. */
static void
prove_all(XLogRecPtr redo, const PgraftWalRecord *last, const PgraftHistory *history,
		  PgraftEvidence *evidence)
{
	if (proven.from != redo || memcmp(&proven.last, last, offsetof(PgraftWalRecord, sum)) != 0)
	{
		proven.from = InvalidXLogRecPtr;
		if (!pgraft_wal_sum(redo, last->end, history, &proven.sum))
			return;
		proven.from = redo;
		proven.last = *last;
	}
	evidence->from = redo;
	evidence->sum = proven.sum;
}

/* The end of a standby's WAL, and the last timeline that there is WAL of. */
void
pgraft_host_end(bool prove, const PgraftLook *look, PgraftSeen *seen)
{
	ControlFileData *control = pgraft_control();
	PgraftHistory history;
	PgraftHistory its;
	PgraftWalRecord known;
	PgraftWalEnd end;
	XLogRecPtr	from;

	seen->last = pgraft_last_timeline(control);
	pfree(control);
	pgraft_history_read(seen->last, &history);
	pgraft_wal_end_get(&known);
	from = known.start != 0 ? known.start : look->redo;
	find_end(from, Max(look->flushed, known.end), look, &history, &end);
	if (end.records == 0 && from != look->redo)
		find_end(look->redo, Max(look->flushed, known.end), look, &history, &end);
	known = end.last;
	pgraft_wal_end_set(&known);

	seen->half = end.half;
	seen->end_timeline = end.records > 0 ? end.last.tli : seen->last;
	seen->record.lsn = end.last.end;
	seen->record.crc = end.last.crc;
	if (prove && end.records > 0)
		prove_all(look->redo, &end.last, &history, &seen->record);
	pgraft_history_read(seen->end_timeline, &its);
	seen->nhistory = its.n;
	seen->history = pgraft_host_forks(&its);
}

/*
 * The record of this primary's WAL that ends at an LSN, on a timeline; false: up to there
 * its WAL cannot be read.  If from is an LSN, what is found says so only if all records
 * from there on are there.
 */
bool
pgraft_host_look_up(TimeLineID tli, XLogRecPtr lsn, XLogRecPtr from, PgraftEvidence *ends)
{
	PgraftHistory history;
	PgraftWalRecord record;
	PgraftEnding ending;
	TimeLineID	own;
	XLogRecPtr	flushed;
	pg_crc32c	sum;

	if (RecoveryInProgress())
		return false;
	flushed = GetFlushRecPtr(&own);
	pgraft_history_read(own, &history);
	ending = pgraft_wal_record_ending(lsn, tli, &history, flushed, &record);
	if (ending == PGRAFT_RECORD_ENDS)
	{
		ends->lsn = record.end;
		ends->crc = record.crc;
		if (from != 0 && from < lsn && pgraft_wal_sum(from, lsn, &history, &sum))
		{
			ends->from = from;
			ends->sum = sum;
		}
	}
	return ending != PGRAFT_WAL_NOT_THERE;
}
