/*
 * boot.c
 *		A boot: what is found of the server's data, before recovery looks at it, and
 *		what the rules say of it, carried out.
 *
 * In the postmaster, from shmem_startup_hook: at the server's start, and in each restart
 * in place.  What is found here recovery takes away: backup_label is renamed, pg_control
 * says recovery from then on.
 *
 * No Go is there, and no engine yet.  Who ends half way, by an error or as the machine
 * does, begins again at the next start.
 */
#include "boot/boot.h"


#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "utils/memutils.h"

#include "fence/fence.h"
#include "settings/settings.h"

/* What one look finds, and what that rests on. */
typedef struct Look
{
	PgraftAtBoot at;
	PgraftHistory history;		/* of the last timeline */
	PgraftWalEnd end;
} Look;

/* In production, or stopped as a primary: no standby leaves pg_control so. */
static bool
was_primary(const ControlFileData *control)
{
	return control->state == DB_IN_PRODUCTION || control->state == DB_SHUTDOWNED ||
		control->state == DB_SHUTDOWNING || control->state == DB_IN_CRASH_RECOVERY;
}

/* A backup that was restored, of which no end was replayed. */
static bool
is_backup(const ControlFileData *control)
{
	return pgraft_boot_is_there(BACKUP_LABEL_FILE) || control->backupEndRequired ||
		control->backupStartPoint != InvalidXLogRecPtr;
}

static void
look_at_data(Look *look)
{
	ControlFileData *control = pgraft_control();
	TimeLineID *histories;
	XLogRecPtr	redo = control->checkPointCopy.redo;

	memset(look, 0, sizeof(*look));
	look->at.marker = pgraft_rejoin_is_marked();
	look->at.lowered = pgraft_boot_obstacle(control, DEBUG1);
	look->at.label = is_backup(control);
	look->at.was_primary = was_primary(control);
	look->at.min_recovery = control->minRecoveryPoint;
	look->at.last = pgraft_last_timeline(control);
	look->at.nhistories = pgraft_timelines_with_history(&histories);
	look->at.histories = histories;
	(void) pgraft_history_read(look->at.last, &look->history);
	pgraft_wal_valid_end(redo, &look->history, true, &look->end);
	look->at.end_timeline = look->end.last.tli;
	look->at.end_lsn = look->end.last.end;
	look->at.hole = pgraft_wal_hole(&look->history, Max(look->end.last.end, redo + 1));
	pfree(control);
}

static void
carry_out(const PgraftBooting *booting, const PgraftNotes *notes, const Look *look)
{
	if (booting->note_data)
		pgraft_data_note_save(&notes->data);
	if (booting->remove)
		for (size_t i = 0; i < look->at.nhistories; i++)
			if (look->at.histories[i] > look->at.last)
				pgraft_timeline_put_aside(look->at.histories[i]);
	if (booting->cut != 0)
		pgraft_wal_cut(&look->history, booting->cut);
	if (booting->note_cut)
		pgraft_data_note_save(&notes->data);
	if (booting->as_standby)
		pgraft_boot_as_standby();
}

static void
refuse_rejoin(void)
{
	char	   *path = pgraft_rejoin_marker_path();

	ereport(FATAL,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pgraft: the data of this server was being made anew, and that has not ended"),
			 errdetail("File \"%s\" says so. The data directory may hold pages of two servers, and would show wrong data.", path),
			 errhint("Set \"pgraft.rejoin\" to clone, and have the program \"pgraft\" installed; or make the data directory anew from the primary, with pg_basebackup, and remove that file. Then start the server.")));
}

/* As failover.Doubt's String. */
static const char *
doubt_text(PgraftDoubt doubt)
{
	switch (doubt)
	{
		case PGRAFT_DOUBT_BEFORE:
			return "its data was not what it had been at a start before, and has not been made anew since";
		case PGRAFT_DOUBT_FOREIGN:
			return "its data directory is not the one of its last start: it is older, or a copy of another one";
		case PGRAFT_DOUBT_BACKUP:
			return "its data directory was restored from a base backup";
		case PGRAFT_DOUBT_SHORT:
			return "its WAL ends before its minimum recovery point";
		case PGRAFT_DOUBT_BELOW:
			return "its WAL ends before a place that it had on disk";
		case PGRAFT_DOUBT_HOLE:
			return "a segment of its WAL is missing";
		case PGRAFT_DOUBT_STORE:
			return "its Raft store has lost data, so that nothing says what its data was";
		case PGRAFT_NO_DOUBT:
		case PGRAFT_DOUBTS:
			break;
	}
	return "its data is what it was";
}

