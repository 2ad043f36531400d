/*
 * apply_log.c
 *		The apply worker's talk with the engine: what follows in the log, and
 *		what of it this database still needs.
 *
 * The engine drops nothing that this database has not certainly on disk: commits are not flushed here, so
 * the progress counts only once WAL is flushed behind it.
 *
 * Nothing here is shared; the statics are the worker's own.
 */
#include "apply_worker/apply_worker.h"

#include "access/xlog.h"

#include "settings/settings.h"
#include "shmem/shmem.h"

/* How long the engine may keep the worker waiting for entries. */
#define PGRAFT_APPLY_POLL_MS		30000

/* At most this often the engine is told what it may drop. */
#define PGRAFT_APPLY_RETAIN_MS		5000

volatile uint64 pgraft_apply_at_index = 0;

/*
 * What which engine has been told to keep, and until when that will do; -1 =
 * nothing yet.
 */
static int64 retained = -1;
static bool retained_importable;
static uint32 retained_by;
static PgraftDeadline retained_until;

/* Progress that is on disk once WAL is flushed up to unflushed_lsn; 0 = none. */
static uint64 unflushed_index;
static XLogRecPtr unflushed_lsn;

/*
 * Has the engine keep the log from index on; 0 = this database needs none.
 * importable says that another node's exported state would do as well.
 */
void
pgraft_apply_retain(int64 index, bool importable)
{
	PgraftCall	call = {.op = PGRAFT_OP_APPLY_RETAIN,.args.index = index,.args.importable = importable};
	PgraftRows	rows;
	uint32		engine = pg_atomic_read_u32(&pgraft_shared->engine_generation);

	if (index == 0)
		unflushed_lsn = InvalidXLogRecPtr;
	if (engine != retained_by || importable != retained_importable)
		retained = -1;			/* a new engine keeps everything */
	if (index == retained)
		return;
	if (retained > 0 && index > 0 &&
		pgraft_remaining_ms(retained_until) > 0)
		return;
	if (!pgraft_apply_ask_rows(&call, &rows))
		return;
	retained = index;
	retained_importable = importable;
	retained_by = engine;
	retained_until = pgraft_deadline_in(PGRAFT_APPLY_RETAIN_MS);
}

/* Everything up to the session's index is done with; on disk it is later. */
void
pgraft_apply_retain_after(const PgraftApplySession *session)
{
	bool		importable = session->import != NULL;

	if (unflushed_lsn == InvalidXLogRecPtr)
	{
		unflushed_index = session->index;
		unflushed_lsn = GetXLogInsertRecPtr();
	}
	if (GetFlushRecPtr(NULL) >= unflushed_lsn)
	{
		unflushed_lsn = InvalidXLogRecPtr;
		pgraft_apply_retain((int64) unflushed_index + 1, importable);
	}
	else if (retained <= 0)
		pgraft_apply_retain(1, importable); /* the engine may cut the log just
											 * now */
}

static uint64
take_number(PgraftRows *rows)
{
	size_t		len;
	char	   *value = pgraft_reply_value(rows, &len);

	if (value == NULL)
		elog(ERROR, "the pgraft engine answered NULL for a number");
	return strtou64(value, NULL, 10);
}

/* Entries up to missing are in no log. */
static void
report_missing(const PgraftApplySession *session, uint64 missing)
{
	pgraft_apply_at_index = missing;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("entries " UINT64_FORMAT " to " UINT64_FORMAT " are no longer in the log of any node",
					session->index + 1, missing),
			 session->import == NULL ?
			 errdetail("They were not applied to database \"%s\".", pgraft_database) :
			 errdetail("They were not applied to database \"%s\", and no node that can be reached exports its state.", pgraft_database),
			 errhint("Restore a dump of that database from another node, which brings its progress along, and register the function again. To do without these entries, run pgraft_apply_skip(" UINT64_FORMAT ").",
					 missing)));
}

