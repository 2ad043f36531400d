/*
 * pgraft.h
 *		What the files of the C shim share.
 *
 * The shim has two sides.  Backends run the SQL functions (functions.c): they
 * put a request into a slot of shared memory and wait for its reply (client.c,
 * client_slot.c, replies.c).  The engine worker (engine_worker.c, engine_slots.c,
 * engine_records.c) takes requests out of the slots, hands them to the Go engine
 * (engine_library.c) and puts the replies back.  It tries first whether that can be
 * loaded (limits.c), and how often it has crashed (crashes.c).  shmem.c lays the
 * shared memory out and says how each part of it is guarded.
 */
#ifndef PGRAFT_H
#define PGRAFT_H

#include "postgres.h"

#include <signal.h>

#include "fmgr.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/spin.h"
#include "utils/guc.h"

#include "compat.h"
#include "engine/engine.h"

#define PGRAFT_VERSION			"1.0.0"

/* Requests under way at once; further clients wait for a free slot. */
#define PGRAFT_SLOTS			128
/* Of them, those that neither proposals nor waits take. */
#define PGRAFT_RESERVED_SLOTS	8
/* Those that waits for the cluster may take: the rest is for what they wait for. */
#define PGRAFT_WAITING_SLOTS	64

#define PGRAFT_PENDING_WORDS	(PGRAFT_SLOTS / 64)

/* Bytes that travel in the slot itself; more goes through a DSM segment. */
#define PGRAFT_INLINE_REQUEST	2048
#define PGRAFT_INLINE_REPLY		4096

/* A worker that has run for so long has not failed or crashed in a row. */
#define PGRAFT_RUNS_WELL_MS		300000

/* Bytes of the worker's last error that functions show as DETAIL. */
#define PGRAFT_LAST_ERROR_SIZE	512

/*
 * A slot's word is (generation << 8 | state) and changes by compare-and-swap
 * only.  Whatever a backend does to its slot (acquire, publish again, withdraw,
 * release) gives it a new generation, so the worker's late answer to a request
 * that nobody waits for fails at its compare-and-swap.
 */
typedef enum PgraftSlotState
{
	PGRAFT_SLOT_FREE,			/* anybody may acquire it */
	PGRAFT_SLOT_OWNED,			/* a backend fills it */
	PGRAFT_SLOT_REQUEST,		/* published; the worker may take it */
	PGRAFT_SLOT_INFLIGHT,		/* the engine has it */
	PGRAFT_SLOT_LARGE,			/* answered; reply_len bytes wait in the worker */
	PGRAFT_SLOT_FETCH,			/* reply_dsm is the segment to put them into */
	PGRAFT_SLOT_DONE			/* answered; the reply is in the slot or in reply_dsm */
} PgraftSlotState;

#define PGRAFT_WORD(gen, state)		(((uint64) (gen) << 8) | (uint64) (state))
#define PGRAFT_WORD_STATE(word)		((PgraftSlotState) ((word) & 0xff))
#define PGRAFT_WORD_GEN(word)		((word) >> 8)

/* A request's id names its slot and the slot's generation. */
#define PGRAFT_REQUEST_ID(gen, slot)	(((uint64) (gen) << 8) | (uint64) (slot))
#define PGRAFT_ID_SLOT(id)				((uint32) ((id) & 0xff))
#define PGRAFT_ID_GEN(id)				((id) >> 8)

StaticAssertDecl(PGRAFT_SLOTS <= 256 && PGRAFT_SLOTS % 64 == 0,
				 "a slot's number fits a byte of the request id");

/* See shmem.c for who may touch what when. */
typedef struct PgraftSlot
{
	pg_atomic_uint64 word;
	Latch	   *volatile client;
	uint32		epoch;
	uint32		op;
	uint32		max_entry_bytes;
	uint32		timeout_ms;
	uint8		request_id[PGRAFT_REQUEST_ID_BYTES];
	int64		a;
	int64		b;
	uint32		data_len;
	dsm_handle	data_dsm;
	dsm_handle	reply_dsm;
	uint32		reply_len;
	char		data[PGRAFT_INLINE_REQUEST];
	char		reply[PGRAFT_INLINE_REPLY];
} PgraftSlot;

