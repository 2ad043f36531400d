#!/usr/bin/env bash
# Installs what `make` has built below a directory of its own, looks at every
# file, and uninstalls it again:
#	test-install.sh PG_CONFIG
set -euo pipefail
cd "$(dirname "$0")/../.."
pg_config=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
run() { make -s "$@" PG_CONFIG="$pg_config" DESTDIR="$dir" PREFIX=/opt/pgraft; }

run install >/dev/null
expected=$(
	{
		echo 755 /opt/pgraft/bin/pgraft
		for page in build/man/*.1; do echo "644 /opt/pgraft/share/man/man1/${page##*/}"; done
		printf "755 $("$pg_config" --pkglibdir)/%s\n" pgraft.so pgraft_engine.so
		printf "644 $("$pg_config" --sharedir)/extension/%s\n" pgraft.control pgraft--1.0--1.1.sql pgraft--1.0.sql
	} | sort
)
found=$(find "$dir" -type f -printf '%m /%P\n' | sort)
diff <(echo "$expected") <(echo "$found") || {
	echo "test-install: 'make install' puts (>) other files than it should (<)"
	exit 1
}
# what is somebody else's stays
other=$dir$("$pg_config" --pkglibdir)/pgraft_other.so
touch "$other"
run uninstall >/dev/null
left=$(find "$dir" -type f)
[ "$left" = "$other" ] || {
	echo "test-install: 'make uninstall' leaves: $left"
	exit 1
}
run uninstall >/dev/null # once more is no error
echo "test-install: $(wc -l <<<"$expected") files installed and uninstalled"
