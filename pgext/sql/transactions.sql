-- Replicating is not undone, whatever becomes of the transaction.
BEGIN;
SELECT pgraft_replicate_entry('rolled back');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT pgraft_replicate_entry('savepoint');
ROLLBACK TO s;
COMMIT;
BEGIN READ ONLY;
SELECT pgraft_replicate_entry('read only');
SELECT count(*) > 0 AS barrier FROM pgraft_read_barrier();
COMMIT;
BEGIN;
SELECT pgraft_replicate_entry('before an error'), 1 / (random() * 0)::int;
ROLLBACK;
DO $$
BEGIN
    PERFORM pgraft_replicate_entry('in a block');
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    PERFORM pgraft_replicate_entry('in its handler');
END $$;
SELECT data FROM pgraft_log_entries(1, 1000) WHERE kind = 'data'
    AND data IN ('rolled back', 'savepoint', 'read only', 'before an error', 'in a block', 'in its handler') ORDER BY index;

-- several at once, and in the order of the query
SELECT count(*) FROM generate_series(1, 20) AS i, pgraft_propose('of a query ' || i);
SELECT count(*) FROM pgraft_log_entries(1, 1000) WHERE data LIKE 'of a query %';
-- a long wait ends when it is told to
SET statement_timeout = '100ms';
SELECT pgraft_wait_applied(1000000, '1h');
RESET statement_timeout;
