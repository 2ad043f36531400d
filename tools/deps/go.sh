#!/usr/bin/env bash
# Prints the go command that can build this project: a Go of at least 1.21 on
# PATH (with GOTOOLCHAIN=auto it fetches the version that go.mod asks for), or
# the private one below PGRAFT_CACHE that `go.sh --install` puts there. With
# neither it prints "go", so that the caller's error names the missing command;
# `go.sh --find` fails instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/deps/lib.sh

private=$PGRAFT_CACHE/go/bin/go
want=$(sed -n 's/^go //p' go.mod)

# can_build asks a go command for its version inside the module: one that is
# too old, or is not allowed to fetch a newer toolchain, fails.
can_build() {
	local have
	have=$("$1" env GOVERSION 2>/dev/null) || return 1
	have=${have#go}
	printf '%s\n' "$want" "${have%% *}" | sort --version-sort --check=quiet
}

find_go() {
	local go
	for go in go "$private"; do
		if command -v "$go" >/dev/null && can_build "$go"; then
			echo "$go"
			return
		fi
	done
	return 1
}

if [ "${1:-}" = --find ]; then
	find_go
	exit
fi
if [ "${1:-}" != --install ]; then
	find_go || echo go
	exit
fi

find_go && exit
if ! on_debian; then
	die "please install Go $want or newer (or any Go from 1.21 on, with GOTOOLCHAIN=auto) and put it on PATH"
fi

say "no Go here can build 'go $want': unpacking Debian 13's below $PGRAFT_CACHE/go; it fetches Go $want itself, as the module golang.org/toolchain"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unpack_from trixie "$work" golang-1.24-go
mkdir -p "$work/go/bin"
mv "$work/usr/lib/go-1.24" "$work/go/debian"
# Debian's Go stays as it is unless told otherwise.
cat >"$work/go/bin/go" <<'GO'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
GOTOOLCHAIN=${GOTOOLCHAIN:-auto} exec "$here/../debian/bin/go" "$@"
GO
chmod -R a+rX "$work/go"
chmod a+x "$work/go/bin/go"
as_root mkdir -p "$PGRAFT_CACHE"
as_root rm -rf "$PGRAFT_CACHE/go"
as_root cp -r "$work/go" "$PGRAFT_CACHE/go"
if ! can_build "$private"; then
	"$private" env GOVERSION >/dev/null || true # says why
	die "$private cannot fetch Go $want: is the Go module proxy reachable?"
fi
echo "$private"
