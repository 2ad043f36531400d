/*
 * note_files.c
 *		The files that hold the host's notes: one in the data directory, which what
 *		copies that brings along, and one in the Raft store's, which it does not.
 *
 * In the postmaster.  The engine worker writes the data directory's, and the engine
 * the store's, while they run: never at the same time.
 */
#include "boot/boot.h"

#include <sys/stat.h>

#include "settings/settings.h"

static void
load_data(PgraftDataNote *note)
{
	size_t		len;
	char	   *text = pgraft_read_file(PGRAFT_DATA_FILE, &len);

	memset(note, 0, sizeof(*note));
	if (text == NULL)
		return;
	switch (pgraft_data_note_read(text, len, note))
	{
		case PGRAFT_NOTE_READ:
			pfree(text);
			return;
		case PGRAFT_NOTE_NO_MEMORY:
			ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
			break;
		case PGRAFT_NOTE_OTHER_VERSION:
			ereport(FATAL,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("pgraft: file \"%s\" was written by another version of pgraft", PGRAFT_DATA_FILE),
					 errdetail("It says whose WAL this server has. This version cannot read it."),
					 errhint("Install the version of pgraft that this server ran with.")));
			break;
		case PGRAFT_NOTE_DAMAGED:
			ereport(FATAL,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("pgraft: file \"%s\" is damaged", PGRAFT_DATA_FILE),
					 errdetail("It says whose WAL this server has. Nothing else does."),
					 errhint("Make this server's data anew from the primary, with pg_basebackup.")));
			break;
	}
}

/* Is the file there?  Who takes no part needs no Raft store that can be read. */
static bool
has_store_note(const char *path, bool takes_part)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return true;
	if (errno != ENOENT && takes_part)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("pgraft: could not stat file \"%s\": %m", path),
				 errdetail("It says whether this server takes part in failover, and how far its data reached."),
				 errhint("Make pgraft.data_dir readable, then start the server.")));
	return false;
}

static void
load_store(PgraftStoreNote *note, bool takes_part, bool *lost)
{
	char		dir[MAXPGPATH];
	char		path[MAXPGPATH + sizeof(PGRAFT_STORE_FILE) + 1];
	char	   *text;
	size_t		len;
	PgraftNoteFault fault;

	memset(note, 0, sizeof(*note));
	*lost = false;
	pgraft_settings_data_dir(dir);
	snprintf(path, sizeof(path), "%s/%s", dir, PGRAFT_STORE_FILE);
	if (!has_store_note(path, takes_part))
		return;
	text = pgraft_read_file(path, &len);
	if (text == NULL)
		return;
	fault = pgraft_store_note_read(text, len, note);
	pfree(text);
	if (fault == PGRAFT_NOTE_READ)
		return;
	if (fault == PGRAFT_NOTE_OTHER_VERSION)
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pgraft: file \"%s\" was written by another version of pgraft", path),
				 errdetail("It says how far this server's data reached. This version cannot read it."),
				 errhint("Install the version of pgraft that this server ran with.")));
	ereport(LOG, (errmsg("pgraft: file \"%s\" is damaged", path)));
	memset(note, 0, sizeof(*note));
	note->joined = 1;			/* it may have said so */
	*lost = true;
}

/* store_lost: the Raft store has lost data, as it has a note that cannot be read. */
void
pgraft_notes_load(PgraftNotes *notes, bool *store_lost)
{
	load_data(&notes->data);
	load_store(&notes->store, pgraft_failover || notes->data.joined, store_lost);
}

/* Durably. */
void
pgraft_data_note_save(const PgraftDataNote *note)
{
	size_t		len = pgraft_data_note_write(note, NULL, 0);
	char	   *text = palloc(len + 1);

	(void) pgraft_data_note_write(note, text, len + 1);
	pgraft_write_durably(PGRAFT_DATA_FILE, text, len);
	pfree(text);
}
