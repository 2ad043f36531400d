#!/usr/bin/env bash
# Installs what building and testing need beside PostgreSQL (see postgres.sh):
# git, make, patch, a C compiler and Go. With --lint also what `make lint` needs, with
# --browser what `make test-browser` needs, with --picture what `make view-picture`
# needs, with --tap what PostgreSQL's TAP tests need, with --deb what `make deb` and
# `make test-deb` need.
# Quiet when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/deps/lib.sh

# command and Debian package
needed=(git:git make:make gcc:gcc patch:patch)
if [ "${1:-}" = --lint ]; then
	needed+=(shellcheck:shellcheck protoc:protobuf-compiler)
elif [ "${1:-}" = --browser ]; then
	needed+=(chromium:chromium)
elif [ "${1:-}" = --picture ]; then
	needed+=(pngquant:pngquant)
elif [ "${1:-}" = --deb ]; then
	needed+=(dh:debhelper dpkg-buildpackage:dpkg-dev fakeroot:fakeroot lintian:lintian)
fi

missing=()
for pair in "${needed[@]}"; do
	command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ "${1:-}" = --tap ]; then
	command -v prove >/dev/null || missing+=(perl)
	perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
fi
# gcc alone brings no C library headers, and Go's modules come over TLS.
echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || missing+=(libc6-dev)
[ -s /etc/ssl/certs/ca-certificates.crt ] || [ -s /etc/pki/tls/certs/ca-bundle.crt ] || missing+=(ca-certificates)

if [ ${#missing[@]} -gt 0 ]; then
	if on_debian; then
		apt_install "${missing[@]}"
	else
		die "this is no Debian; please install: ${missing[*]} (Debian's names)"
	fi
fi
tools/deps/go.sh --install >/dev/null
