/*
 * The functions of pgext/server as SQL functions, and its hooks in a preloaded library:
 * server_test.go builds it and says what they have to return.
 *
 * A history is written TIMELINE@LSN,TIMELINE@LSN, the oldest first.
 */
#include "postgres.h"

#include "access/xlogdefs.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/pg_lsn.h"

#include "server/server.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static bool failover;
static char *cut;				/* HISTORY END: zeros from there on, at a boot */

static shmem_request_hook_type prev_request;
static shmem_startup_hook_type prev_startup;
/* libpq/auth.h wants headers that a server's development package does not bring */
typedef void (*authentication_hook) (struct Port *, int);
extern PGDLLIMPORT authentication_hook ClientAuthentication_hook;
static authentication_hook prev_authentication;

static PgraftHistory
parse_history(char *text)
{
	PgraftHistory h = {0, palloc(64 * sizeof(PgraftBranch))};

	for (char *part = strtok(text, ","); part != NULL; part = strtok(NULL, ","))
	{
		uint32		tli,
					high,
					low;

		if (sscanf(part, "%u@%X/%X", &tli, &high, &low) != 3 || h.n == 64)
			elog(ERROR, "\"%s\" is no branch", part);
		h.branches[h.n].tli = tli;
		h.branches[h.n++].begin = (uint64) high << 32 | low;
	}
	if (h.n == 0)
		elog(ERROR, "an empty history");
	return h;
}

static PgraftHistory
history_arg(Datum arg)
{
	return parse_history(text_to_cstring(DatumGetTextPP(arg)));
}

static Datum
record_text(const PgraftWalRecord *r, const char *more)
{
	return PointerGetDatum(cstring_to_text(psprintf("%X/%X %X/%X %08x %u%s",
													LSN_FORMAT_ARGS(r->start), LSN_FORMAT_ARGS(r->end),
													r->crc, r->tli, more)));
}

#define FUNCTION(name) \
	PG_FUNCTION_INFO_V1(name); \
	Datum name(PG_FUNCTION_ARGS)

FUNCTION(server_valid_end)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(1));
	PgraftWalEnd end;

	pgraft_wal_valid_end(PG_GETARG_LSN(0), &h, PG_GETARG_BOOL(2), &end);
	return record_text(&end.last, psprintf(" %llu %s: %s", (unsigned long long) end.records,
										   end.half ? "half" : "whole", end.why));
}

FUNCTION(server_record_ending)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(2));
	PgraftWalRecord record;

	switch (pgraft_wal_record_ending(PG_GETARG_LSN(0), PG_GETARG_INT32(1), &h, PG_GETARG_LSN(3), &record))
	{
		case PGRAFT_RECORD_ENDS:
			return record_text(&record, "");
		case PGRAFT_NO_RECORD_ENDS:
			PG_RETURN_TEXT_P(cstring_to_text("none ends"));
		case PGRAFT_WAL_NOT_THERE:
			break;
	}
	PG_RETURN_TEXT_P(cstring_to_text("not there"));
}

FUNCTION(server_sum)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(2));
	pg_crc32c	sum;

	if (!pgraft_wal_sum(PG_GETARG_LSN(0), PG_GETARG_LSN(1), &h, &sum))
		PG_RETURN_TEXT_P(cstring_to_text("none"));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%08x", sum)));
}

FUNCTION(server_durable_end)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(2));
	PgraftWalEnd end;

	pgraft_wal_durable_end(PG_GETARG_LSN(0), PG_GETARG_LSN(1), &h, &end);
	return record_text(&end.last, "");
}

FUNCTION(server_first)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(0));
	PgraftWalRecord first;

	if (!pgraft_wal_begins(&h, &first))
		PG_RETURN_TEXT_P(cstring_to_text("none"));
	return record_text(&first, "");
}

FUNCTION(server_hole)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(0));

	PG_RETURN_BOOL(pgraft_wal_hole(&h, PG_GETARG_LSN(1)));
}

FUNCTION(server_history)
{
	PgraftHistory h;
	StringInfoData text;

	initStringInfo(&text);
	if (!pgraft_history_read(PG_GETARG_INT32(0), &h))
		appendStringInfoString(&text, "no file: ");
	for (int i = 0; i < h.n; i++)
		appendStringInfo(&text, "%s%u@%X/%X", i == 0 ? "" : ",", h.branches[i].tli, LSN_FORMAT_ARGS(h.branches[i].begin));
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}

