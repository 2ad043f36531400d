-- One node, from CREATE EXTENSION to a log that can be read. What differs from
-- run to run (ports, times) is not shown.
CREATE EXTENSION pgraft;
SELECT pgraft_get_version();
SELECT pgraft_get_worker_state();

-- before pgraft_init() nothing is there, and says so
SELECT pgraft_is_leader(), pgraft_get_leader(), pgraft_get_term();
SELECT pgraft_replicate_entry('too early');
SELECT * FROM pgraft_get_nodes();

SELECT pgraft_init();
SELECT pgraft_init();
SELECT pgraft_init(bootstrap => true);
SELECT pgraft_init(false);
SELECT pgraft_is_leader(), pgraft_get_leader(), pgraft_get_worker_state();
SELECT node_id, address, port = current_setting('pgraft.port')::int AS port, is_leader FROM pgraft_get_nodes();
SELECT node_id, is_leader, state, term = pgraft_get_term() AS term, commit_index = last_log_index AS committed
    FROM pgraft_get_cluster_status();
SELECT * FROM pgraft_log_get_replication_status();

-- the log
SELECT pgraft_replicate_entry('first');
SELECT pgraft_replicate_entry('');
SELECT pgraft_replicate_entry(E'line\nline');
SELECT pgraft_replicate_entry(NULL);
SELECT pgraft_replicate_entry(repeat('x', 1024 * 1024 + 1));
SELECT p.index = (SELECT last_applied FROM pgraft_log_get_stats()) AS last, p.term = pgraft_get_term() AS term
    FROM pgraft_propose('second', 'b2e0a2f4-5c41-4cf4-9a43-3f86a5d1a001') AS p;
SELECT a.index = b.index AS same_index, a.term = b.term AS same_term
    FROM pgraft_propose('second', 'b2e0a2f4-5c41-4cf4-9a43-3f86a5d1a001') AS a,
         pgraft_propose('second', 'b2e0a2f4-5c41-4cf4-9a43-3f86a5d1a001') AS b;
SELECT kind, data FROM pgraft_log_entries(1, 100) ORDER BY index;
SELECT pgraft_log_get_entry(1) IS NULL AS raft_own;
SELECT pgraft_log_get_entry(0);
SELECT pgraft_log_get_entry(1000000);
SELECT pgraft_log_get_entry(NULL);
SELECT log_size > 0 AS log_size, last_index = commit_index AS committed, last_applied = commit_index AS applied
    FROM pgraft_log_get_stats();

-- reads
SELECT pgraft_read_barrier() = commit_index AS read_point FROM pgraft_log_get_stats();
SELECT pgraft_confirm_leader() = pgraft_get_term() AS confirmed;
SELECT pgraft_wait_applied(1), pgraft_wait_applied(1000000, '0'), pgraft_wait_applied(1000000, '10ms');
SELECT pgraft_wait_applied(1, '-1 day');
SELECT pgraft_wait_applied(1, '-1 microsecond');
SELECT pgraft_wait_applied(1, '1 day -1 hour');
SELECT pgraft_wait_applied(0);

-- members
SELECT pgraft_add_node(0, '127.0.0.1', 7002);
SELECT pgraft_add_node(2, '', 7002);
SELECT pgraft_add_node(2, 'two words', 7002);
SELECT pgraft_add_node(2, '127.0.0.1', 70000);
SELECT pgraft_add_node(2, '127.0.0.1', NULL);
SELECT pgraft_remove_node(2);
SELECT pgraft_remove_node(1);
SELECT pgraft_replace_node(2, 3, '127.0.0.1', 7003);
SELECT pgraft_replace_node(1, 0, '127.0.0.1', 7003);
SELECT pgraft_transfer_leadership(1);
SELECT pgraft_transfer_leadership(2);
SELECT pgraft_transfer_leadership();
SELECT pgraft_recover_from_lost_quorum('something else');
SELECT pgraft_recover_from_lost_quorum('regress');

-- failover, on a server that takes no part
SELECT pgraft_enable_failover();
SELECT pgraft_disable_failover();
SELECT * FROM pgraft_failover_settings();
SELECT * FROM pgraft_failover_settings(sync_count => 0);
SELECT pgraft_failover_settings(mode => 'off');
SELECT pgraft_failover_settings(mode => E'on\nmode=manual');
SELECT pgraft_failover_settings(durability => 'none');
SELECT pgraft_failover_settings(sync_count => -1);
SELECT pgraft_failover_settings(failover_delay => '2 days');
SELECT pgraft_failover_settings(sync_timeout => '-1 s');
SELECT pgraft_failover_settings(maximum_lag => 3);
SELECT pgraft_get_primary();
SELECT * FROM pgraft_stat_failover;
SELECT * FROM pgraft_failover_history;
SELECT pgraft_switchover();
SELECT pgraft_switchover(0);
SELECT pgraft_switchover(1, '0');
SELECT pgraft_failover(1);
SELECT pgraft_failover(1, '');
SELECT pgraft_failover(1, allow_data_loss => 'something else');
SELECT pgraft_failover(NULL);
SELECT pgraft_clear_quarantine(1);

SELECT pgraft_set_debug(true), pgraft_set_debug(false);
