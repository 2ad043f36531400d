# Three servers; the leader's is killed, another leads, and the first catches up.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Pgraft;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @servers = map { raft_server($_) } 1 .. 3;
for my $server (@servers)
{
	$server->start;
	raft_init($server);
}
my $first = raft_leads(@servers);
is(raft_add($first, $servers[$_]), 't', "node @{[$_ + 1]} is added") for 1 .. 2;
$first->safe_psql('postgres', "SELECT pgraft_replicate_entry('to the first leader')");

raft_kill($first);
my @rest = grep { $_ != $first } @servers;
my $second = raft_leads(@rest);
isnt($second->name, $first->name, 'another leads');
$second->safe_psql('postgres', "SELECT pgraft_replicate_entry('to the second leader')");

$first->start;
my $log = "to the first leader\nto the second leader";
is(raft_log($_), $log, 'the log on ' . $_->name) for @servers;

# a planned switchover back
is($second->safe_psql('postgres', 'SELECT pgraft_transfer_leadership(1)'), 't', 'leadership is handed back');
is(raft_leads(@servers)->name, $first->name, 'the first leads again');

$_->stop for @servers;
done_testing();