/* Why this standby may serve less than another one, for its log. */
static void
report(const PgraftNotes *notes, const PgraftBootVerdict *verdict)
{
	if (!pgraft_failover)
		ereport(LOG,
				(errmsg("pgraft: this server takes part in failover, and \"pgraft.failover\" is off"),
				 errdetail("It shows no data and takes no writes."),
				 errhint("Set \"pgraft.failover\" to on and restart the server.")));
	if (!verdict->joined)
		ereport(LOG,
				(errmsg("pgraft: only file \"%s\" in %s says that this server takes part in failover",
						notes->data.joined ? PGRAFT_DATA_FILE : PGRAFT_STORE_FILE,
						notes->data.joined ? "the data directory" : "pgraft.data_dir"),
				 errdetail("It shows no data and takes no writes: its Raft store was lost, or its data directory was copied or edited."),
				 notes->data.joined ?
				 errhint("If this is a copy that is to take no part, remove that file and standby.signal; else remove this member and make its data anew.") :
				 errhint("Make its data anew from the primary, with pg_basebackup.")));
	if (verdict->doubt != PGRAFT_NO_DOUBT)
		ereport(LOG,
				(errmsg("pgraft: this server's data may be less than what it has acknowledged: %s",
						doubt_text(verdict->doubt == PGRAFT_DOUBT_BEFORE ? (PgraftDoubt) notes->data.doubt : verdict->doubt))));
	if (verdict->damage == PGRAFT_DAMAGE_UNGUARDED)
		ereport(LOG,
				(errmsg("pgraft: this server was started as a primary without pgraft, and will be quarantined")));
}

/*
 * Does the server take part in failover, by its setting or by what is on its disk?
 * Asked once, as the library is loaded.
 */
bool
pgraft_boot_takes_part(void)
{
	PgraftNotes notes;
	bool		lost;

	if (pgraft_rejoin_is_marked())
		return true;			/* the notes may be another server's */
	pgraft_notes_load(&notes, &lost);
	return pgraft_failover || !pgraft_notes_are_out(&notes);
}

static void
boot_by_rules(void)
{
	PgraftNotes notes;
	PgraftMemory memory;
	PgraftBooting booting;
	Look		look;
	bool		store_lost;

	if (pgraft_rejoin_is_marked())
		pgraft_rejoin_go();
	pgraft_notes_load(&notes, &store_lost);
	if (pgraft_notes_are_out(&notes) && !pgraft_rejoin_is_marked())
		return;
	do
	{
		look_at_data(&look);
		look.at.store_lost = store_lost;
		if (look.at.label && pgraft_awaits_source(&notes.data))
		{
			/* what made the data anew left it; pg_control is the source's */
			look.at.label = 0;
			look.at.was_primary = 0;
		}
		booting = pgraft_boot_step(&notes, &look.at);
		carry_out(&booting, &notes, &look);
	} while (booting.again);

	if (booting.verdict.role == PGRAFT_BOOT_REJOIN)
		refuse_rejoin();
	if (booting.verdict.role == PGRAFT_BOOT_REFUSED)
		(void) pgraft_boot_obstacle(pgraft_control(), FATAL);
	report(&notes, &booting.verdict);
	pgraft_fence_unknown();
	memset(&memory, 0, sizeof(memory));
	memory.damage = booting.verdict.damage;
	pgraft_memory_set(&memory);
	pgraft_wal_end_set(&look.end.last);
}

/* With what it needs in shared memory attached, but pgraft_in_force_attach. */
void
pgraft_boot(void)
{
	MemoryContext boot;
	MemoryContext before;

	/* postgres --single recovers by itself, and pg_upgrade's servers write */
	if (!IsPostmasterEnvironment || IsUnderPostmaster || IsBinaryUpgrade)
		return;
	boot = AllocSetContextCreate(CurrentMemoryContext, "pgraft boot", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(boot);
	boot_by_rules();
	MemoryContextSwitchTo(before);
	MemoryContextDelete(boot);
}
