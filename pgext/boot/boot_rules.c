/*
 * boot_rules.c
 *		What a server does as it boots, as core/failover and its package host have it.
 *
 * Nothing here is shared.
 */
#include "boot/boot_rules.h"

#include <string.h>

/* Found.doubt */
static PgraftDoubt
doubt_of(const PgraftFound *found)
{
	if (found->store_lost)
		return PGRAFT_DOUBT_STORE;
	if (found->doubted)
		return PGRAFT_DOUBT_BEFORE;
	if (found->label)
		return PGRAFT_DOUBT_BACKUP;
	if (found->foreign)
		return PGRAFT_DOUBT_FOREIGN;
	if (found->hole)
		return PGRAFT_DOUBT_HOLE;
	if (found->shortened)
		return PGRAFT_DOUBT_SHORT;
	if (found->below)
		return PGRAFT_DOUBT_BELOW;
	return PGRAFT_NO_DOUBT;
}

/* Found.Verdict */
PgraftBootVerdict
pgraft_boot_verdict(const PgraftFound *found)
{
	PgraftBootVerdict v = {PGRAFT_BOOT_PLAIN, found->data_note && found->store_note,
	PGRAFT_NO_DOUBT, PGRAFT_NO_DAMAGE};

	if (found->marker)
	{
		v.role = PGRAFT_BOOT_REJOIN;
		return v;
	}
	if (!found->data_note && !found->store_note)
		return v;
	if (found->lowered)
	{
		v.role = PGRAFT_BOOT_REFUSED;
		return v;
	}
	v.role = PGRAFT_BOOT_STANDBY;
	v.doubt = doubt_of(found);
	if (v.doubt == PGRAFT_DOUBT_STORE)
		v.damage = PGRAFT_DAMAGE_STORE_LOST;
	else if (found->unguarded ||
			 (found->was_primary && !found->granted && !found->foreign && !found->label))
		v.damage = PGRAFT_DAMAGE_UNGUARDED;
	return v;
}

/* Notes.out */
int
pgraft_notes_are_out(const PgraftNotes *notes)
{
	return !notes->data.joined && !notes->store.joined;
}

/* Data.EpochOf */
static uint64_t
epoch_of(const PgraftDataNote *data, uint32_t timeline)
{
	for (size_t i = 0; i < data->nnotes; i++)
		if (data->notes[i].timeline == timeline)
			return data->notes[i].epoch;
	return 0;
}

/* Data.IsNobodys */
static int
is_nobodys(const PgraftDataNote *data, uint32_t timeline)
{
	return epoch_of(data, timeline) == 0 && timeline != data->joined_on;
}

/* Data.AwaitsSource */
int
pgraft_awaits_source(const PgraftDataNote *data)
{
	return data->anew > 0 && data->sealed < data->anew;
}

/* Nonces.Foreign */
static int
is_foreign(const PgraftNotes *n)
{
	return n->data.nonce != n->store.nonce &&
		(n->store.next_nonce == 0 || n->data.nonce != n->store.next_nonce);
}

static int
has_written(const PgraftDataNote *data, uint32_t timeline)
{
	for (size_t i = 0; i < data->nwrote; i++)
		if (data->wrote[i] == timeline)
			return 1;
	return 0;
}

/* Does WAL end before the floor?  Positions are compared by epoch, then by LSN. */
static int
is_below(const PgraftNotes *n, const PgraftAtBoot *at)
{
	uint64_t	epoch = epoch_of(&n->data, at->end_timeline);

	return epoch < n->store.floor_epoch ||
		(epoch == n->store.floor_epoch && at->end_lsn < n->store.floor_lsn);
}

/* Find */
PgraftFound
pgraft_boot_find(const PgraftNotes *n, const PgraftAtBoot *at)
{
	const PgraftDataNote *d = &n->data;
	PgraftFound found = {
		.data_note = d->joined,
		.store_note = n->store.joined,
		.lowered = at->lowered,
		.marker = at->marker,
		.doubted = d->doubt != PGRAFT_NO_DOUBT,
		.foreign = is_foreign(n),
		.label = at->label,
		.shortened = at->min_recovery > at->end_lsn && !pgraft_awaits_source(d),
		.below = is_below(n, at) && !is_nobodys(d, at->end_timeline),
		.hole = at->hole,
		.store_lost = at->store_lost,
		.was_primary = at->was_primary,
		.unguarded = d->unguarded,
		.granted = has_written(d, at->last) || is_nobodys(d, at->last),
	};

	return found;
}

/* without: notes and history files of timelines of which there is no record. */
static void
without(PgraftDataNote *data, const PgraftAtBoot *at, PgraftBooting *b)
{
	size_t		kept = 0;

	for (size_t i = 0; i < data->nnotes; i++)
		if (data->notes[i].timeline <= at->last)
			data->notes[kept++] = data->notes[i];
	b->note_data = kept < data->nnotes;
	data->nnotes = kept;
	for (size_t i = 0; i < at->nhistories; i++)
		if (at->histories[i] > at->last)
			b->remove = 1;
}

/* Boot.  It changes the data directory's note, and says when that is to be written. */
PgraftBooting
pgraft_boot_step(PgraftNotes *notes, const PgraftAtBoot *at)
{
	PgraftDataNote *d = &notes->data;
	PgraftBooting b;
	PgraftFound found;

	memset(&b, 0, sizeof(b));
	if (pgraft_notes_are_out(notes) && !at->marker)
		return b;
	if (!at->marker)
	{
		without(d, at, &b);
		b.again = b.note_data || b.remove;
		if (b.again)
			return b;
		if (d->cut > 0)
		{
			if (at->end_lsn <= d->cut)
				b.cut = d->cut;
			d->cut = 0;
			b.note_cut = 1;
			b.again = 1;
			return b;
		}
	}
	found = pgraft_boot_find(notes, at);
	b.verdict = pgraft_boot_verdict(&found);
	if (b.verdict.role != PGRAFT_BOOT_STANDBY)
		return b;
	if (b.verdict.doubt != PGRAFT_NO_DOUBT && d->doubt == PGRAFT_NO_DOUBT)
	{
		d->doubt = b.verdict.doubt;
		b.note_data = 1;
	}
	if (b.verdict.damage == PGRAFT_DAMAGE_UNGUARDED && !d->unguarded)
	{
		d->unguarded = 1;
		b.note_data = 1;
	}
	if (d->nwrote > 0 && found.foreign)
	{
		d->nwrote = 0;
		b.note_data = 1;
	}
	b.as_standby = 1;
	return b;
}
