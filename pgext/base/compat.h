/*
 * compat.h
 *		What differs between the PostgreSQL versions that pgraft builds on.
 */
#ifndef PGRAFT_COMPAT_H
#define PGRAFT_COMPAT_H

#include "storage/latch.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

/* 15 and 16 take a memory context, later ones a resource owner (or none) */
#if PG_VERSION_NUM >= 170000
#define pgraft_create_wait_event_set(n)	CreateWaitEventSet(NULL, (n))
#else
#define pgraft_create_wait_event_set(n) \
	CreateWaitEventSet(TopMemoryContext, (n))
#endif

/* named wait events came with 17 */
#if PG_VERSION_NUM >= 170000
#define pgraft_wait_event_new(name)		WaitEventExtensionNew(name)
#else
#define pgraft_wait_event_new(name)		PG_WAIT_EXTENSION
#endif

/* where the search for a free slot starts, so that backends spread out */
#if PG_VERSION_NUM >= 170000
#define pgraft_my_proc_number()			((uint32) MyProcNumber)
#else
#define pgraft_my_proc_number()			((uint32) MyProc->pgprocno)
#endif

/* the "extra" of a check hook: malloc'd up to 15, guc_malloc'd since */
#if PG_VERSION_NUM >= 160000
#define pgraft_guc_extra(size)			guc_malloc(LOG, (size))
#else
#define pgraft_guc_extra(size)			malloc(size)
#endif

/* all settings there are */
#if PG_VERSION_NUM >= 160000
#define pgraft_guc_variables(n)			get_guc_variables(n)
#else
#define pgraft_guc_variables(n)			(*(n) = GetNumConfigOptions(), get_guc_variables())
#endif

/* an entry of the local copy of what pg_stat_activity shows, from 1 on */
#if PG_VERSION_NUM >= 160000
#define pgraft_local_beentry(i)			pgstat_get_local_beentry_by_index(i)
#else
#define pgraft_local_beentry(i)			pgstat_fetch_stat_local_beentry(i)
#endif

/* a setting, as its type has it; their header is the includer's */
#if PG_VERSION_NUM >= 190000
#define pgraft_guc_bool(setting)		(&(setting)->_bool)
#define pgraft_guc_string(setting)		(&(setting)->_string)
#else
#define pgraft_guc_bool(setting)		((struct config_bool *) (setting))
#define pgraft_guc_string(setting)		((struct config_string *) (setting))
#endif

/* what CLUSTER is called since 19 */
#if PG_VERSION_NUM >= 190000
#define pgraft_T_ClusterStmt			T_RepackStmt
#else
#define pgraft_T_ClusterStmt			T_ClusterStmt
#endif

/* the pid of the process that uses a replication slot; its header is the includer's */
#if PG_VERSION_NUM >= 190000
#define pgraft_slot_pid(slot) \
	((slot)->active_proc == INVALID_PROC_NUMBER ? 0 : GetPGProcByNumber((slot)->active_proc)->pid)
#else
#define pgraft_slot_pid(slot)			((slot)->active_pid)
#endif

/* a checkpoint that does not spare the disk; its header is the includer's */
#if PG_VERSION_NUM >= 190000
#define PGRAFT_CHECKPOINT_FAST			CHECKPOINT_FAST
#else
#define PGRAFT_CHECKPOINT_FAST			CHECKPOINT_IMMEDIATE
#endif

/* the one of the kinds of processes that acknowledges nothing to anybody */
#if PG_VERSION_NUM >= 170000
#define pgraft_is_autovacuum()			(AmAutoVacuumWorkerProcess() || AmAutoVacuumLauncherProcess())
#else
#define pgraft_is_autovacuum()			IsAnyAutoVacuumProcess()
#endif

/* 19 has one for each kind of process */
#if PG_VERSION_NUM >= 190000
#define pgraft_log_min_messages			log_min_messages[MyBackendType]
#else
#define pgraft_log_min_messages			log_min_messages
#endif

/* 19 tells a signal handler who sent the signal */
#if PG_VERSION_NUM >= 190000
#define PGRAFT_SIG_IGN					PG_SIG_IGN
#define pgraft_die()					die(postgres_signal_arg, pg_siginfo)
#else
#define PGRAFT_SIG_IGN					SIG_IGN
#define pgraft_die()					die(postgres_signal_arg)
#endif

/* the postmaster's list of registered workers; its header is the includer's */
#if PG_VERSION_NUM >= 180000
#define pgraft_worker_iter				dlist_iter
#define pgraft_workers_foreach			dlist_foreach
#define pgraft_workers_get(iter)		dlist_container(RegisteredBgWorker, rw_lnode, (iter).cur)
#else
#define pgraft_worker_iter				slist_iter
#define pgraft_workers_foreach			slist_foreach
#define pgraft_workers_get(iter)		slist_container(RegisteredBgWorker, rw_lnode, (iter).cur)
#endif

#if PG_VERSION_NUM >= 180000
#define PGRAFT_MODULE_MAGIC(v) \
	PG_MODULE_MAGIC_EXT(.name = "pgraft", .version = (v))
#else
#define PGRAFT_MODULE_MAGIC(v)	PG_MODULE_MAGIC
#endif

#endif							/* PGRAFT_COMPAT_H */