/* pgraft_stat_apply.state */
typedef enum PgraftApplyState
{
	PGRAFT_APPLY_STOPPED,		/* no worker */
	PGRAFT_APPLY_CONNECTING,	/* to pgraft.database */
	PGRAFT_APPLY_IDLE,			/* no function is registered */
	PGRAFT_APPLY_STANDBY,		/* in recovery: the tables arrive by streaming */
	PGRAFT_APPLY_WAITING,		/* for the engine, or to become a member */
	PGRAFT_APPLY_RUNNING,
	PGRAFT_APPLY_FAILED			/* stands before an entry that it cannot apply */
} PgraftApplyState;

/* Bytes of a function's signature that are shown. */
#define PGRAFT_APPLY_FUNCTION_SIZE	256

/* What pgraft_stat_apply shows; a time or an index of 0 is none. */
typedef struct PgraftApplyReport
{
	PgraftApplyState state;
	int			pid;
	uint64		applied;
	uint64		entries;		/* applied since the server started */
	TimestampTz last_applied;
	uint64		failing_index;
	TimestampTz failing_since;	/* 0 unless the last attempt failed */
	uint64		retries;
	TimestampTz next_retry;
	TimestampTz last_error_time;
	int			encoding;		/* of the texts that follow: the database's */
	char		function[PGRAFT_APPLY_FUNCTION_SIZE];
	char		last_error_sqlstate[6];
	char		last_error[PGRAFT_LAST_ERROR_SIZE];
} PgraftApplyReport;

/* See apply_state.c for who may touch what. */
typedef struct PgraftApplyShared
{
	pg_atomic_uint32 wakeups;
	pg_atomic_uint64 worker_latch;
	pg_atomic_uint64 applied;	/* index up to which this database has applied */
	ConditionVariable applied_cv;	/* applied has changed */
	slock_t		mutex;
	PgraftApplyReport report;	/* but for its member applied */
	int			connects;		/* attempts since the last that succeeded */
} PgraftApplyShared;

typedef struct PgraftShared
{
	PgraftStatusBlock status;

	pg_atomic_uint32 epoch;		/* odd while an engine takes requests */
	pg_atomic_uint64 worker_latch;	/* its Latch *, or 0 */
	pg_atomic_uint64 pending[PGRAFT_PENDING_WORDS];

	pg_atomic_uint32 failures;	/* the engine's in a row, crashes apart */
	pg_atomic_uint64 failed_with;	/* PgReloadTime of the worker that failed last */
	pg_atomic_uint64 next_start;	/* TimestampTz; 0: the engine is not waited for */

	ConditionVariable engine_cv;	/* epoch has become odd, or next_start not 0 */
	ConditionVariable slot_cv;	/* a slot has become free */

	slock_t		mutex;			/* guards last_error */
	char		last_error[PGRAFT_LAST_ERROR_SIZE];

	PgraftApplyShared apply;

	PgraftSlot	slots[PGRAFT_SLOTS];
} PgraftShared;

#define PGRAFT_ENGINE_UP(epoch)		(((epoch) & 1) != 0)

/* shmem.c */
extern PgraftShared *pgraft_shared; /* NULL without shared_preload_libraries */
extern void pgraft_shmem_install(void);
extern void pgraft_last_error_set(const char *message);
extern void pgraft_last_error_get(char *buf);
extern bool pgraft_slot_advance(PgraftSlot *slot, uint64 from, uint64 to);
extern void pgraft_notify_worker(uint32 slotno);
extern void pgraft_next_start_set(TimestampTz when);
extern TimestampTz pgraft_next_start(void);

/* Bytes of an address; the status block holds one of this size. */
#define PGRAFT_MAX_ADDRESS		255

