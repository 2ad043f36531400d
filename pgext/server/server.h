/*
 * server.h
 *		What failover looks at and does in this server: it decides nothing here.
 *
 *		durable.c		files that are there after the power fails
 *		history.c		timelines: their histories, and the files that hold them
 *		wal_files.c		which file a byte of WAL is read from
 *		wal_end.c		where valid WAL ends, and which record ends at an LSN
 *		wal_shape.c		a segment that is missing, a record that is there by half
 *		timelines.c		the last timeline that there is WAL of; what is above it goes
 *		in_force.c		which settings are in force, in which process
 *		auto_conf.c		settings that pgraft writes
 *		sources.c		WAL sources end and begin; promotion, restart in place
 *		boot.c			a server boots as a standby, or not at all
 *		leave.c			the postmaster ends, and goes on as another program
 *		look.c			what is seen of the server at one look
 *
 * Nothing here needs a database or a transaction.  What reads WAL and files works in
 * the postmaster too, before recovery begins.  Errors are raised; what is not there is
 * an answer.
 *
 * An LSN is the place right behind the last byte meant.
 *
 * Uses base.
 */
#ifndef PGRAFT_SERVER_H
#define PGRAFT_SERVER_H

#include "base/base.h"

#include "access/xlogdefs.h"
#include "access/xlog_internal.h"
#include "catalog/pg_control.h"
#include "port/pg_crc32c.h"

/* durable.c */
extern void pgraft_write_durably(const char *path, const char *text, size_t len);
extern char *pgraft_read_file(const char *path, size_t *len);

/*
 * history.c.  A history is that of its last timeline: those that it came from, the
 * oldest first, each with the LSN where it begins, 0 for the first.
 */
typedef struct PgraftBranch
{
	TimeLineID	tli;
	XLogRecPtr	begin;
} PgraftBranch;

typedef struct PgraftHistory
{
	int			n;				/* at least 1 */
	PgraftBranch *branches;
} PgraftHistory;

extern struct List *pgraft_wal_names(void);
extern TimeLineID pgraft_wal_timeline(const char *name);
extern bool pgraft_history_read(TimeLineID tli, PgraftHistory *history);
extern void pgraft_history_write(const PgraftHistory *history, const char *reason);
extern void pgraft_history_reserve(TimeLineID after, TimeLineID before);
extern void pgraft_history_write_all(const PgraftHistory *history, bool last);
extern bool pgraft_history_equal(const PgraftHistory *a, const PgraftHistory *b);
extern int	pgraft_history_owner(const PgraftHistory *history, XLogRecPtr at);
extern TimeLineID pgraft_history_last(const PgraftHistory *history);

/*
 * wal_files.c.  A reader of the WAL of one history.
 */
typedef struct PgraftWal PgraftWal;
struct XLogReaderState;

extern struct XLogReaderState *pgraft_wal_open(const PgraftHistory *history, bool sync);
extern void pgraft_wal_sync(struct XLogReaderState *reader);
extern void pgraft_wal_close(struct XLogReaderState *reader);
extern XLogRecPtr pgraft_wal_doubtful(struct XLogReaderState *reader);
extern void pgraft_wal_trust(struct XLogReaderState *reader);
extern void pgraft_wal_reject(struct XLogReaderState *reader);
extern XLogRecPtr pgraft_wal_missing(struct XLogReaderState *reader, const char **what);
extern bool pgraft_wal_has_segment(struct XLogReaderState *reader, XLogSegNo no);

/* wal_shape.c */
extern bool pgraft_wal_hole(const PgraftHistory *history, XLogRecPtr end);
extern void pgraft_wal_cut(const PgraftHistory *history, XLogRecPtr end);

/*
 * wal_end.c.  A record that is whole: where it begins and ends, its CRC, and the
 * timeline that it is on.
 */
typedef struct PgraftWalRecord
{
	XLogRecPtr	start;
	XLogRecPtr	end;
	pg_crc32c	crc;
	TimeLineID	tli;
	pg_crc32c	sum;			/* over the ends and the CRCs of all records
								 * that were read, this one the last; not
								 * finished */
} PgraftWalRecord;

typedef struct PgraftWalEnd
{
	PgraftWalRecord last;		/* all 0: there is not even the first record */
	uint64		records;
	bool		half;			/* the next one begins, fills its segment up,
								 * and the next segment is not there */
	char		why[MAXPGPATH + 64];	/* nothing more is valid */
} PgraftWalEnd;

extern void pgraft_wal_valid_end(XLogRecPtr from, const PgraftHistory *history,
								 bool sync, PgraftWalEnd *end);
extern void pgraft_wal_durable_end(XLogRecPtr from, XLogRecPtr limit,
								   const PgraftHistory *history, PgraftWalEnd *end);
extern bool pgraft_wal_sum(XLogRecPtr from, XLogRecPtr end,
						   const PgraftHistory *history, pg_crc32c *sum);

