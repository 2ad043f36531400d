# pg_upgrade carries the extension over; the node's own files are moved along,
# and the node goes on where it was. pg_dump makes the extension anew.
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
my $settings = $old->safe_psql('postgres',
	"SELECT string_agg(name || ' = ''' || setting || '''', E'\\n') FROM pg_settings WHERE name LIKE 'pgraft.%' AND source = 'configuration file'");

my $dump = $old->basedir . '/dump.sql';
command_ok([ 'pg_dump', '--no-sync', '--file', $dump, '--dbname', $old->connstr('postgres') ], 'pg_dump');
$old->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $old->connstr('restored') ],
	'the dump is restored');
is($old->safe_psql('restored', 'SELECT count(*) FROM pgraft_get_nodes'), '1', 'the extension works there');
is($old->safe_psql('restored', "SELECT has_table_privilege('watcher', 'pgraft_get_nodes', 'SELECT')"),
	't', 'and has its grants');
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
is(raft_log($new), 'before the upgrade', 'the node goes on where it was');
is($new->safe_psql('postgres', "SELECT pgraft_replicate_entry('after it')"), 't', 'and replicates');
is($new->safe_psql('postgres', "SELECT has_table_privilege('watcher', 'pgraft_get_nodes', 'SELECT')"),
	't', 'grants are kept');

$new->stop;
done_testing();
