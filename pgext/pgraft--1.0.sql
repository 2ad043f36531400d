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
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
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
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
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
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_log_get_replication_status IS
'progress of each follower on the leader; no rows elsewhere';

REVOKE ALL ON FUNCTION pgraft_get_leader FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_term FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_worker_state FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_nodes FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_get_cluster_status FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_log_get_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_log_get_entry FROM PUBLIC;
REVOKE ALL ON FUNCTION pgraft_log_get_replication_status FROM PUBLIC;

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
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_get_nodes_for_view IS
'serves the view pgraft_get_nodes';

CREATE VIEW pgraft_get_nodes AS
    SELECT node_id, address, port, is_leader FROM pgraft_get_nodes_for_view();
COMMENT ON VIEW pgraft_get_nodes IS
'members of the cluster, ordered by node_id';
GRANT SELECT ON pgraft_get_nodes TO pg_monitor;

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
