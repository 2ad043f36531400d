# A standby that pg_basebackup made: the copied node is refused; with a node of
# its own it is a member in recovery, and still one once it is promoted.
use strict;
use warnings;
use File::Path qw(rmtree);
use FindBin;
use lib "$FindBin::RealBin/lib";
use Pgraft;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = raft_server(1, allows_streaming => 1);
$primary->start;
raft_init($primary);
raft_leads($primary);
$primary->safe_psql('postgres', "SELECT pgraft_replicate_entry('before the backup')");
$primary->backup('copy');

my $standby = PostgreSQL::Test::Cluster->new('node2');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', raft_settings(2));
$standby->start;
$standby->poll_query_until('postgres', "SELECT pgraft_get_worker_state() = 'error'")
  or die 'the copied node was not refused';
my ($code, $out, $err) = $standby->psql('postgres', 'SELECT pgraft_init()');
like($err, qr/belongs to node 1/, 'the copy of the node is refused');

$standby->stop;
rmtree($standby->data_dir . '/pgraft');
unlink $standby->data_dir . '/pgraft.initialized' or die "marker: $!";
$standby->start;
is($standby->safe_psql('postgres', 'SELECT pgraft_init()'), 't', 'a node of its own');
is(raft_add($primary, $standby), 't', 'the standby is added');
is($standby->safe_psql('postgres',
		"SELECT pg_is_in_recovery(), pgraft_replicate_entry('on the standby')"),
	't|t', 'replicates in recovery');
is(raft_log($standby), "before the backup\non the standby", 'the log on the standby');
is(raft_log($primary), "before the backup\non the standby", 'the log on the primary');

$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not promoted';
is($standby->safe_psql('postgres', "SELECT pgraft_replicate_entry('promoted')"),
	't', 'replicates after the promotion');
is(raft_log($primary), "before the backup\non the standby\npromoted", 'the log goes on');

$standby->stop;
$primary->stop;
done_testing();
