-- The counters have types to compute with, and the check has a row for each
-- metric. How fast and how full this machine's disk is, is not looked at.
SELECT metric, CASE WHEN metric IN ('disk_free', 'last_fsync') THEN status IN ('ok', 'warning', 'critical') ELSE status = 'ok' END AS fine
    FROM pgraft_health_check();
SELECT node_id, worker_state, role, leader_node, term > 0 AS term, commit_index = last_index AS committed,
    applied_index = commit_index AS applied, first_index, log_bytes > 0 AS log_bytes,
    lease_left BETWEEN '0' AND current_setting('pgraft.election_timeout')::interval AS lease,
    proposals > 0 AS proposals, proposals_failed, propose_time > '0' AS propose_time, commits > 0 AS commits,
    fsyncs > 0 AS fsyncs, fsync_time >= fsync_time_max AS fsync_time, last_fsync <= clock_timestamp() AS last_fsync,
    elections_won, leader_changes, snapshots_sent, snapshots_received, stats_since < clock_timestamp() AS since, alarm, cluster_version, newest_version
    FROM pgraft_stat_node;
SELECT count(*) FROM pgraft_stat_peers;
DROP EXTENSION pgraft;
SELECT count(*) FROM pg_proc WHERE proname LIKE 'pgraft\_%';
CREATE EXTENSION pgraft;
SELECT pgraft_is_leader();
