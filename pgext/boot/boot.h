/*
 * boot.h
 *		How a server that fails over starts: as a standby, whose data is what it was,
 *		or not at all.  And what its host remembers from there on, in shared memory.
 *
 *		boot_rules.c	what a boot does by what it finds
 *		notes.c			the host's notes, from text and back
 *		note_files.c	the files that hold them
 *		boot.c			what a boot finds; what the rules say, carried out
 *		rejoin.c		the server makes way for what makes its data anew
 *		memory.c		what the host remembers
 *
 * Uses base, engine, settings, server and fence.
 */
#ifndef PGRAFT_BOOT_H
#define PGRAFT_BOOT_H

#include "base/base.h"

#include "boot/boot_rules.h"
#include "boot/notes.h"
#include "engine/engine.h"
#include "server/server.h"

/* note_files.c */
extern void pgraft_notes_load(PgraftNotes *notes, bool *store_lost);
extern void pgraft_data_note_save(const PgraftDataNote *note);

/* boot.c */
extern bool pgraft_boot_takes_part(void);
extern void pgraft_boot(void);

/* rejoin.c */
extern char *pgraft_rejoin_marker_path(void);
extern bool pgraft_boot_is_there(const char *path);
extern bool pgraft_rejoin_is_marked(void);
extern void pgraft_rejoin_begin(const char *marker, size_t len);
extern void pgraft_rejoin_go(void);

/* memory.c */
extern Size pgraft_memory_size(void);
extern void pgraft_memory_attach(void);
extern void pgraft_memory_get(PgraftMemory *memory);
extern void pgraft_memory_set(const PgraftMemory *memory);
extern void pgraft_memory_stream_ended(bool lacks, bool ended);
extern void pgraft_wal_end_get(PgraftWalRecord *last);
extern void pgraft_wal_end_set(const PgraftWalRecord *last);

#endif							/* PGRAFT_BOOT_H */
