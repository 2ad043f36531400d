/*
 * host_look.c
 *		A look at this server, in the order that core/failover/host asks for (Seen).
 *
 * Whoever looks first after a promotion has ended sees to what waited for that: the
 * history files of the numbers that were not used, and where the new timeline's first
 * record ends.
 *
 * Nothing here is shared.
 */
#include "host/host.h"

#include "access/xlog.h"
#include "replication/walsender.h"

#include "boot/boot.h"
#include "fence/fence.h"

static void
look_at_senders(PgraftSeen *seen)
{
	PgraftSender *found = palloc(Max(max_wal_senders, 1) * sizeof(PgraftSender));
	int			n = pgraft_senders_get(found, max_wal_senders);
	PgraftSeenSender *senders = palloc(Max(n, 1) * sizeof(PgraftSeenSender));

	for (int i = 0; i < n; i++)
	{
		senders[i].token = found[i].token;
		senders[i].flushed = found[i].flushed;
	}
	seen->nsenders = n;
	seen->senders = senders;
}

/* The engine's memory says that this server was promoted, until this was done. */
static void
promotion_ended(const PgraftHistory *history)
{
	PgraftMemory memory;
	PgraftWalRecord first;

	pgraft_memory_get(&memory);
	if (memory.promoting == 0)
		return;
	pgraft_promotion_ended(history);
	if (!pgraft_wal_begins(history, &first))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the record that began timeline %u cannot be read", pgraft_history_last(history))));
	memory.promoting = 0;
	memory.fork = first.end;
	pgraft_memory_set(&memory);
	pgraft_host_checkpoint();	/* from before it, nobody can be rewound */
}

static void
look_at_primary(const PgraftLook *look, PgraftSeen *seen)
{
	PgraftHistory history;

	seen->inserted = look->inserted;
	seen->flushed = look->flushed;
	seen->timeline = seen->last = look->flushed_tli;
	pgraft_history_read(look->flushed_tli, &history);
	promotion_ended(&history);
	seen->nhistory = history.n;
	seen->history = pgraft_host_forks(&history);
}

static void
look_at_standby(bool prove, const PgraftLook *look, PgraftSeen *seen)
{
	TimeLineID *timelines;

	seen->promotes = look->promotes;
	seen->receives = look->receives;
	seen->source = look->conninfo[0] != '\0' || look->restore_command[0] != '\0';
	seen->replayed = look->replayed;
	seen->timeline = look->replayed_tli;
	seen->received = look->flushed;
	pgraft_next_timeline();
	pgraft_host_end(prove, look, seen);
	seen->nhistories = pgraft_timelines_with_history(&timelines);
	seen->histories = timelines;
}

/* names are those that have been put: see pgraft_host_names_in_force. */
void
pgraft_host_look(bool prove, const char *names, PgraftSeen *seen)
{
	PgraftLook	look;

	pgraft_look_at_senders(&look);
	look_at_senders(seen);
	seen->names_in_force = pgraft_host_names_in_force(&look, names);
	seen->commits = pgraft_commits_under_way() > 0;
	pgraft_look_at_positions(&look);
	seen->recovery = look.recovery;
	seen->stopping = pgraft_server_is_stopping();
	seen->promote_file = look.promote_file;
	seen->redo = look.redo;
	seen->min_recovery = look.min_recovery;
	seen->backup_start = look.backup_start;
	seen->consistent = look.recovery && look.backup_start == InvalidXLogRecPtr && look.replayed >= look.min_recovery;
	if (look.recovery)
		look_at_standby(prove, &look, seen);
	else
		look_at_primary(&look, seen);
	pgraft_look_free(&look);
}
