/*
 * settings.h
 *		The pgraft.* settings: settings.c defines and reads all of them; those
 *		of timing, TLS, HTTP, the flight recorder and failover stand in files of their
 *		own, as do what can be an address and which of those given were refused.
 *
 * Uses base.
 */
#ifndef PGRAFT_SETTINGS_H
#define PGRAFT_SETTINGS_H

#include "base/base.h"

#include "utils/guc.h"

#include "engine/engine.h"

/* A port is a number of 16 bits, and not 0. */
#define PGRAFT_MAX_PORT		65535

/* settings.c */
extern int	pgraft_node_id;
extern int	pgraft_max_entry_size;	/* kB */
extern int	pgraft_propose_timeout; /* ms */
extern char *pgraft_database;
extern void pgraft_settings_define(void);
extern void pgraft_settings_read(PgraftConfig *config);
extern void pgraft_settings_data_dir(char *buf);
extern bool pgraft_has_node(void);

/* address.c */
#define PGRAFT_ADDRESS_HINT \
	"An address is a host name or an IP address alone, such as db1.example.org, 10.0.0.1 or fd00::1."

extern const char *pgraft_address_fault(const char *host, bool listen);
extern bool pgraft_check_address(char **newval, void **extra, GucSource source);
extern bool pgraft_check_listen_address(char **newval, void **extra, GucSource source);

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

/* recorder.c */
extern void pgraft_recorder_define(void);
extern void pgraft_recorder_read(PgraftConfig *config);

/* tls.c */
extern void pgraft_tls_define(void);
extern void pgraft_tls_read(PgraftConfig *config);

/* http.c */
extern void pgraft_http_define(void);
extern void pgraft_http_read(PgraftConfig *config);

/* failover.c */
extern bool pgraft_failover;
extern int	pgraft_fence_wait;	/* ms */
extern int	pgraft_rejoin;		/* PgraftRejoin */
extern char *pgraft_replication_conninfo;
extern char *pgraft_role_change_command;
extern void pgraft_failover_define(void);
extern void pgraft_failover_read(PgraftConfig *config);

#endif							/* PGRAFT_SETTINGS_H */
