# An old primary comes back as a standby of the new one with pg_rewind, which
# makes its data directory like the new primary's, Raft's data included. It keeps
# its own aside, and is the member that it was.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Path qw(rmtree);
use FindBin;
use lib "$FindBin::RealBin/lib";
use Pgraft;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tables = apply_tables();
my $applied = "SELECT string_agg(data, ', ' ORDER BY place) FROM applied";

my $old = raft_server(1, allows_streaming => 1);
$old->append_conf('postgresql.conf', "wal_log_hints = on\nwal_keep_size = 256MB\n");
$old->start;
raft_init($old);
raft_leads($old);
$old->safe_psql('postgres', $tables);
$old->safe_psql('postgres', "SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')");
$old->backup('copy');

my $new = PostgreSQL::Test::Cluster->new('node2');
$new->init_from_backup($old, 'copy', has_streaming => 1);
$new->append_conf('postgresql.conf', raft_settings(2));
rmtree($new->data_dir . '/pgraft');
unlink $new->data_dir . '/pgraft.initialized' or die "marker: $!";
my $third = raft_server(3);
$new->start;
$new->safe_psql('postgres', 'SELECT pgraft_init()');
$third->start;
raft_init($third);
raft_add($old, $_) for $new, $third;
$new->safe_psql('postgres', "SELECT pgraft_replicate_entry('with all three')");
raft_wait('the old primary to apply', sub { $old->safe_psql('postgres', $applied) eq 'with all three' });
$old->wait_for_catchup($new);

# The old primary goes on alone for a moment: what it writes then is to be undone.
$new->stop;
$old->safe_psql('postgres', 'CREATE TABLE only_here (i int)');
raft_kill($old);
$new->start;
raft_leads($new, $third);
$new->promote;
$new->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not promoted';
is($new->safe_psql('postgres', "SELECT pgraft_replicate_entry('without the old one')"), 't', 'the cluster goes on');
raft_wait('the new primary to apply', sub { $new->safe_psql('postgres', $applied) eq 'with all three, without the old one' });

# What only the old primary has: pg_rewind takes it back. Until the checkpoint after
# the promotion is done, pg_rewind before 16 sees no new timeline and does nothing.
$new->safe_psql('postgres', 'CHECKPOINT');
my $data = $old->data_dir;
my $aside = PostgreSQL::Test::Utils::tempdir();
copy("$data/postgresql.conf", "$aside/postgresql.conf") or die "settings: $!";
rename "$data/pgraft", "$aside/pgraft" or die "data_dir: $!";
rename "$data/pgraft.initialized", "$aside/pgraft.initialized" or die "marker: $!";
command_ok(['pg_rewind', '--no-sync', '-R', '--target-pgdata', $data, '--source-server', $new->connstr('postgres')],
	'pg_rewind');
ok(-e "$data/pgraft.initialized", 'pg_rewind brings the data of the new primary\'s node along');
rmtree("$data/pgraft");
rename "$aside/pgraft", "$data/pgraft" or die "data_dir: $!";
rename "$aside/pgraft.initialized", "$data/pgraft.initialized" or die "marker: $!";
copy("$aside/postgresql.conf", "$data/postgresql.conf") or die "settings: $!";

$old->start;
is($old->safe_psql('postgres', "SELECT pg_is_in_recovery(), pgraft_replicate_entry('and with it')"),
	't|t', 'the old primary is a standby, and still node 1');
is(raft_log($_), "with all three\nwithout the old one\nand with it", 'the log on ' . $_->name) for $old, $new, $third;
raft_wait('the table to be the same', sub {
	$old->safe_psql('postgres', $applied) eq 'with all three, without the old one, and with it';
});
is($old->safe_psql('postgres', "SELECT to_regclass('only_here') IS NULL"), 't', 'what was to be undone is undone');
is($old->safe_psql('postgres', 'SELECT count(*) FROM pgraft_get_nodes'), '3', 'three members');

$old->stop;
$new->stop;
$third->stop;
done_testing();
