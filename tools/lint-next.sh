#!/usr/bin/env bash
# Compiles the C shim against the headers of a PostgreSQL that is not released
# yet, as Debian's experimental suite has them; no server, no tests.
#	lint-next.sh [VERSION [SUITE]]
# CI does not run it: what experimental holds changes.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/deps/lib.sh

version=${1:-19}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unpack_from "${2:-experimental}" "$dir" "postgresql-server-dev-$version"
headers=$dir/usr/include/postgresql/$version/server
sed -n 's/^#define PG_VERSION "\(.*\)"/PostgreSQL \1/p' "$headers/pg_config.h"
for file in pgext/*.c pgext/*/*.c; do
	gcc -c -O1 -fPIC -o "$dir/object.o" -I pgext -isystem "$headers" -D_GNU_SOURCE -DPGRAFT_BUILD_ID='"none"' \
		-Wall -Wextra -Werror -Wno-unused-parameter -Wdeclaration-after-statement "$file"
done