/* address.c */
#define PGRAFT_ADDRESS_HINT \
	"An address is a host name or an IP address alone, such as db1.example.org, 10.0.0.1 or fd00::1."

extern const char *pgraft_address_fault(const char *host, bool listen);
extern bool pgraft_check_address(char **newval, void **extra, GucSource source);
extern bool pgraft_check_listen_address(char **newval, void **extra, GucSource source);

/* settings.c */
extern int	pgraft_node_id;
extern int	pgraft_max_entry_size;	/* kB */
extern int	pgraft_propose_timeout; /* ms */
extern char *pgraft_database;
extern void pgraft_settings_define(void);
extern void pgraft_settings_read(PgraftConfig *config);
extern bool pgraft_has_node(void);

/* refused.c */
extern void pgraft_refused_begin(void);
extern void pgraft_refused_end(void);
extern bool pgraft_refused_is(const char *name);
extern void pgraft_refused_report(void);
extern void pgraft_refused_look_again(void);
extern void pgraft_refused_read(PgraftConfig *config);

/* timing.c */
extern void pgraft_timing_define(void);
extern void pgraft_timing_read(PgraftConfig *config);
extern char *pgraft_timing_refuses(const char *name);
extern char *pgraft_coming_setting(const char *name);

/* trace.c */
extern void pgraft_trace_define(void);
extern void pgraft_trace_read(PgraftConfig *config);

/* tls.c */
extern void pgraft_tls_define(void);
extern void pgraft_tls_read(PgraftConfig *config);

/* pgraft.c */
extern bool pgraft_engine_is_registered;
extern bool pgraft_apply_is_registered;
extern uint32 pgraft_wait_event_main(void);
extern uint32 pgraft_wait_event_engine(void);
extern uint32 pgraft_wait_event_slot(void);
extern uint32 pgraft_wait_event_reply(void);
extern uint32 pgraft_wait_event_apply(void);
extern uint32 pgraft_wait_event_applied(void);

/*
 * deadline.c.  By the clock that goes on evenly, whatever is done to the time of
 * day.  A struct, so that no TimestampTz is taken for one.
 */
typedef struct PgraftDeadline
{
	int64		us;
} PgraftDeadline;

extern PgraftDeadline pgraft_deadline_in(long ms);
extern PgraftDeadline pgraft_deadline_earlier(PgraftDeadline a, PgraftDeadline b);
extern long pgraft_remaining_ms(PgraftDeadline deadline);

/* client.c */
typedef struct PgraftCall
{
	uint32		op;				/* PGRAFT_OP_* */
	bool		is_write;		/* an unanswered one may have happened */
	const char *what;			/* "the entry", for errors; NULL: the request */
	int64		a;
	int64		b;
	const char *data;
	size_t		len;
	int			timeout_ms;		/* 0: PGRAFT_CALL_TIMEOUT_MS */
	const uint8 *request_id;	/* PGRAFT_REQUEST_ID_BYTES, or NULL */
	bool		may_end;		/* pgraft_call returns NULL when time is up, in
								 * place of an error: that is an answer too */
	bool		(*give_up) (void);	/* not NULL: pgraft_call returns NULL once it
									 * says true; asked after every wake-up */
} PgraftCall;

static inline const char *
pgraft_call_name(const PgraftCall *call)
{
	return call->what != NULL ? call->what : "the request";
}

extern char *pgraft_call(const PgraftCall *call, size_t *len);

/* client_slot.c */
extern PgraftSlot *pgraft_client_slot(void);
extern char *pgraft_client_request_name(const PgraftCall *call);
extern void pgraft_client_acquire(const PgraftCall *call, PgraftDeadline deadline);
extern dsm_segment *pgraft_client_publish(const PgraftCall *call, uint32 epoch,
										  PgraftDeadline deadline);
extern dsm_segment *pgraft_client_fetch(void);
extern bool pgraft_client_withdraw(void);
extern void pgraft_client_release(int code, Datum arg);

