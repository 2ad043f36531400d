#!/usr/bin/env bash
# The simulator in CI: the same 2,000 seeds each time, which also have to reach
# every mark; the same 800 with PostgreSQL servers that fail over; and then fresh ones
# that the commit's hash begins, so that each commit tries others (without failover, until
# a campaign of that is clean; 1,500, until MEASURED.md has no open alarm). All are bounded in time: three minutes, however slow the
# machine is. A failing seed is printed with the command that shows it again.
set -euo pipefail
cd "$(dirname "$0")/.."

pgraft=build/pgraft
total=165 # seconds for all, without building and shrinking
fixed=100 # for the first at most
failover=40

if ! commit=$(git rev-parse HEAD 2>/dev/null); then # an unpacked archive: by its sources
	commit=$(cat core/*.go sim/*.go | sha256sum)
fi
first=$((16#${commit:0:10}))

printf 'fixed seeds, from 1 on\n'
"$pgraft" sim --seed 1 --seeds 2000 --for ${fixed}s --twice 5% --marks --save build/sim-failures
printf '\nfixed seeds with failover, from 1 on\n'
"$pgraft" sim --seed 1 --seeds 800 --for ${failover}s --twice 5% --failover on --save build/sim-failures
left=$((total - SECONDS))
if ((left > 60)); then left=60; fi
printf '\nfresh seeds, from %d on (of %.10s)\n' "$first" "$commit"
"$pgraft" sim --seed "$first" --seeds 1500 --for ${left}s --twice 5% --save build/sim-failures