typedef enum PgraftEnding
{
	PGRAFT_WAL_NOT_THERE,		/* up to that LSN it cannot be read */
	PGRAFT_NO_RECORD_ENDS,		/* there */
	PGRAFT_RECORD_ENDS			/* there */
} PgraftEnding;

extern PgraftEnding pgraft_wal_record_ending(XLogRecPtr end, TimeLineID tli,
											 const PgraftHistory *history,
											 XLogRecPtr limit, PgraftWalRecord *record);
extern bool pgraft_wal_begins(const PgraftHistory *history, PgraftWalRecord *first);

/* timelines.c */
extern ControlFileData *pgraft_control(void);
extern TimeLineID pgraft_last_timeline(const ControlFileData *control);
extern int	pgraft_timelines_with_history(TimeLineID **timelines);
extern void pgraft_timeline_put_aside(TimeLineID tli);

/* in_force.c */
#define PGRAFT_SETTINGS_NUMBER	"pgraft.settings_number"

extern void pgraft_in_force_define(void);
extern Size pgraft_in_force_size(void);
extern void pgraft_in_force_attach(void);
extern void pgraft_in_force_inherited(void);
extern uint32 pgraft_in_force_here(void);
extern bool pgraft_in_force_startup(uint32 number);
extern bool pgraft_in_force_checkpointer(uint32 number);
extern uint32 pgraft_in_force_process(pid_t pid);

/* auto_conf.c */
typedef struct PgraftSetting
{
	const char *name;
	const char *value;			/* NULL: there is to be no line */
} PgraftSetting;

extern uint32 pgraft_auto_conf_write(const PgraftSetting *settings, int n);

/* sources.c */
extern uint32 pgraft_sources_end(void);
extern bool pgraft_sources_ended(uint32 number);
extern uint32 pgraft_stream_from(const char *conninfo, const char *slot);
extern void pgraft_next_timeline(void);
extern void pgraft_promote(const PgraftHistory *history);
extern void pgraft_promotion_ended(const PgraftHistory *history);
extern void pgraft_restart_in_place(void);

/* boot.c */
extern bool pgraft_boot_obstacle(const ControlFileData *control, int elevel);
extern void pgraft_boot_as_standby(void);

/* leave.c */
extern void pgraft_leave_install(void);
extern Size pgraft_leave_size(void);
extern void pgraft_leave_attach(void);
extern void pgraft_stop_and_come_back(void);
extern void pgraft_restart_and_come_back(void);
extern void pgraft_leave_for(const char *const *command, size_t n);

/*
 * look.c.  A server at one look, which has two halves: see there.
 */
typedef struct PgraftWalsender
{
	pid_t		pid;
	bool		streams;		/* and no longer catches up */
	XLogRecPtr	flushed;		/* by the standby; 0: it has not said */
	uint32		settings;		/* the number of those that the walsender has
								 * read; 0: not known */
	char		name[NAMEDATALEN];	/* application_name */
	char		slot[NAMEDATALEN];	/* the physical one that it holds, or
									 * empty */
} PgraftWalsender;

typedef struct PgraftLook
{
	bool		recovery;
	bool		hot_standby;	/* of a server in recovery: it is consistent,
								 * and takes sessions */
	bool		promote_file;	/* a promotion was ordered, and not found yet */
	bool		promotes;		/* recovery ends for it, once pg_wal is
								 * replayed */
	bool		paused;			/* replay is */
	bool		receives;		/* a walreceiver runs, starts or ends */
	XLogRecPtr	replayed;
	TimeLineID	replayed_tli;
	XLogRecPtr	inserted;		/* on a primary */
	XLogRecPtr	received;
	XLogRecPtr	flushed;		/* by the walreceiver, or on a primary by all */
	TimeLineID	flushed_tli;

	DBState		state;			/* pg_control, from here on */
	XLogRecPtr	checkpoint;
	TimeLineID	checkpoint_tli;
	XLogRecPtr	redo;
	XLogRecPtr	min_recovery;
	TimeLineID	min_recovery_tli;
	XLogRecPtr	backup_start;
	bool		backup_end_required;
	uint64		system_identifier;

	bool		backup_label;	/* the file is there */
	const char *conninfo;		/* primary_conninfo and restore_command, as
								 * this process has read them; of PostgreSQL,
								 * until the next reload */
	const char *restore_command;
	bool		waits;			/* commits wait for synchronous standbys, if
								 * the checkpointer has names */
	int			n;				/* walsenders */
	PgraftWalsender *senders;
} PgraftLook;

extern void pgraft_look_at_senders(PgraftLook *look);
extern void pgraft_look_at_positions(PgraftLook *look);
extern void pgraft_look_free(PgraftLook *look);
extern bool pgraft_in_force_senders(const PgraftLook *look, uint32 number);

#endif							/* PGRAFT_SERVER_H */
