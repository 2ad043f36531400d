/* pgext/t/upgrade/pgraft--0.9--1.0.sql */

-- From a version that never was, for t/005_extension.pl; it is not installed.

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION pgraft UPDATE TO '1.0'" to load this file. \quit

CREATE FUNCTION pgraft_wait_applied(
    index bigint,
    timeout interval DEFAULT '10s')
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgraft_wait_applied'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION pgraft_wait_applied IS
'waits until this node has applied the entry at an index; false if it did not in time';
REVOKE ALL ON FUNCTION pgraft_wait_applied FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgraft_wait_applied TO pg_monitor;

COMMENT ON TABLE pgraft.apply_function IS
'the function that is called for each committed entry';
