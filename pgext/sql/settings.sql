-- Settings refuse nonsense when they are set, and show their units.
SHOW pgraft.election_timeout;
SHOW pgraft.max_entry_size;
SELECT name, vartype, unit, context, min_val, max_val FROM pg_settings
    WHERE name LIKE 'pgraft.%' ORDER BY name COLLATE "C";

SET pgraft.node_id = 2;
SET pgraft.election_timeout = '2s';
SET pgraft.propose_timeout = '0';
SET pgraft.propose_timeout = '250ms';
SHOW pgraft.propose_timeout;
RESET pgraft.propose_timeout;
SET pgraft.max_entry_size = '1GB';
SET pgraft.max_entry_size = '1kB';
SELECT pgraft_replicate_entry(repeat('x', 1025));
RESET pgraft.max_entry_size;

ALTER SYSTEM SET pgraft.port = 0;
ALTER SYSTEM SET pgraft.cluster_id = '';
ALTER SYSTEM SET pgraft.cluster_id = 'two words';
ALTER SYSTEM SET pgraft.address = '';
ALTER SYSTEM SET pgraft.data_dir = '';
ALTER SYSTEM SET pgraft.ssl_enabled = 'maybe';
ALTER SYSTEM SET pgraft.ssl_key_file = E'a\tb';
ALTER SYSTEM SET pgraft.http_listen = '10.0.0.1';
ALTER SYSTEM SET pgraft.http_listen = 'db1:0';
ALTER SYSTEM SET pgraft.http_listen = '[db1]:8008';
ALTER SYSTEM SET pgraft.http_listen = 'fd00::1:8008';
ALTER SYSTEM SET pgraft.http_listen = ':8008';
SELECT set_config('pgraft.ssl_cert_file', 'x', false);
ALTER SYSTEM SET pgraft.log_level = 'loud';
ALTER SYSTEM SET pgraft.election_timeout = '200ms';
ALTER SYSTEM SET pgraft.heartbeat_interval = '500ms';
ALTER SYSTEM SET pgraft.retain_size = '0';
SET pgraft.no_such_setting = 1;
