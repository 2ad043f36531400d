# What the TAP tests share: servers that are nodes of one cluster.
package Pgraft;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(raft_settings raft_server raft_init raft_add raft_leads raft_log
  raft_wait raft_engine raft_kill apply_tables);

# The settings that make a server a node, with a port of its own.
sub raft_settings
{
	my ($id) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	return <<"EOC";
shared_preload_libraries = 'pgraft'
pgraft.cluster_id = 'tap'
pgraft.node_id = $id
pgraft.port = $port
restart_after_crash = on
EOC
}

# A server that is a node, not started yet.
sub raft_server
{
	my ($id, %params) = @_;
	my $server = PostgreSQL::Test::Cluster->new("node$id");
	$server->init(%params);
	$server->append_conf('postgresql.conf', raft_settings($id));
	return $server;
}

# Starts its Raft node; the first founds the cluster.
sub raft_init
{
	my ($server) = @_;
	return $server->safe_psql('postgres',
		'CREATE EXTENSION IF NOT EXISTS pgraft; SELECT pgraft_init();');
}

# Adds a server to the cluster that another one leads.
sub raft_add
{
	my ($leader, $server) = @_;
	my $id = $server->safe_psql('postgres', 'SHOW pgraft.node_id');
	my $port = $server->safe_psql('postgres', 'SHOW pgraft.port');
	return $leader->safe_psql('postgres',
		"SELECT pgraft_add_node($id, '127.0.0.1', $port)");
}

# Waits until one of the servers leads, and returns it.
sub raft_leads
{
	my @servers = @_;
	my $leader;
	raft_wait('a leader', sub {
		($leader) = grep { $_->safe_psql('postgres', 'SELECT pgraft_is_leader()') eq 't' } @servers;
		return $leader;
	});
	return $leader;
}

# Waits until a condition holds.
sub raft_wait
{
	my ($what, $holds) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if $holds->();
		select(undef, undef, undef, 0.1);
	}
	die "waited in vain: $what";
}

# The processes that a server's postmaster has started, by what they call
# themselves. The engine worker is in no system view.
sub raft_children
{
	my ($server) = @_;
	my %children;
	for my $dir (glob '/proc/[0-9]*')
	{
		next if slurp("$dir/status") !~ /^PPid:\s+$server->{_pid}$/m;
		my $title = slurp("$dir/cmdline") =~ s/\0.*//sr;
		$children{$dir =~ s{/proc/}{}r} = $title;
	}
	return %children;
}

# A file of a process, or nothing if that has ended.
sub slurp
{
	my ($path) = @_;
	open(my $file, '<', $path) or return '';
	local $/;
	return <$file> // '';
}

# The pid of the engine worker, or undef.
sub raft_engine
{
	my %children = raft_children(@_);
	return (grep { $children{$_} =~ /pgraft engine/ } keys %children)[0];
}

# Kills the postmaster and waits until it and all its children are gone: these
# find out by themselves, and a new server cannot start before.
sub raft_kill
{
	my ($server) = @_;
	my %children = raft_children($server);
	my @pids = ($server->{_pid}, keys %children);
	$server->kill9;
	raft_wait('the end of the server', sub { !grep { kill 0, $_ } @pids });
	return;
}

# SQL that makes a table, and a function that makes each entry a row of it: one
# that is applied twice, or in another order, shows.
sub apply_tables
{
	return <<'EOS';
CREATE TABLE applied (place bigserial, index bigint, term bigint, data text);
CREATE FUNCTION apply_entry(index bigint, term bigint, data text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO applied (index, term, data) VALUES (index, term, data);
END $$;
EOS
}

# The data in the log, as far as everything committed before is applied.
sub raft_log
{
	my ($server, $database) = @_;
	$database //= 'postgres';
	$server->safe_psql($database, 'SELECT pgraft_read_barrier()');
	return $server->safe_psql($database,
		"SELECT data FROM pgraft_log_entries(1, 1000000) WHERE kind = 'data' ORDER BY index");
}

1;
