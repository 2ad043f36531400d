#!/usr/bin/env bash
# Prints what a build of the extension is known by: a hash over the sources of
# both of its libraries. It needs neither git nor Go, so a tarball of the sources
# gives the same.
set -euo pipefail
cd "$(dirname "$0")/.."
{
	printf '%s\0' go.mod go.sum
	find core node pgext \( -name '*.go' ! -name '*_test.go' -o -name '*.[ch]' \) -type f -print0 | LC_ALL=C sort -z
} | xargs -0 sha256sum | sha256sum | cut -c 1-16
