#!/usr/bin/env bash
# Installs what building and testing need beside PostgreSQL (see postgres.sh):
# git, make, patch, a C compiler and Go. With --lint also what `make lint` needs, with
# --browser what `make test-browser` needs, with --picture what `make view-picture`
# needs, with --tap what PostgreSQL's TAP tests need, with --net what tests that cut networks
# need, with --nemesis what `make nemesis` needs, with --haproxy what tests of HAProxy need,
# with --deb what `make deb` and `make test-deb` need. With --postgres 17 it installs the same as without, as PostgreSQL
# is postgres.sh's; but elsewhere than on Debian, where it only lists what is missing, the
# list is then complete. Options may be given together. Quiet when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/deps/lib.sh

# command and Debian package
needed=(git:git make:make gcc:gcc patch:patch)
tap='' postgres=''
while [ $# -gt 0 ]; do
	case $1 in
	--lint) needed+=(shellcheck:shellcheck protoc:protobuf-compiler pg_bsd_indent:pg-bsd-indent) ;;
	--browser) needed+=(chromium:chromium) ;;
	--picture) needed+=(pngquant:pngquant) ;;
	--tap) tap=yes ;;
	--net) needed+=(ip:iproute2 nft:nftables) ;;
	--nemesis) needed+=(ip:iproute2 nft:nftables strace:strace) ;;
	--haproxy) needed+=(haproxy:haproxy) ;;
	--deb) needed+=(dh:debhelper dpkg-buildpackage:dpkg-dev fakeroot:fakeroot lintian:lintian) ;;
	--postgres)
		postgres=$2
		shift
		;;
	*) die "debian.sh knows no $1" ;;
	esac
	shift
done

missing=()
for pair in "${needed[@]}"; do
	command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ "$tap" ]; then
	command -v prove >/dev/null || missing+=(perl)
	perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
fi
# gcc alone brings no C library headers, and Go's modules come over TLS.
echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || missing+=(libc6-dev)
[ -s /etc/ssl/certs/ca-certificates.crt ] || [ -s /etc/pki/tls/certs/ca-bundle.crt ] || missing+=(ca-certificates)

if ! on_debian; then
	if ! tools/deps/go.sh --find >/dev/null; then
		missing+=("Go $(sed -n 's/^go //p' go.mod) or newer (or any Go from 1.21 on, with GOTOOLCHAIN=auto), on PATH")
	fi
	if [ "$postgres" ] && ! tools/deps/postgres.sh --find "$postgres" >/dev/null; then
		missing+=("PostgreSQL with its headers for extensions (postgresql-$postgres, postgresql-server-dev-$postgres); then name it: make PG_CONFIG=/path/to/pg_config ...")
	fi
	[ ${#missing[@]} = 0 ] && exit
	die "this is no Debian; please install (Debian's names):$(printf '\n  %s' "${missing[@]}")"
fi
if [ ${#missing[@]} -gt 0 ]; then
	apt_install "${missing[@]}"
fi
tools/deps/go.sh --install >/dev/null
