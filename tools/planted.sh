#!/usr/bin/env bash
# Builds pgraft with each bug of testdata/trace/*/bug.patch planted into the core
# (build/planted/NAME/pgraft; nothing in the tree is changed), and replays the
# traces of the bug with it; rewind says when it became inevitable. With --record it runs the simulator of each first,
# as sim.args says, and writes the traces anew.
set -euo pipefail
cd "$(dirname "$0")/.."

for patch in testdata/trace/*/bug.patch; do
	dir=${patch%/bug.patch}
	name=${dir##*/}
	out=$PWD/build/planted/$name
	read -ra args <"$dir/sim.args"
	file=$(sed -n 's|^+++ b/||p' "$patch")
	mkdir -p "$out"
	patch -s -o "$out/planted.txt" "$file" "$patch"
	printf '{"Replace":{"%s":"%s"}}\n' "$PWD/$file" "$out/planted.txt" >"$out/overlay.json"
	"${GO:-go}" build -overlay "$out/overlay.json" -o "$out/pgraft" ./tools/pgraft
	echo "build/planted/$name/pgraft"
	if [ "${1:-}" = --record ]; then
		rm -f "$dir"/*.trace
		# A run that finds the bug fails: that is what it is for.
		if "$out/pgraft" sim "${args[@]}" --record "$dir"; then
			echo >&2 "planted.sh: $name: the simulator did not find the bug"
			exit 1
		fi
	fi
	# A safety check may fail, which is the bug; the replay itself may not differ.
	"$out/pgraft" replay "$dir" >"$out/replay.txt" 2>&1 || true
	cat "$out/replay.txt"
	grep -q '^identical, [0-9]* inputs$' "$out/replay.txt" || {
		echo >&2 "planted.sh: $name: its own core does something else now: run 'make planted-record'"
		exit 1
	}
	"$out/pgraft" rewind "${args[@]}" >"$out/rewind.txt" 2>&1
	sed -n '/^It became inevitable/,$p' "$out/rewind.txt" | tee "$out/inevitable.txt"
	test -s "$out/inevitable.txt" || {
		echo >&2 "planted.sh: $name: rewind does not say when it became inevitable:"
		cat >&2 "$out/rewind.txt"
		exit 1
	}
done
