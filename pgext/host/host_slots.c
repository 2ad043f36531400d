/*
 * host_slots.c
 *		The physical replication slots of the members: each server has one for each
 *		other member, so that whoever is promoted has the WAL that they need.
 *
 * A slot that its member holds is moved by the walsender.  On a server that its member
 * does not stream from, it is moved here, up to where the member has all WAL, but not
 * past this server's last checkpoint: a member that has to rewind needs WAL from there.
 *
 * PostgreSQL guards the slots.
 */
#include "host/host.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "replication/slot.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#if PG_VERSION_NUM >= 170000
#define create_slot(name)	ReplicationSlotCreate((name), false, RS_PERSISTENT, false, false, false)
#else
#define create_slot(name)	ReplicationSlotCreate((name), false, RS_PERSISTENT, false)
#endif

/* A slot as it was found. */
typedef struct FoundSlot
{
	char		name[NAMEDATALEN];
	bool		is_held;
	bool		is_lost;		/* the WAL that it was to keep is gone */
} FoundSlot;

/* Is it the name of a member's slot? */
static bool
is_members(const char *name)
{
	unsigned int node,
				incarnation;
	char		again[PGRAFT_SLOT_NAME_BYTES];

	if (sscanf(name, PGRAFT_SLOT_NAME, &node, &incarnation) != 2)
		return false;
	snprintf(again, sizeof(again), PGRAFT_SLOT_NAME, node, incarnation);
	return strcmp(again, name) == 0;
}

static const PgraftSlotKept *
find(const PgraftSlotKept *slots, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(slots[i].name, name) == 0)
			return &slots[i];
	return NULL;
}

/* Moves a slot on that nobody holds. */
static void
move_on(ReplicationSlot *slot, XLogRecPtr to)
{
	SpinLockAcquire(&slot->mutex);
	if (pgraft_slot_pid(slot) == 0 && slot->data.restart_lsn != InvalidXLogRecPtr && slot->data.restart_lsn < to)
	{
		slot->data.restart_lsn = to;
		slot->just_dirtied = true;
		slot->dirty = true;
	}
	SpinLockRelease(&slot->mutex);
}

/* The members' slots that there are; those of members are moved on. */
static int
look_at_slots(const PgraftSlotKept *slots, int n, XLogRecPtr redo, FoundSlot *found)
{
	int			nfound = 0;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];
		const PgraftSlotKept *kept;

		if (!slot->in_use || !SlotIsPhysical(slot) || !is_members(NameStr(slot->data.name)))
			continue;
		strcpy(found[nfound].name, NameStr(slot->data.name));
		kept = find(slots, n, found[nfound].name);
		if (kept != NULL)
			move_on(slot, Min(kept->has, redo));
		SpinLockAcquire(&slot->mutex);
		found[nfound].is_held = pgraft_slot_pid(slot) != 0;
		found[nfound].is_lost = slot->data.restart_lsn == InvalidXLogRecPtr;
		SpinLockRelease(&slot->mutex);
		nfound++;
	}
	LWLockRelease(ReplicationSlotControlLock);
	ReplicationSlotsComputeRequiredLSN();
	return nfound;
}

static void
create(const char *name)
{
	create_slot(name);
	ReplicationSlotReserveWal();
	ReplicationSlotMarkDirty();
	ReplicationSlotSave();
	ReplicationSlotRelease();
	ereport(LOG, (errmsg("pgraft: created replication slot \"%s\"", name)));
}

/* From where on they keep WAL; invalid: nothing. */
static XLogRecPtr
oldest(const PgraftSlotKept *slots, int n)
{
	XLogRecPtr	from = InvalidXLogRecPtr;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];
		XLogRecPtr	its;

		if (!slot->in_use || find(slots, n, NameStr(slot->data.name)) == NULL)
			continue;
		SpinLockAcquire(&slot->mutex);
		its = slot->data.restart_lsn;
		SpinLockRelease(&slot->mutex);
		if (from == InvalidXLogRecPtr || its < from)
			from = its;
	}
	LWLockRelease(ReplicationSlotControlLock);
	return from;
}

/*
 * There is to be a slot for each of these members, and for no other one.  Returns from
 * where on they keep WAL.
 */
XLogRecPtr
pgraft_host_keep_slots(const PgraftSlotKept *slots, int n)
{
	FoundSlot  *found = palloc(Max(max_replication_slots, 1) * sizeof(FoundSlot));
	ControlFileData *control = pgraft_control();
	int			nfound;

	CheckSlotRequirements();
	/* once replay has begun, the startup process has read the slots from disk */
	if (RecoveryInProgress() && GetXLogReplayRecPtr(NULL) == InvalidXLogRecPtr)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the server is starting, and has not read its replication slots yet")));
	nfound = look_at_slots(slots, n, control->checkPointCopy.redo, found);
	pfree(control);
	for (int i = 0; i < nfound; i++)
	{
		if (found[i].is_held || (!found[i].is_lost && find(slots, n, found[i].name) != NULL))
			continue;
		ReplicationSlotDrop(found[i].name, true);
		ereport(LOG, (errmsg("pgraft: dropped replication slot \"%s\"", found[i].name)));
		found[i].name[0] = '\0';
	}
	for (int i = 0; i < n; i++)
	{
		bool		there = false;

		for (int j = 0; j < nfound; j++)
			there |= strcmp(found[j].name, slots[i].name) == 0;
		if (!there)
			create(slots[i].name);
	}
	return oldest(slots, n);
}
