-- A configuration store that is the same on every node. Run this on each node,
-- in the database that pgraft.database names:
--
--     psql -d postgres -v ON_ERROR_STOP=1 -1 -f config_store.sql
--
-- A write goes into the log and nowhere else. Every node's apply worker reads
-- the log and calls config_apply() for each entry, in the same order, so every
-- node computes the same versions. See README.md.

-- What is in force now.
CREATE TABLE config_store (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    version bigint NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL);

-- Every change ever made; value is NULL where the key was deleted. The request
-- is what makes a retried write count once.
CREATE TABLE config_history (
    key text NOT NULL,
    version bigint NOT NULL,
    value jsonb,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    request uuid NOT NULL UNIQUE,
    log_index bigint NOT NULL UNIQUE,
    PRIMARY KEY (key, version));

-- Called for each entry of the log on every node, and by nobody else. It must do
-- the same on all of them: it uses the entry and these tables, and neither the
-- clock, nor random numbers, nor settings of the server. The log may hold other
-- entries too; ours begin with the word config.
CREATE FUNCTION config_apply(index bigint, term bigint, data text)
RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    change jsonb;
    recorded config_history;
BEGIN
    IF data NOT LIKE 'config {%' THEN
        RETURN;
    END IF;
    change := substr(data, length('config ') + 1)::jsonb;

    -- The version is counted here, where one entry comes after the other, and
    -- not in config_set(), where two writers would count the same.
    INSERT INTO config_history
    SELECT change->>'key', coalesce(max(h.version), 0) + 1, change->'value',
           change->>'user', (change->>'at')::timestamptz,
           (change->>'request')::uuid, config_apply.index
      FROM config_history h
     WHERE h.key = change->>'key'
    ON CONFLICT (request) DO NOTHING
    RETURNING * INTO recorded;
    IF NOT FOUND THEN
        RETURN;                 -- a retry of what is in the history already
    END IF;

    IF recorded.value IS NULL THEN
        DELETE FROM config_store s WHERE s.key = recorded.key;
    ELSE
        INSERT INTO config_store
        VALUES (recorded.key, recorded.value, recorded.version, recorded.changed_by, recorded.changed_at)
        ON CONFLICT (key) DO UPDATE
           SET value = excluded.value, version = excluded.version,
               changed_by = excluded.changed_by, changed_at = excluded.changed_at;
    END IF;
END $$;

-- Puts a change into the log. All that can be wrong with it is found here: an
-- entry that config_apply() cannot apply would stop every node.
CREATE FUNCTION config_change(change jsonb, request uuid)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF change->>'key' IS NULL OR change->>'user' IS NULL OR request IS NULL THEN
        RAISE EXCEPTION 'key, user and request must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF octet_length(change->>'key') > 1000 THEN
        RAISE EXCEPTION 'the key is too long'
            USING ERRCODE = 'program_limit_exceeded',
                  DETAIL = 'A key has at most 1000 bytes.';
    END IF;
    RETURN pgraft_replicate_entry(format('config %s',
        change || jsonb_build_object('request', request, 'at', clock_timestamp())));
END $$;

-- True: the change is committed by a majority, and every node applies it. After
-- an error of SQLSTATE 40003, or if the connection was lost, call it again with
-- the same request until it is true: the change is recorded once.
CREATE FUNCTION config_set(key text, value jsonb, "user" text,
                           request uuid DEFAULT gen_random_uuid())
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    IF value IS NULL THEN
        RAISE EXCEPTION 'value must not be null'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Use config_delete() to remove a key.';
    END IF;
    RETURN config_change(jsonb_build_object('key', key, 'value', value, 'user', "user"), request);
END $$;

CREATE FUNCTION config_delete(key text, "user" text DEFAULT session_user,
                              request uuid DEFAULT gen_random_uuid())
RETURNS boolean
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT config_change(jsonb_build_object('key', key, 'user', "user"), request);
$$;

-- NULL if there is no such key. Reads this node's table.
CREATE FUNCTION config_get(key text)
RETURNS jsonb
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT s.value FROM config_store s WHERE s.key = config_get.key;
$$;

-- Writing is for those who are granted it.
REVOKE ALL ON FUNCTION config_apply, config_change, config_set, config_delete FROM PUBLIC;

SELECT pgraft_set_apply_function('config_apply(bigint,bigint,text)');
