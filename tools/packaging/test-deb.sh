#!/usr/bin/env bash
# Installs the packages of `make deb` with dpkg, into a copy of the server's own
# files, runs a server from there, and removes them again:
#	test-deb.sh BUILD_DIR PG_CONFIG
# The machine's own installation is not touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
debs=$(realpath "$1") pg_config=$2
major=$("$pg_config" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
version=$(sed -n '1s/.*(\(.*\)-1).*/\1/p' pgext/debian/changelog)
fail() {
	printf 'test-deb: %s\n' "$@" >&2
	[ ! -s "$root/log" ] || tail -n 20 "$root/log" >&2
	exit 1
}

root=$(mktemp -d)
bin=$root$("$pg_config" --bindir)
as=()
[ "$(id -u)" != 0 ] || as=(runuser -u postgres --)
# shellcheck disable=SC2317 # called by trap
clean() {
	[ ! -s "$root/data/postmaster.pid" ] || "${as[@]}" "$bin/pg_ctl" -D "$root/data" -m immediate stop >/dev/null
	rm -rf "$root"
}
trap clean EXIT

# PostgreSQL finds its files by where its programs lie.
for dir in "$("$pg_config" --bindir)" "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)"; do
	mkdir -p "$root$dir"
	cp -a "$dir/." "$root$dir/"
done
find "$root" -name '*pgraft*' -delete
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
chmod a+rx "$root"

# No package that these depend on is known below that directory.
pkg() { fakeroot dpkg --root="$root" --log=/dev/null --force-depends --force-script-chrootless "$@" 2>&1; }
files=("$debs/postgresql-$major-pgraft_$version-1_"*.deb "$debs/pgraft_$version-1_"*.deb)
out=$(pkg -i "${files[@]}") || fail "$out"
for file in "${files[@]}"; do
	[ "$(dpkg-deb -f "$file" Version)" = "$version-1" ] || fail "$file has another version than $version-1"
done
dpkg-deb -f "${files[0]}" Depends | grep -Eq "(^| )postgresql-$major(,|$)" || fail "${files[0]} does not depend on postgresql-$major"
for doc in README.md SETTINGS.md copyright changelog.Debian.gz examples; do
	[ -e "$root/usr/share/doc/postgresql-$major-pgraft/$doc" ] ||
		fail "the documentation lacks $doc"
done
"$root/usr/bin/pgraft" version | grep -q "^pgraft $version " || fail "the command has another version: $("$root/usr/bin/pgraft" version)"
for page in pgraft pgraft-node pgraft-join pgraft-standalone; do # as the unit and the documents name them
	[ -e "$root/usr/share/man/man1/$page.1.gz" ] || fail "there is no manual page $page"
done
"$root/usr/bin/pgraft" rejoin --help >/dev/null || fail "the command does not know what a server runs whose data is made anew"

# The unit of the witness calls the command as that wants to be called: it comes as far as to an
# address that no machine has.
unit=$root/lib/systemd/system/pgraft-witness@.service
start=$root$(sed -n 's/^ExecStart=//p' "$unit")
start=${start//%I/orders}
start=${start//%S/$root/var/lib}
start=${start//%i/orders}
# shellcheck disable=SC2016,SC2086 # systemd's variable, and its words
out=$(${start//'$OPTIONS'/--node-id 3 --address 192.0.2.1} 2>&1) && fail "a witness runs at 192.0.2.1: $out"
[[ $out = *'cannot assign requested address'* ]] || fail "the unit's command says: $out"

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}
port=$(free_port)
mkdir "$root/data" "$root/run"
touch "$root/log"
[ ${#as[@]} = 0 ] || chown postgres "$root/data" "$root/run" "$root/log"
cd "$root/run"
"${as[@]}" "$bin/initdb" --no-sync --auth=trust --username=postgres -D "$root/data" >/dev/null
cat >>"$root/data/postgresql.conf" <<CONF
shared_preload_libraries = 'pgraft'
pgraft.node_id = 1
pgraft.port = $(free_port)
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$root/run'
CONF
"${as[@]}" "$bin/pg_ctl" -D "$root/data" -l "$root/log" -w start >/dev/null || fail "the server does not start"
sql() { "${as[@]}" "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -c "$1" postgres; }
is() {
	local got
	got=$(sql "$1") || fail "$1"
	[ "$got" = "$2" ] || fail "$1: $got, want $2"
}
is "CREATE EXTENSION pgraft; SELECT pgraft_init()" t
is "SELECT pgraft_get_version()" "$version"
is "SELECT pgraft_replicate_entry('from a package')" t
is "SELECT pgraft_is_leader()" t
is "DROP EXTENSION pgraft" ""
"${as[@]}" "$bin/pg_ctl" -D "$root/data" -w stop >/dev/null

out=$(pkg -P "postgresql-$major-pgraft" pgraft) || fail "$out"
left=$(find "$root" -name '*pgraft*' -not -path "$root/data/*")
[ -z "$left" ] || fail "left after the removal:" "$left"

lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs --tag-display-limit 0 "$debs"/*.deb
echo "test-deb: installed, used and removed ${files[*]##*/}"
