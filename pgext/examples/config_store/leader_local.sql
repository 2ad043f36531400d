-- The store as many write it at first: config_set() checks that it runs on the
-- leader, replicates the change, and then writes the tables of its own server.
-- README.md says what this does not give; config_store.sql does. Run it on each
-- node; it registers nothing.

CREATE SCHEMA leader_local;

CREATE TABLE leader_local.config_store (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    version bigint NOT NULL);

CREATE TABLE leader_local.config_history (
    key text NOT NULL,
    version bigint NOT NULL,
    value jsonb,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, version));

CREATE FUNCTION leader_local.config_set(key text, value jsonb, "user" text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = leader_local, public, pg_temp
AS $$
DECLARE
    next bigint;
BEGIN
    IF NOT pgraft_is_leader() THEN
        RAISE EXCEPTION 'this node does not lead'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('The leader is node %s.', pgraft_get_leader());
    END IF;
    -- two writers would read the same version
    LOCK TABLE config_history IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(max(h.version), 0) + 1 INTO next
      FROM config_history h WHERE h.key = config_set.key;
    PERFORM pgraft_replicate_entry(format('leader_local %s',
        jsonb_build_object('key', key, 'value', value, 'user', "user", 'version', next)));
    INSERT INTO config_history VALUES (key, next, value, "user");
    INSERT INTO config_store VALUES (key, value, next)
    ON CONFLICT ON CONSTRAINT config_store_pkey DO UPDATE
       SET value = excluded.value, version = excluded.version;
    RETURN true;
END $$;

CREATE FUNCTION leader_local.config_get(key text)
RETURNS jsonb
LANGUAGE sql
STABLE
SET search_path = leader_local, public, pg_temp
AS $$
    SELECT s.value FROM config_store s WHERE s.key = config_get.key;
$$;
