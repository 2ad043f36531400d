# A dump has the tables and how far they are, and nothing is applied to them where
# it is restored until somebody says so. pg_upgrade carries everything in the
# database over; the node's own files are moved along, and it goes on where it was.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Pgraft;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = raft_server(1);
$old->start;
raft_init($old);
raft_leads($old);
$old->safe_psql('postgres', "SELECT pgraft_replicate_entry('before the upgrade')");
$old->safe_psql('postgres', 'CREATE ROLE watcher; GRANT SELECT ON pgraft_get_nodes TO watcher;');
$old->safe_psql('postgres', apply_tables());
$old->safe_psql('postgres',
	"SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)'); SELECT pgraft_replicate_entry('before the dump');");
raft_log($old);
my $state = "SELECT (SELECT string_agg(data, ', ' ORDER BY place) FROM applied), p.index, p.term, p.cluster FROM pgraft.apply_progress p";
my $dumped = $old->safe_psql('postgres', $state);
like($dumped, qr/^before the upgrade, before the dump\|/, 'applied before the dump');

my $dump = $old->basedir . '/dump.sql';
command_ok([ 'pg_dump', '--no-sync', '--file', $dump, '--dbname', $old->connstr('postgres') ], 'pg_dump');
$old->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $old->connstr('restored') ],
	'the dump is restored');
is($old->safe_psql('restored', 'SELECT count(*) FROM pgraft_get_nodes'), '1', 'the extension works there');
is($old->safe_psql('restored', "SELECT has_table_privilege('watcher', 'pgraft_get_nodes', 'SELECT')"),
	't', 'and has its grants');
is($old->safe_psql('restored', $state), $dumped, 'the tables are as far as they say');
is($old->safe_psql('restored', 'SELECT count(*) FROM pgraft.apply_function'), '0', 'no function is registered');

# the restored database in the place of the other
$old->safe_psql('postgres', "SELECT pgraft_replicate_entry('after the dump')");
$old->append_conf('postgresql.conf', "pgraft.database = 'restored'");
$old->restart;
raft_leads($old);
is($old->safe_psql('restored', "SELECT pgraft_replicate_entry('restored'), state FROM pgraft_stat_apply"), 't|idle', 'nothing is applied yet');
is($old->safe_psql('restored', $state), $dumped, 'really nothing');
$old->safe_psql('restored', "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')");
raft_log($old, 'restored');
like($old->safe_psql('restored', $state), qr/^before the upgrade, before the dump, after the dump, restored\|/, 'everything is, once');
my $settings = $old->safe_psql('postgres',
	"SELECT string_agg(name || ' = ''' || setting || '''', E'\\n') FROM pg_settings WHERE name LIKE 'pgraft.%' AND source = 'configuration file'");

$old->stop;

my $new = PostgreSQL::Test::Cluster->new('upgraded');
$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'pgraft'\n$settings\n");
my $bindir = $new->config_data('--bindir');
my $run = $new->basedir . '/run';
mkdir $run or die "$run: $!";
chdir $run or die "$run: $!";
command_ok(
	[
		'pg_upgrade', '--no-sync',
		'-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $bindir, '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port
	],
	'pg_upgrade');
for my $file ('pgraft', 'pgraft.initialized')
{
	rename $old->data_dir . "/$file", $new->data_dir . "/$file" or die "$file: $!";
}
$new->start;
raft_leads($new);
is(raft_log($new), "before the upgrade\nbefore the dump\nafter the dump\nrestored", 'the node goes on where it was');
is($new->safe_psql('postgres', "SELECT pgraft_replicate_entry('after it')"), 't', 'and replicates');
raft_log($new, 'restored');
like($new->safe_psql('restored', $state), qr/^before the upgrade, before the dump, after the dump, restored, after it\|/, 'and applies');
is($new->safe_psql('postgres', "SELECT has_table_privilege('watcher', 'pgraft_get_nodes', 'SELECT')"),
	't', 'grants are kept');

$new->stop;
done_testing();
