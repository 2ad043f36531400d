/* pgext/pgraft--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pgraft" to load this file. \quit

--
-- Changing the cluster: not for everybody
--

CREATE FUNCTION pgraft_init(bootstrap boolean DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_init'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_init IS
'starts this server''s Raft node, now and at every start from then on';

CREATE FUNCTION pgraft_add_node(node_id int, address text, port int)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_add_node'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_add_node IS
'adds a node to the cluster, as a learner that becomes a voter once it has caught up';

CREATE FUNCTION pgraft_remove_node(node_id int)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_remove_node'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_remove_node IS
'removes a node from the cluster';

CREATE FUNCTION pgraft_transfer_leadership(node_id int DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_transfer_leadership'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_transfer_leadership IS
'hands leadership to a voter, by default to the most caught-up one';

CREATE FUNCTION pgraft_recover_from_lost_quorum(confirm text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_recover_from_lost_quorum'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_recover_from_lost_quorum IS
'the last resort when a majority is gone for good: makes this node a cluster of its own; confirm is the cluster_id';

CREATE FUNCTION pgraft_propose(
    data text,
    request_id uuid DEFAULT NULL)
RETURNS TABLE (
    index bigint,
    term bigint)
AS 'MODULE_PATHNAME', 'pgraft_propose'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION pgraft_propose IS
'replicates an entry once for each request_id and says where in the log it is';

CREATE FUNCTION pgraft_replicate_entry(data text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_replicate_entry'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_replicate_entry IS
'replicates an entry and waits until it is committed; not undone by ROLLBACK';

CREATE FUNCTION pgraft_set_debug(enabled boolean)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_set_debug'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_set_debug IS
'turns debug messages of this node in the server log on or off';

CREATE FUNCTION pgraft_trace_save(path text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgraft_trace_save'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_trace_save IS
'copies the flight recorder''s files into a new directory on the server, and returns their bytes';
REVOKE ALL ON FUNCTION pgraft_trace_save FROM PUBLIC;

REVOKE ALL ON FUNCTION pgraft_init FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_add_node FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_remove_node FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_transfer_leadership FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_recover_from_lost_quorum FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_propose FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_replicate_entry FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_set_debug FROM PUBLIC;

--
-- Looking at the cluster: for monitoring
--
-- VOLATILE, since what they return changes within a statement.
--

CREATE FUNCTION pgraft_get_leader()
RETURNS integer
AS 'MODULE_PATHNAME', 'pgraft_get_leader'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_get_leader IS
'node_id of the leader that this node knows of, or 0';

CREATE FUNCTION pgraft_get_term()
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgraft_get_term'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_get_term IS
'Raft term that this node is in';

CREATE FUNCTION pgraft_get_worker_state()
RETURNS text
AS 'MODULE_PATHNAME', 'pgraft_get_worker_state'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_get_worker_state IS
'initializing, running, stopped or error';

CREATE FUNCTION pgraft_get_nodes()
RETURNS TABLE (
    node_id int,
    address text,
    port int,
    is_leader boolean)
AS 'MODULE_PATHNAME', 'pgraft_get_nodes'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_get_nodes IS
'members of the cluster, ordered by node_id';

CREATE FUNCTION pgraft_get_cluster_status()
RETURNS TABLE (
    node_id int,
    address text,
    port int,
    is_leader boolean,
    state text,
    term bigint,
    commit_index bigint,
    last_log_index bigint,
    last_heartbeat text)
AS 'MODULE_PATHNAME', 'pgraft_get_cluster_status'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_get_cluster_status IS
'members of the cluster with their state, as this node sees them';

CREATE FUNCTION pgraft_log_get_stats()
RETURNS TABLE (
    log_size bigint,
    last_index bigint,
    commit_index bigint,
    last_applied bigint)
AS 'MODULE_PATHNAME', 'pgraft_log_get_stats'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION pgraft_log_get_stats IS
'size in bytes and indexes of this node''s log; one row';

CREATE FUNCTION pgraft_log_get_entry(index bigint)
RETURNS text
AS 'MODULE_PATHNAME', 'pgraft_log_get_entry'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_log_get_entry IS
'data of the log entry at an index; NULL for an entry of Raft''s own';

CREATE FUNCTION pgraft_log_get_replication_status()
RETURNS TABLE (
    node_id int,
    match_index bigint,
    next_index bigint,
    is_replicating boolean,
    last_heartbeat text)
AS 'MODULE_PATHNAME', 'pgraft_log_get_replication_status'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_log_get_replication_status IS
'progress of each follower on the leader; no rows elsewhere';

CREATE FUNCTION pgraft_log_entries(first bigint, last bigint)
RETURNS TABLE (
    index bigint,
    term bigint,
    kind text,
    data text)
AS 'MODULE_PATHNAME', 'pgraft_log_entries'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_log_entries IS
'the log from first to last, as far as this node has applied it; data is NULL for Raft''s own';

CREATE FUNCTION pgraft_confirm_leader()
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgraft_confirm_leader'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_confirm_leader IS
'asks a quorum whether this node leads; returns the term, a fencing token';

CREATE FUNCTION pgraft_read_barrier()
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgraft_read_barrier'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_read_barrier IS
'waits until this node has applied everything that was committed before the call';

CREATE FUNCTION pgraft_wait_applied(
    index bigint,
    timeout interval DEFAULT '10s')
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_wait_applied'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_wait_applied IS
'waits until this node has applied the entry at an index; false if it did not in time';

CREATE FUNCTION pgraft_health_check()
RETURNS TABLE (
    metric text,
    value text,
    status text)
AS 'MODULE_PATHNAME', 'pgraft_health_check'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_health_check IS
'how this node does; status is ok, warning, critical or unknown';

REVOKE ALL ON FUNCTION pgraft_log_entries FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_confirm_leader FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_read_barrier FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_wait_applied FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_health_check FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_leader FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_term FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_worker_state FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_nodes FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_cluster_status FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_log_get_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_log_get_entry FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_log_get_replication_status FROM PUBLIC;

GRANT EXECUTE ON FUNCTION pgraft_log_entries TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_confirm_leader TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_read_barrier TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_wait_applied TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_health_check TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_get_leader TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_get_term TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_get_worker_state TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_get_nodes TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_get_cluster_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_log_get_stats TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_log_get_entry TO pg_monitor;
GRANT EXECUTE ON FUNCTION pgraft_log_get_replication_status TO pg_monitor;

-- The view's reader executes its function with rights of his own, so this one
-- is open to all and checks for SELECT on the view.
CREATE FUNCTION pgraft_get_nodes_for_view()
RETURNS TABLE (
    node_id int,
    address text,
    port int,
    is_leader boolean)
AS 'MODULE_PATHNAME', 'pgraft_get_nodes_for_view'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_get_nodes_for_view IS
'serves the view pgraft_get_nodes';

CREATE VIEW pgraft_get_nodes AS
    SELECT node_id, address, port, is_leader FROM pgraft_get_nodes_for_view();
COMMENT ON VIEW pgraft_get_nodes IS
'members of the cluster, ordered by node_id';
GRANT SELECT ON pgraft_get_nodes TO pg_monitor;

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
    stats_since timestamptz)
AS 'MODULE_PATHNAME', 'pgraft_stat_get_node'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION pgraft_stat_get_node IS
'serves the view pgraft_stat_node';

CREATE VIEW pgraft_stat_node AS
    SELECT * FROM pgraft_stat_get_node();
COMMENT ON VIEW pgraft_stat_node IS
'this node''s state, and what it has counted since its engine started; one row';
GRANT SELECT ON pgraft_stat_node TO pg_monitor;

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
    certificate_expiry timestamptz)
AS 'MODULE_PATHNAME', 'pgraft_stat_get_peers'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION pgraft_stat_get_peers IS
'serves the view pgraft_stat_peers';

CREATE VIEW pgraft_stat_peers AS
    SELECT * FROM pgraft_stat_get_peers();
COMMENT ON VIEW pgraft_stat_peers IS
'the other members and the connections to them; a row for each';
GRANT SELECT ON pgraft_stat_peers TO pg_monitor;

--
-- For health checks and everybody else
--

CREATE FUNCTION pgraft_is_leader()
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_is_leader'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_is_leader IS
'true only while this node holds a valid leader lease';

CREATE FUNCTION pgraft_get_version()
RETURNS text
AS 'MODULE_PATHNAME', 'pgraft_get_version'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION pgraft_get_version IS
'version of the installed library';

--
-- Applying committed entries
--

-- There already for who wants the functions in it too.
DO $$
BEGIN
    IF pg_catalog.current_schema() <> 'pgraft' THEN
        CREATE SCHEMA pgraft;
    END IF;
END $$;

CREATE TABLE pgraft.apply_function (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- text, since regprocedure would bar pg_upgrade
    apply text NOT NULL,
    export text,
    import text,
    CHECK ((export IS NULL) = (import IS NULL)),
    registered_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE pgraft.apply_function IS
'the function that is called for each committed entry';

CREATE TABLE pgraft.apply_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    index bigint NOT NULL DEFAULT 0,
    term bigint NOT NULL DEFAULT 0,
    applied_at timestamptz NOT NULL DEFAULT now(),
    cluster uuid NOT NULL)
WITH (fillfactor = 10);
COMMENT ON TABLE pgraft.apply_progress IS
'the last entry that this database has applied, of which cluster';

CREATE TABLE pgraft.apply_skipped (
    index bigint PRIMARY KEY,
    skipped_by text NOT NULL,
    skipped_at timestamptz NOT NULL DEFAULT now(),
    sqlstate text NOT NULL,
    error text NOT NULL);
COMMENT ON TABLE pgraft.apply_skipped IS
'entries that pgraft_apply_skip() has passed over';

-- A dump says how far its tables are, but not which function is registered:
-- nothing is to be applied into tables that are half restored.
SELECT pg_catalog.pg_extension_config_dump('pgraft.apply_progress', '');
SELECT pg_catalog.pg_extension_config_dump('pgraft.apply_skipped', '');

GRANT USAGE ON SCHEMA pgraft TO pg_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA pgraft TO pg_monitor;

CREATE FUNCTION pgraft_set_apply_function(
    apply regprocedure,
    export regprocedure DEFAULT NULL,
    import regprocedure DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'pgraft_set_apply_function'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_set_apply_function IS
'has a function called for each committed entry, as its owner; NULL for none; export and import fill one node''s tables from another''s';

CREATE FUNCTION pgraft_apply_skip(index bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'pgraft_apply_skip'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_apply_skip IS
'passes over the entry that this node cannot apply';

REVOKE ALL ON FUNCTION pgraft_set_apply_function FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_apply_skip FROM PUBLIC;

-- Open to all, and checks for SELECT on the view, as for pgraft_get_nodes.
CREATE FUNCTION pgraft_stat_apply_for_view()
RETURNS TABLE (
    database text,
    pid int,
    state text,
    function text,
    applied_index bigint,
    lag_entries bigint,
    applied_entries bigint,
    last_applied timestamptz,
    failing_index bigint,
    failing_since timestamptz,
    retries bigint,
    next_retry timestamptz,
    last_error_sqlstate text,
    last_error text)
AS 'MODULE_PATHNAME', 'pgraft_stat_apply_for_view'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION pgraft_stat_apply_for_view IS
'serves the view pgraft_stat_apply';

CREATE VIEW pgraft_stat_apply AS
    SELECT * FROM pgraft_stat_apply_for_view();
COMMENT ON VIEW pgraft_stat_apply IS
'what this node''s apply worker does, and its last error; one row';
GRANT SELECT ON pgraft_stat_apply TO pg_monitor;