/* ask.c */
extern void pgraft_require_preload(void);
extern void pgraft_require_node(void);
extern void pgraft_require_select(FunctionCallInfo fcinfo, const char *view);
extern void pgraft_require_argument(FunctionCallInfo fcinfo, int argno, const char *name);
extern int32 pgraft_node_id_arg(FunctionCallInfo fcinfo, int argno, const char *name);
extern PgraftStatus pgraft_read_status(void);
extern PgraftStatus pgraft_last_status(void);

/* text.c */
extern const char *pgraft_text_to_log(const char *text, size_t *len);
extern const char *pgraft_text_from_log(const char *data, size_t *len);
extern void pgraft_text_copy(char *to, size_t size, const char *from, int encoding);
extern char *pgraft_text_show(char *text, int encoding);

/* replies.c */
typedef struct PgraftRows
{
	const char *next;
	const char *end;
	uint32		nrows;
	uint32		ncols;
} PgraftRows;

extern void pgraft_reply_open(PgraftRows *rows, const char *body, size_t len);
extern char *pgraft_reply_value(PgraftRows *rows, size_t *len);
extern const char *pgraft_reply_bytes(PgraftRows *rows, size_t *len);
extern void pgraft_reply_to_set(PgraftRows *rows, FunctionCallInfo fcinfo);
extern void pgraft_reply_add_to_set(PgraftRows *rows, FunctionCallInfo fcinfo);
extern char *pgraft_reply_error(size_t *len, const char *sqlstate,
								const char *message, const char *hint);

/* ask.c, with what replies.c defines */
extern void pgraft_ask(const PgraftCall *call, PgraftRows *rows);
extern Datum pgraft_ask_rows(FunctionCallInfo fcinfo, const PgraftCall *call);
extern char *pgraft_ask_value(const PgraftCall *call, size_t *len);
extern Datum pgraft_ask_done(const PgraftCall *call);

/* apply_state.c, apply_entry.c, apply_worker.c; the rest is in apply.h */
extern void pgraft_apply_shmem_init(void);
extern volatile sig_atomic_t pgraft_in_apply_function;
extern void pgraft_refuse_in_apply_function(const char *what);
extern PGDLLEXPORT void pgraft_apply_main(Datum arg);

/* engine_worker.c */
extern PGDLLEXPORT void pgraft_engine_main(Datum arg);
extern void pgraft_engine_note_failure(const char *message);

/* engine_records.c */
extern void pgraft_records_drain(void);

/* engine_library.c */
typedef struct PgraftEngine
{
	pgraft_engine_build_fn build;
	pgraft_engine_start_fn start;
	pgraft_engine_reload_fn reload;
	pgraft_engine_submit_fn submit;
	pgraft_engine_cancel_fn cancel;
	pgraft_engine_drain_fn drain;
	pgraft_engine_stop_fn stop;
} PgraftEngine;

extern PgraftEngine pgraft_engine;
extern void pgraft_library_load(void);
extern void pgraft_library_start(const PgraftConfig *config);
extern void pgraft_library_check_threads(void);

/* limits.c */
extern void pgraft_limits_try(void);

/* crashes.c */
extern uint32 pgraft_crashes_open(const char *name);
extern uint32 pgraft_crashes_without(uint64 now);
extern int	pgraft_crashes_wait_ms(void);
extern void pgraft_crashes_begin(void);
extern void pgraft_crashes_end(void);
extern void pgraft_crashes_forget(void);
extern bool pgraft_crashes_runs_well(void);
extern void pgraft_crashes_quit(SIGNAL_ARGS);

/* engine_slots.c */
extern void pgraft_slots_begin(void);
extern void pgraft_slots_end(void);
extern void pgraft_slots_scan(void);
extern void pgraft_slots_after_error(void);
extern void pgraft_slots_complete(uint64 id, const char *body, size_t len);

#endif							/* PGRAFT_H */
