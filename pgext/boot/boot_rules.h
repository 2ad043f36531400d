/*
 * boot_rules.h
 *		What a server does as it boots, before recovery looks at anything, as rules of
 *		plain values.  A part of boot.h, which includes it; it needs no PostgreSQL, so
 *		that a test of Go's compiles it alone.
 *
 * The rules are core/failover/boot.go's and core/failover/host/boot.go's, under their
 * names; each row of the table that the first one's test writes (testdata/failover)
 * holds here too.  Truth is 1, falsehood 0.
 */
#ifndef PGRAFT_BOOT_RULES_H
#define PGRAFT_BOOT_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "boot/notes.h"

/* failover.BootRole */
typedef enum PgraftBootRole
{
	PGRAFT_BOOT_PLAIN = 0,		/* as PostgreSQL starts it */
	PGRAFT_BOOT_STANDBY = 1,	/* with standby.signal, without a source of
								 * WAL */
	PGRAFT_BOOT_REFUSED = 2,	/* not started: a setting is in the way */
	PGRAFT_BOOT_REJOIN = 3		/* not started: its data is of two servers */
} PgraftBootRole;

/* failover.Doubt */
typedef enum PgraftDoubt
{
	PGRAFT_NO_DOUBT = 0,
	PGRAFT_DOUBT_BEFORE = 1,
	PGRAFT_DOUBT_FOREIGN = 2,
	PGRAFT_DOUBT_BACKUP = 3,
	PGRAFT_DOUBT_SHORT = 4,
	PGRAFT_DOUBT_BELOW = 5,
	PGRAFT_DOUBT_HOLE = 6,
	PGRAFT_DOUBT_STORE = 7,
	PGRAFT_DOUBTS
} PgraftDoubt;

/* Of failover.Quarantined, those that a boot finds. */
typedef enum PgraftDamage
{
	PGRAFT_NO_DAMAGE = 0,
	PGRAFT_DAMAGE_UNGUARDED = 4,
	PGRAFT_DAMAGE_STORE_LOST = 6
} PgraftDamage;

/* failover.Found */
typedef struct PgraftFound
{
	int			data_note;
	int			store_note;
	int			lowered;
	int			marker;
	int			doubted;
	int			foreign;
	int			label;
	int			shortened;		/* Short */
	int			below;
	int			hole;
	int			store_lost;
	int			was_primary;
	int			unguarded;
	int			granted;
} PgraftFound;

/* failover.BootVerdict */
typedef struct PgraftBootVerdict
{
	PgraftBootRole role;
	int			joined;
	PgraftDoubt doubt;
	PgraftDamage damage;
} PgraftBootVerdict;

/* host.Notes */
typedef struct PgraftNotes
{
	PgraftDataNote data;
	PgraftStoreNote store;
} PgraftNotes;

/* host.AtBoot */
typedef struct PgraftAtBoot
{
	int			marker;
	int			lowered;
	int			label;
	int			hole;
	int			store_lost;
	int			was_primary;
	uint32_t	last;
	uint32_t	end_timeline;
	uint64_t	end_lsn;
	uint64_t	min_recovery;
	size_t		nhistories;
	const uint32_t *histories;
} PgraftAtBoot;

/*
 * host.Booting.  What is to be done, in this order: note_data, remove, cut, then
 * note_cut, and as_standby.  again: look anew, and ask again; else the verdict is
 * there.
 */
typedef struct PgraftBooting
{
	int			note_data;		/* the note of PgraftNotes, as it is now */
	int			remove;			/* the history files above AtBoot's last */
	uint64_t	cut;			/* WAL from there on; 0: nothing */
	int			note_cut;		/* the note again, without its cut */
	int			as_standby;		/* CreateStandbySignal, RemovePromote,
								 * ClearSource */
	int			again;
	PgraftBootVerdict verdict;
} PgraftBooting;

extern PgraftBootVerdict pgraft_boot_verdict(const PgraftFound *found);
extern int	pgraft_notes_are_out(const PgraftNotes *notes);
extern int	pgraft_awaits_source(const PgraftDataNote *data);
extern PgraftFound pgraft_boot_find(const PgraftNotes *notes, const PgraftAtBoot *at);
extern PgraftBooting pgraft_boot_step(PgraftNotes *notes, const PgraftAtBoot *at);

#endif							/* PGRAFT_BOOT_RULES_H */