FUNCTION(server_history_write)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(0));

	pgraft_history_write_all(&h, PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

FUNCTION(server_last_timeline)
{
	PG_RETURN_INT32(pgraft_last_timeline(pgraft_control()));
}

FUNCTION(server_put_aside)
{
	pgraft_timeline_put_aside(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

/* The highest timeline that has a history file, 1 if none has. */
static TimeLineID
highest(void)
{
	TimeLineID *timelines;
	TimeLineID	max = 1;

	for (int i = pgraft_timelines_with_history(&timelines); i > 0; i--)
		max = Max(max, timelines[i - 1]);
	return max;
}

FUNCTION(server_highest)
{
	PG_RETURN_INT32(highest());
}

FUNCTION(server_sources_end)
{
	PG_RETURN_INT32(pgraft_sources_end());
}

FUNCTION(server_sources_ended)
{
	PG_RETURN_BOOL(pgraft_sources_ended(PG_GETARG_INT32(0)));
}

FUNCTION(server_stream)
{
	PG_RETURN_INT32(pgraft_stream_from(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

FUNCTION(server_promote)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(0));

	pgraft_promote(&h);
	PG_RETURN_VOID();
}

FUNCTION(server_promotion_ended)
{
	PgraftHistory h = history_arg(PG_GETARG_DATUM(0));

	pgraft_promotion_ended(&h);
	PG_RETURN_VOID();
}

FUNCTION(server_reserve)
{
	pgraft_history_reserve(PG_GETARG_INT32(0), PG_GETARG_INT32(1));
	PG_RETURN_VOID();
}

FUNCTION(server_restart)
{
	pgraft_restart_in_place();
	PG_RETURN_VOID();
}

FUNCTION(server_set)
{
	PgraftSetting setting = {text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))};

	PG_RETURN_INT32(pgraft_auto_conf_write(&setting, 1));
}

/* Who has the settings of a number: the startup process, the checkpointer, all walsenders. */
FUNCTION(server_in_force)
{
	PgraftLook	look;
	uint32		number = PG_GETARG_INT32(0);

	pgraft_look_at_senders(&look);
	pgraft_look_at_positions(&look);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%c%c%c", pgraft_in_force_startup(number) ? 't' : 'f',
											  pgraft_in_force_checkpointer(number) ? 't' : 'f',
											  pgraft_in_force_senders(&look, number) ? 't' : 'f')));
}

FUNCTION(server_look)
{
	PgraftLook	l;
	StringInfoData text;

	pgraft_look_at_senders(&l);
	pgraft_look_at_positions(&l);
	initStringInfo(&text);
	appendStringInfo(&text, "recovery=%d hot_standby=%d promote_file=%d promotes=%d paused=%d inserted=%X/%X receives=%d replayed=%X/%X@%u received=%X/%X flushed=%X/%X@%u",
					 l.recovery, l.hot_standby, l.promote_file, l.promotes, l.paused, LSN_FORMAT_ARGS(l.inserted), l.receives, LSN_FORMAT_ARGS(l.replayed), l.replayed_tli,
					 LSN_FORMAT_ARGS(l.received), LSN_FORMAT_ARGS(l.flushed), l.flushed_tli);
	appendStringInfo(&text, " state=%d checkpoint=%X/%X@%u redo=%X/%X min_recovery=%X/%X@%u backup_start=%X/%X end_required=%d system=%llu backup_label=%d waits=%d",
					 l.state, LSN_FORMAT_ARGS(l.checkpoint), l.checkpoint_tli, LSN_FORMAT_ARGS(l.redo), LSN_FORMAT_ARGS(l.min_recovery), l.min_recovery_tli,
					 LSN_FORMAT_ARGS(l.backup_start), l.backup_end_required, (unsigned long long) l.system_identifier, l.backup_label, l.waits);
	appendStringInfo(&text, " conninfo=%s restore_command=%s", l.conninfo, l.restore_command);
	for (int i = 0; i < l.n; i++)
		appendStringInfo(&text, " sender=%d/%s/%s/%s/%X-%X", (int) l.senders[i].pid, l.senders[i].name, l.senders[i].slot,
						 l.senders[i].streams ? "streams" : "catches up", LSN_FORMAT_ARGS(l.senders[i].flushed));
	pgraft_look_free(&l);
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}

static void
request(void)
{
	if (prev_request)
		prev_request();
	RequestAddinShmemSpace(pgraft_in_force_size());
}

static void
cut_wal(void)
{
	char	   *history = pstrdup(cut);
	char	   *end = strchr(history, ' ');
	PgraftHistory h;

	if (end == NULL)
		return;
	*end++ = '\0';
	h = parse_history(history);
	pgraft_wal_cut(&h, DatumGetLSN(DirectFunctionCall1(pg_lsn_in, CStringGetDatum(end))));
}

/* A boot: the end of WAL is found once what leads nowhere is put aside. */
static void
boot(void)
{
	ControlFileData *control = pgraft_control();
	TimeLineID	last = pgraft_last_timeline(control);
	PgraftHistory h;
	PgraftWalEnd end;

	pgraft_boot_obstacle(control, FATAL);
	for (TimeLineID tli = highest(); tli > last; tli--)
		pgraft_timeline_put_aside(tli);
	pgraft_history_read(last, &h);
	pgraft_wal_valid_end(control->checkPointCopy.redo, &h, true, &end);
	ereport(LOG, (errmsg("server_test: WAL of timeline %u ends at %X/%X, a segment is missing: %d",
						 end.last.tli, LSN_FORMAT_ARGS(end.last.end), pgraft_wal_hole(&h, end.last.end))));
	pgraft_boot_as_standby();
}

static void
startup(void)
{
	if (prev_startup)
		prev_startup();
	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		cut_wal();
	if (failover && IsPostmasterEnvironment && !IsUnderPostmaster)
		boot();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pgraft_in_force_attach();
	LWLockRelease(AddinShmemInitLock);
}

static void
authenticated(struct Port *port, int status)
{
	if (prev_authentication)
		prev_authentication(port, status);
	pgraft_in_force_inherited();
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomBoolVariable("server_test.failover", "", NULL, &failover, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("server_test.cut", "", NULL, &cut, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	pgraft_in_force_define();
	prev_request = shmem_request_hook;
	shmem_request_hook = request;
	prev_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	prev_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = authenticated;
}
