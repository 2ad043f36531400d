/*
 * notes.h
 *		What a server's host keeps on disk, as core/failover/host has it: notes.go says
 *		what each field means, and encode.go how it is written.  A part of boot.h, which
 *		includes it; it needs no PostgreSQL, so that a test of Go's compiles it alone.
 */
#ifndef PGRAFT_NOTES_H
#define PGRAFT_NOTES_H

#include <stddef.h>
#include <stdint.h>

/* As host.DataFile, in the data directory, and host.StoreFile, in the Raft store's. */
#define PGRAFT_DATA_FILE	"pgraft.failover"
#define PGRAFT_STORE_FILE	"FAILOVER"

/* Whose WAL a timeline is. */
typedef struct PgraftNote
{
	uint32_t	timeline;
	uint64_t	epoch;
} PgraftNote;

/* host.Data.  The arrays are of malloc. */
typedef struct PgraftDataNote
{
	uint32_t	joined;			/* 0 or 1 */
	uint32_t	joined_on;
	uint64_t	sealed;
	uint64_t	cut;
	uint64_t	anew;
	uint64_t	nonce;
	uint32_t	doubt;			/* PgraftDoubt */
	uint32_t	unguarded;		/* 0 or 1 */
	size_t		nnotes;
	PgraftNote *notes;
	size_t		nwrote;
	uint32_t   *wrote;
} PgraftDataNote;

/* host.Store */
typedef struct PgraftStoreNote
{
	uint32_t	joined;			/* 0 or 1 */
	uint64_t	boot;
	uint64_t	nonce;
	uint64_t	next_nonce;
	uint64_t	floor_epoch;
	uint64_t	floor_lsn;
} PgraftStoreNote;

typedef enum PgraftNoteFault
{
	PGRAFT_NOTE_READ = 0,		/* no fault */
	PGRAFT_NOTE_DAMAGED,
	PGRAFT_NOTE_OTHER_VERSION,
	PGRAFT_NOTE_NO_MEMORY
} PgraftNoteFault;

/* text has len bytes, and a 0 behind them */
extern PgraftNoteFault pgraft_data_note_read(const char *text, size_t len, PgraftDataNote *note);
extern PgraftNoteFault pgraft_store_note_read(const char *text, size_t len, PgraftStoreNote *note);

/* As snprintf: what of it fits is in buf; returns how long it is. */
extern size_t pgraft_data_note_write(const PgraftDataNote *note, char *buf, size_t size);
extern size_t pgraft_store_note_write(const PgraftStoreNote *note, char *buf, size_t size);

#endif							/* PGRAFT_NOTES_H */
