#!/usr/bin/env bash
# Runs the tests of PostgreSQL's own kinds (pg_regress, isolation, TAP) against
# an installed extension, on servers of their own:
#	installcheck.sh [--if-there] PG_CONFIG
# With --if-there an installation that lacks their tools is no error. As root it
# becomes the user postgres, since servers do not run as root. When a test fails
# and PGRAFT_KEEP is set, the results are kept.
set -euo pipefail
cd "$(dirname "$0")"
lacking=1
if [ "$1" = --if-there ]; then
	lacking=0
	shift
fi
pg_config=$(command -v "$1")
bindir=$("$pg_config" --bindir)
tests=$(dirname "$("$pg_config" --pgxs)")/../test

for file in "$bindir/psql" "$bindir/pg_basebackup" "$tests/regress/pg_regress" \
	"$tests/isolation/pg_isolation_regress" "$tests/perl/PostgreSQL/Test/Cluster.pm"; do
	[ -e "$file" ] || {
		echo "installcheck: $("$pg_config" --version) has no ${file##*/}, which these tests need" >&2
		exit "$lacking"
	}
done

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp -r Makefile pgraft.control pgraft--*.sql sql expected specs t "$dir/"
cat >"$dir/pgraft.conf" <<EOF
shared_preload_libraries = 'pgraft'
pgraft.cluster_id = 'regress'
pgraft.node_id = 1
pgraft.port = $(free_port)
max_prepared_transactions = 10
EOF
as=()
if [ "$(id -u)" = 0 ]; then
	chown -R postgres "$dir"
	as=(runuser -u postgres --)
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
failed=0
"${as[@]}" env HOME="$dir" make -C "$dir" PG_CONFIG="$pg_config" installcheck \
	EXTRA_REGRESS_OPTS="--temp-instance=$dir/instance --temp-config=$dir/pgraft.conf" || failed=1
if [ "$failed" = 1 ]; then
	for file in "$dir"/regression.diffs "$dir"/output_iso/regression.diffs "$dir"/tmp_check/log/regress_log_*; do
		[ ! -s "$file" ] || { echo "--- ${file#"$dir"/}" && tail -n 150 "$file"; } >&2
	done
	if [ -n "${PGRAFT_KEEP:-}" ]; then
		trap - EXIT
		echo "installcheck: the results are in $dir" >&2
	fi
fi
exit "$failed"
