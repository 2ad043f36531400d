# What was acknowledged is there after every kind of end: a fast stop, an
# immediate one, a kill of the postmaster, a crash of the engine worker.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Pgraft;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = raft_server(1);
$node->start;
is(raft_init($node), 't', 'the first node founds the cluster');
raft_leads($node);

my @written;

sub write_and_check
{
	my ($what) = @_;
	raft_leads($node);
	push @written, $what;
	is($node->safe_psql('postgres', "SELECT pgraft_replicate_entry('$what')"),
		't', "replicates $what");
	is(raft_log($node), join("\n", @written), "the log is whole $what");
}

write_and_check('at first');

$node->restart;
write_and_check('after a fast stop');

$node->stop('immediate');
$node->start;
write_and_check('after an immediate stop');

raft_kill($node);
$node->start;
write_and_check('after a kill of the postmaster');

my $worker = raft_engine($node) or die 'no engine worker';
kill 'KILL', $worker or die "kill $worker: $!";
raft_wait('another engine worker', sub {
	my $now = raft_engine($node);
	return $now && $now != $worker;
});
$node->poll_query_until('postgres', 'SELECT pgraft_is_leader()') or die 'it does not lead';
write_and_check('after a crash of the engine worker');

$node->stop;
done_testing();
