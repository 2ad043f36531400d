-- The extension makes no roles; a site does, and grants without argument lists.
CREATE ROLE pgraft_admin;
CREATE ROLE pgraft_monitor;
GRANT EXECUTE ON FUNCTION pgraft_remove_node TO pgraft_admin;
GRANT SELECT ON pgraft_get_nodes, pgraft_stat_node, pgraft_stat_peers TO pgraft_monitor;

SELECT proname FROM pg_proc WHERE proname LIKE 'pgraft\_%' AND has_function_privilege('pgraft_monitor', oid, 'EXECUTE')
    ORDER BY proname COLLATE "C";
SELECT proname FROM pg_proc WHERE proname LIKE 'pgraft\_%' AND has_function_privilege('pg_monitor', oid, 'EXECUTE')
    AND NOT has_function_privilege('pgraft_monitor', oid, 'EXECUTE') ORDER BY proname COLLATE "C";
SELECT proname FROM pg_proc WHERE proname LIKE 'pgraft\_%' AND NOT has_function_privilege('pg_monitor', oid, 'EXECUTE')
    ORDER BY proname COLLATE "C";
SELECT proname FROM pg_proc WHERE proname LIKE 'pgraft\_%' GROUP BY proname HAVING count(*) > 1;

SET ROLE pgraft_monitor;
SELECT count(*) FROM pgraft_get_nodes;
SELECT count(*) FROM pgraft_stat_node;
SELECT count(*) FROM pgraft_stat_peers;
SELECT pgraft_is_leader();
SELECT count(*) FROM pgraft_get_nodes();
SELECT pgraft_remove_node(9);
SELECT pgraft_replicate_entry('by a monitor');
SET ROLE pgraft_admin;
SELECT pgraft_remove_node(9);
SELECT pgraft_add_node(9, '127.0.0.1', 1);
SELECT count(*) FROM pgraft_get_nodes;
SELECT count(*) FROM pgraft_stat_get_node();
RESET ROLE;
DROP OWNED BY pgraft_admin, pgraft_monitor;
DROP ROLE pgraft_admin, pgraft_monitor;
