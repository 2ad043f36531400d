/*
 * configured.h
 *		The settings, as the engine gets them.  A part of engine.h, which includes it.
 */
#ifndef PGRAFT_CONFIGURED_H
#define PGRAFT_CONFIGURED_H

#include <stddef.h>
#include <stdint.h>

/* log levels, of pgraft.log_level and of PgraftRecord */
enum
{
	PGRAFT_LOG_DEBUG = 0,
	PGRAFT_LOG_INFO = 1,
	PGRAFT_LOG_WARNING = 2,
	PGRAFT_LOG_ERROR = 3
};

/* pgraft.trace */
enum
{
	PGRAFT_TRACE_OFF = 0,
	PGRAFT_TRACE_RING = 1,
	PGRAFT_TRACE_FULL = 2
};

/* A string that is not zero-terminated. */
typedef struct PgraftBytes
{
	const char *data;
	size_t		len;
} PgraftBytes;

/* The settings, as of start or of the last SIGHUP. */
/* pgraft.rejoin: what may be done to data that has diverged. */
typedef enum PgraftRejoin
{
	PGRAFT_REJOIN_OFF = 0,
	PGRAFT_REJOIN_REWIND = 1,
	PGRAFT_REJOIN_CLONE = 2		/* or rewound */
} PgraftRejoin;

typedef struct PgraftConfig
{
	uint32_t	node_id;		/* 0 only if it was refused */
	uint32_t	port;
	uint32_t	election_timeout_ms;
	uint32_t	heartbeat_interval_ms;
	uint32_t	max_entry_bytes;
	uint32_t	snapshot_entries;
	uint32_t	log_level;
	uint64_t	retain_entries;
	uint64_t	retain_bytes;
	uint64_t	trace_bytes;
	uint32_t	trace;			/* PGRAFT_TRACE_* */
	uint32_t	trace_redact;	/* 0 or 1 */
	uint32_t	ssl_enabled;	/* 0 or 1; as of start only */
	uint32_t	group_access;	/* 0 or 1: may the group read what the node
								 * writes */
	PgraftBytes cluster_id;
	PgraftBytes address;
	PgraftBytes listen_address; /* empty: address */
	PgraftBytes data_dir;		/* absolute */
	PgraftBytes marker_path;	/* absolute, outside data_dir */
	PgraftBytes ssl_cert_file;	/* absolute, or empty */
	PgraftBytes ssl_key_file;
	PgraftBytes ssl_ca_file;
	PgraftBytes http_listen;	/* host:port; empty: nowhere */
	uint32_t	http_ssl;		/* 0 or 1 */
	uint32_t	failover;		/* 0 or 1: this server takes part; as of start
								 * only */
	uint32_t	failover_priority;
	uint32_t	seal_timeout_ms;
	uint32_t	server_port;	/* PostgreSQL's */
	uint32_t	rejoin;			/* PgraftRejoin */
	PgraftBytes replication_conninfo;
	PgraftBytes refused;		/* not empty: a setting was refused at server
								 * start, so the node does not start */
	PgraftBytes refused_detail;
	uint32_t	refused_until_restart;	/* 1 = no reload puts it right */
} PgraftConfig;

#endif							/* PGRAFT_CONFIGURED_H */