/* The log is another cluster's than the progress. */
static void
check_progress(PgraftApplySession *session, PgraftProgress progress,
			   uint64 recovered, const char *cluster)
{
	switch (progress)
	{
		case PGRAFT_PROGRESS_OWN:
			break;
		case PGRAFT_PROGRESS_RECOVERED:
			pgraft_apply_recovered(session, cluster);
			break;
		case PGRAFT_PROGRESS_AHEAD:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the tables of database \"%s\" hold entries that were lost with the majority", pgraft_database),
					 errdetail("They hold entries up to " UINT64_FORMAT " of cluster %s. This node's log ended at entry " UINT64_FORMAT " when it recovered that cluster, as %s.",
							   session->index, session->cluster, recovered - 1, cluster),
					 errhint("To apply this cluster's log from its beginning, empty the tables that the apply function writes and pgraft.apply_progress in one transaction. Or restore a dump of this database that has applied entry " UINT64_FORMAT " at most.",
							 recovered - 1)));
			break;
		case PGRAFT_PROGRESS_OTHER:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the tables of database \"%s\" belong to another pgraft cluster", pgraft_database),
					 errdetail("pgraft.apply_progress has cluster %s; this node is a member of %s.",
							   session->cluster, cluster),
					 errhint("To apply this cluster's log from its beginning, empty the tables that the apply function writes and pgraft.apply_progress in one transaction.")));
			break;
	}
}

/*
 * Reads the header rows of a reply.  If no member has what follows the
 * progress, another node's exported state has to do, or there is an error.
 */
static PgraftNext
check_log(PgraftApplySession *session, PgraftRows *rows)
{
	uint64		missing = take_number(rows);
	size_t		len;
	char	   *cluster;
	PgraftProgress progress;
	uint64		recovered;

	(void) take_number(rows);
	cluster = pgraft_reply_value(rows, &len);
	if (cluster == NULL)
		return PGRAFT_NEXT_NO_MEMBER;
	progress = (PgraftProgress) take_number(rows);
	recovered = take_number(rows);
	(void) pgraft_reply_value(rows, &len);
	if (session->cluster == NULL)
		pgraft_apply_begin(session, cluster);
	else
		check_progress(session, progress, recovered, cluster);
	if (take_number(rows) != 0)
		pgraft_apply_export(session);
	(void) pgraft_reply_value(rows, &len);
	(void) pgraft_reply_value(rows, &len);
	if (missing == 0)
		return PGRAFT_NEXT_ENTRIES;
	if (session->import == NULL || !pgraft_apply_import(session))
		report_missing(session, missing);
	return PGRAFT_NEXT_DISTURBED;
}

/* Waits for entries after the session's progress; rows are then open at them. */
PgraftNext
pgraft_apply_next(PgraftApplySession *session, PgraftRows *rows)
{
	PgraftCall	call = {
		.op = PGRAFT_OP_APPLY_NEXT,
		.args.index = (int64) session->index,
		/* at first only a look, so that what is wrong shows at once */
		.args.wait_ms = session->asked ? PGRAFT_APPLY_POLL_MS : 0,
		.data = session->cluster,
		.len = session->cluster != NULL ? strlen(session->cluster) : 0,
		.timeout_ms = 2 * PGRAFT_APPLY_POLL_MS
	};

	if (!pgraft_apply_ask_rows(&call, rows))
		return PGRAFT_NEXT_DISTURBED;
	session->asked = true;
	return check_log(session, rows);
}

/* Applies the entries of a reply; false if there were none of a user. */
bool
pgraft_apply_rows(PgraftApplySession *session, PgraftRows *rows)
{
	uint64		index = 0;
	uint64		term = 0;
	bool		any = false;

	for (uint32 row = PGRAFT_NEXT_HEADER_ROWS; row < rows->nrows; row++)
	{
		size_t		len;
		const char *data;

		pgraft_apply_at_index = index = take_number(rows);
		term = take_number(rows);
		data = pgraft_reply_bytes(rows, &len);
		if (data != NULL)
		{
			pgraft_apply_entry(session, index, term, data, len);
			any = true;
		}
		if (pgraft_apply_is_disturbed())
			break;
	}
	/* Raft's own at the end cost no transaction each */
	if (index > session->index)
		pgraft_apply_entry(session, index, term, NULL, 0);
	pgraft_apply_at_index = 0;
	return any;
}
