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

--
-- Failover
--

CREATE FUNCTION pgraft_enable_failover()
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_enable_failover'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_enable_failover IS
'has the cluster fail over from now on, with this server as the primary';

CREATE FUNCTION pgraft_disable_failover()
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_disable_failover'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_disable_failover IS
'ends failover; each server goes on as what it is';

CREATE FUNCTION pgraft_failover_settings(
    INOUT mode text DEFAULT NULL,
    INOUT durability text DEFAULT NULL,
    INOUT sync_count int DEFAULT NULL,
    INOUT failover_delay interval DEFAULT NULL,
    INOUT sync_timeout interval DEFAULT NULL,
    INOUT maximum_lag bigint DEFAULT NULL)
AS 'MODULE_PATHNAME', 'pgraft_failover_settings'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_failover_settings IS
'changes the cluster''s settings of failover, where an argument is not null, and returns all of them';

CREATE FUNCTION pgraft_switchover(
    node_id int DEFAULT NULL,
    timeout interval DEFAULT '1 minute')
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_switchover'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_switchover IS
'has a standby take over from the primary, without loss; returns when it serves';

CREATE FUNCTION pgraft_failover(
    node_id int,
    allow_data_loss text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_failover_to'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_failover IS
'has a standby become the primary; what that may lose is given up only if the cluster_id is repeated';

CREATE FUNCTION pgraft_clear_quarantine(node_id int)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_clear_quarantine'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_clear_quarantine IS
'has the data of a member that was quarantined be used again';

CREATE FUNCTION pgraft_get_primary()
RETURNS integer
AS 'MODULE_PATHNAME', 'pgraft_get_primary'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_get_primary IS
'node_id of the primary whose epoch is open, as far as this node knows, or 0';

REVOKE ALL ON FUNCTION pgraft_enable_failover FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_disable_failover FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_failover_settings FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_switchover FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_failover FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_clear_quarantine FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_primary FROM PUBLIC;

GRANT EXECUTE ON FUNCTION pgraft_get_primary TO pg_monitor;

-- Open to all, and checks for SELECT on the view, as for pgraft_get_nodes.
CREATE FUNCTION pgraft_stat_get_failover()
RETURNS TABLE (
    node_id int,
    role text,
    state text,
    epoch bigint,
    timeline bigint,
    "position" pg_lsn,
    lag bigint,
    in_sync_set boolean,
    electable boolean,
    why_not text)
AS 'MODULE_PATHNAME', 'pgraft_stat_get_failover'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_stat_get_failover IS
'serves the view pgraft_stat_failover';

CREATE VIEW pgraft_stat_failover AS
    SELECT * FROM pgraft_stat_get_failover();
COMMENT ON VIEW pgraft_stat_failover IS
'what each member is for failover; no rows on a server that takes no part';

CREATE FUNCTION pgraft_stat_get_failover_history()
RETURNS TABLE (
    epoch bigint,
    node_id int,
    timeline bigint,
    from_epoch bigint,
    from_position pg_lsn,
    granted_index bigint,
    opened_index bigint,
    bytes_given_up bigint,
    given_up text)
AS 'MODULE_PATHNAME', 'pgraft_stat_get_failover_history'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 64;
COMMENT ON FUNCTION pgraft_stat_get_failover_history IS
'serves the view pgraft_failover_history';

CREATE VIEW pgraft_failover_history AS
    SELECT * FROM pgraft_stat_get_failover_history();
COMMENT ON VIEW pgraft_failover_history IS
'the last epochs, the newest first: whose each was, where it began, and what was given up for it';

GRANT SELECT ON pgraft_stat_failover TO pg_monitor;
GRANT SELECT ON pgraft_failover_history TO pg_monitor;
