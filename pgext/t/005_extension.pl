# An update of the extension leaves what a new installation has, and disturbs
# neither the node nor applying. Without the extension the node goes on.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use FindBin;
use lib "$FindBin::RealBin/lib";
use Pgraft;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The scripts of other versions lie in a copy of the installation: PostgreSQL
# finds its files by where its programs lie.
my %dir = map { chomp(my $path = qx(pg_config --$_)); ($_ => $path) } qw(bindir sharedir pkglibdir);
my $root = PostgreSQL::Test::Utils::tempdir('install');
for my $name (qw(bindir sharedir))
{
	make_path(dirname("$root$dir{$name}"));
	system_or_bail('cp', '-r', $dir{$name}, "$root$dir{$name}");
}
make_path(dirname("$root$dir{pkglibdir}"));
symlink($dir{pkglibdir}, "$root$dir{pkglibdir}") or die "symlink: $!";
my $scripts = "$root$dir{sharedir}/extension";
my $update = 'pgraft--0.9--1.0.sql';
copy("$FindBin::RealBin/upgrade/$update", "$scripts/$update") or die "$update: $!";
append_to_file(
	"$scripts/pgraft--0.9.sql",
	slurp_file("$scripts/pgraft--1.0.sql") . <<'EOS');
DROP FUNCTION pgraft_wait_applied(bigint, interval);
COMMENT ON TABLE pgraft.apply_function IS 'the function';
EOS

my $node = PostgreSQL::Test::Cluster->new('node1', install_path => "$root" . dirname($dir{bindir}));
$node->init;
$node->append_conf('postgresql.conf', raft_settings(1));
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# all that belongs to the extension, with definitions, comments and rights
sub members
{
	return sql(<<'EOS');
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
	SELECT concat_ws(' ', pg_describe_object(d.classid, d.objid, 0), obj_description(d.objid, d.classid::regclass::text), p.proacl, c.relacl,
		c.oid = ANY (e.extconfig), pg_get_functiondef(p.oid), CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END,
		(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
		(SELECT initprivs FROM pg_init_privs i WHERE i.classoid = d.classid AND i.objoid = d.objid AND i.objsubid = 0)) AS line
	FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
		LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
		LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
	WHERE e.extname = 'pgraft') lines
EOS
}

# what was applied, once everything is
sub applied
{
	sql('SELECT pgraft_read_barrier()');
	return sql('SELECT string_agg(data, $$, $$ ORDER BY place) FROM applied');
}

sql("CREATE EXTENSION pgraft VERSION '0.9'");
sql('SELECT pgraft_init()');
raft_leads($node);
sql(apply_tables());
sql("SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)'); SELECT pgraft_replicate_entry('under 0.9');");
is(applied(), 'under 0.9', 'applies under 0.9');
my $engine = raft_engine($node);
my ($code, $out, $err) = $node->psql('postgres', 'SELECT pgraft_wait_applied(1)');
like($err, qr/does not exist/, '0.9 lacks a function');

sql("ALTER EXTENSION pgraft UPDATE TO '1.0'");
is(sql('SELECT node_id, worker_state, stats_since < now() FROM pgraft_stat_node'), '1|running|t', 'the library serves 1.0');
is(sql('SELECT count(*) FROM pgraft_stat_peers'), '0', 'both views');
like(($node->psql('postgres', 'SELECT alarm FROM pgraft_stat_node'))[2], qr/column "alarm" does not exist/, 'which lack a column');
sql('CREATE ROLE watcher; GRANT SELECT ON pgraft_stat_node TO watcher; CREATE VIEW mine AS SELECT * FROM pgraft_stat_node;');

sql('ALTER EXTENSION pgraft UPDATE');
is(sql("SELECT extversion FROM pg_extension WHERE extname = 'pgraft'"), '1.1', 'updated');
is(sql('SELECT n.alarm IS NULL, n.node_id = m.node_id FROM pgraft_stat_node n, mine m'), 't|t', 'the column is there, and what was built on the view');
is(sql('SELECT cluster_version, newest_version FROM pgraft_stat_node'), '3|3', 'the versions too');
is(sql('SELECT count(newest_version) + count(connection_version) FROM pgraft_stat_peers'), '0', 'in both views');
is(sql("SELECT has_table_privilege('watcher', 'pgraft_stat_node', 'SELECT'), has_table_privilege('pg_monitor', 'pgraft_stat_node', 'SELECT')"),
	't|t', 'grants are kept');
sql('DROP VIEW mine; REVOKE SELECT ON pgraft_stat_node FROM watcher; DROP ROLE watcher;');
is(sql('SELECT pgraft_wait_applied(1)'), 't', 'the function is there');
sql("SELECT pgraft_replicate_entry('updated')");
is(applied(), 'under 0.9, updated', 'applying went on');
is(raft_engine($node), $engine, 'with the same engine worker');
my $updated = members();

sql('DROP EXTENSION pgraft');
$node->stop;
my $log = -s $node->logfile;
$node->start;
raft_wait('the node to lead', sub { slurp_file($node->logfile, $log) =~ /this node leads/ });
ok(raft_engine($node), 'without the extension the node goes on');
unlike(slurp_file($node->logfile, $log), qr/ (ERROR|FATAL|PANIC):/, 'and nothing complains');

sql('CREATE EXTENSION pgraft');
is(members(), $updated, 'an updated extension is what a new one is');
raft_leads($node);
is(raft_log($node), "under 0.9\nupdated", 'the log is whole');
is(sql("SELECT pgraft_replicate_entry('created again')"), 't', 'and goes on');
is(sql('SELECT count(*) FROM applied'), '2', 'nothing is applied before a function is registered');
sql('TRUNCATE applied');
sql("SELECT pgraft_set_apply_function('apply_entry(bigint,bigint,text)')");
is(applied(), 'under 0.9, updated, created again', 'then everything is, from the first entry on');

$node->stop;
done_testing();
