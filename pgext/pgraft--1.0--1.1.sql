/* pgext/pgraft--1.0--1.1.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION pgraft UPDATE TO '1.1'" to load this file. \quit

CREATE FUNCTION pgraft_replace_node(old_node_id int, new_node_id int, address text, port int)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_replace_node'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_replace_node IS
'adds a node to the cluster that takes the place of a voter in one change, once it has caught up';

REVOKE ALL ON FUNCTION pgraft_replace_node FROM PUBLIC;

-- The views pgraft_stat_node and pgraft_stat_peers get columns for alarms and versions,
-- at the end.
-- They are not dropped, so that grants and what others have built on them stay.

ALTER FUNCTION pgraft_stat_get_node() RENAME TO pgraft_stat_get_node_1_0;

CREATE FUNCTION pgraft_stat_get_node()
RETURNS TABLE (
    node_id int,
    worker_state text,
    role text,
    term bigint,
    leader_node int,
    commit_index bigint,
    applied_index bigint,
    first_index bigint,
    last_index bigint,
    log_bytes bigint,
    lease_left interval,
    proposals bigint,
    proposals_failed bigint,
    propose_time interval,
    commits bigint,
    commit_bytes bigint,
    fsyncs bigint,
    fsync_time interval,
    fsync_time_max interval,
    last_fsync timestamptz,
    last_fsync_time interval,
    elections bigint,
    elections_won bigint,
    leader_changes bigint,
    snapshots_taken bigint,
    snapshots_sent bigint,
    snapshots_received bigint,
    stats_since timestamptz,
    alarm text,
    cluster_version int,
    newest_version int)
AS 'MODULE_PATHNAME', 'pgraft_stat_get_node'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION pgraft_stat_get_node IS
'serves the view pgraft_stat_node';

CREATE OR REPLACE VIEW pgraft_stat_node AS
    SELECT * FROM pgraft_stat_get_node();

DROP FUNCTION pgraft_stat_get_node_1_0();

ALTER FUNCTION pgraft_stat_get_peers() RENAME TO pgraft_stat_get_peers_1_0;

CREATE FUNCTION pgraft_stat_get_peers()
RETURNS TABLE (
    node_id int,
    address text,
    state text,
    match_index bigint,
    last_heard interval,
    connected boolean,
    connection_since timestamptz,
    messages_sent bigint,
    messages_received bigint,
    bytes_sent bigint,
    bytes_received bigint,
    sends_dropped bigint,
    receives_dropped bigint,
    queue_messages bigint,
    queue_bytes bigint,
    last_error text,
    tls_version text,
    tls_cipher text,
    certificate_subject text,
    certificate_expiry timestamptz,
    alarm text,
    newest_version int,
    connection_version int)
AS 'MODULE_PATHNAME', 'pgraft_stat_get_peers'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_stat_get_peers IS
'serves the view pgraft_stat_peers';

CREATE OR REPLACE VIEW pgraft_stat_peers AS
    SELECT * FROM pgraft_stat_get_peers();

DROP FUNCTION pgraft_stat_get_peers_1_0();
