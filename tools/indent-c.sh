#!/usr/bin/env bash
# Indents the C sources of the extension as PostgreSQL indents its own, with
# pg_bsd_indent:
#	indent-c.sh [--check] LIBRARY
# With --check it changes nothing, shows what is due, and fails if anything is.
# LIBRARY is the shim as compiled with -g: pg_bsd_indent has to know which words are
# types, and those are the ones in its debugging information.
set -euo pipefail
cd "$(dirname "$0")/.."
check=
if [ "$1" = --check ]; then
	check=yes
	shift
fi
library=$1

# Those of pgindent, in PostgreSQL's src/tools.
options=(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
{
	echo bool # a macro
	readelf --debug-dump=info --wide "$library" 2>/dev/null |
		awk '/DW_TAG_/ { type = /DW_TAG_typedef/ } type && /DW_AT_name/ { print $NF }' |
		grep -vx text # as a variable is named more often
} | LC_ALL=C sort -u >"$dir/types"
grep -qx PgraftCall "$dir/types" || {
	echo >&2 "indent-c: $library has no debugging information: it names none of our types"
	exit 1
}

due=()
while read -r file; do
	if ! pg_bsd_indent "${options[@]}" -U"$dir/types" <"$file" >"$dir/new.c" 2>"$dir/errors"; then
		echo >&2 "indent-c: pg_bsd_indent cannot read $file:"
		{ cat "$dir/errors" && grep -F '/**INDENT**' "$dir/new.c"; } >&2
		exit 1
	fi
	# It aligns the star of a function that returns a pointer, and joins comments.
	sed -i -E -e 's/^([A-Za-z_][^ \t]*)[ \t]+\*$/\1 */' -e 's|\*/(/\*.*\*/)$|*/\t\1|' "$dir/new.c"
	cmp -s "$file" "$dir/new.c" && continue
	due+=("$file")
	if [ -n "$check" ]; then
		diff -u "$file" "$dir/new.c" --label "$file" --label "$file, indented" || true
	else
		cat "$dir/new.c" >"$file"
	fi
done < <(git ls-files 'pgext/*.c' 'pgext/*.h')
if [ -n "$check" ] && [ ${#due[@]} -gt 0 ]; then
	echo >&2 "'make indent-c' is due: ${due[*]}"
	exit 1
fi
