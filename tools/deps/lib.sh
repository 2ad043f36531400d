# shellcheck shell=bash
# What the scripts in this folder share. Sourced, never run.

# Everything that is fetched but not installed lies here: a private Go, and the
# PostgreSQL versions that Debian does not have.
PGRAFT_CACHE=${PGRAFT_CACHE:-/var/cache/pgraft}

# say tells a person what happens, on stderr: stdout is for answers.
say() { printf '%s\n' "deps: $*" >&2; }

die() {
	say "$@"
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "cannot run as root (no sudo here): $*"
	fi
}

# What says which system this is; a test names another one.
PGRAFT_OS_RELEASE=${PGRAFT_OS_RELEASE:-/etc/os-release}

# on_debian tells whether apt can be used and its newer suites fit.
on_debian() {
	command -v apt-get >/dev/null && [ -r "$PGRAFT_OS_RELEASE" ] &&
		[ "$(sed -n 's/^ID=//p' "$PGRAFT_OS_RELEASE")" = debian ]
}

package_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]
}

apt_updated=
apt_update() {
	[ -n "$apt_updated" ] && return
	as_root apt-get -qq update >&2 || die "apt-get update failed"
	apt_updated=yes
}

# apt_install installs packages without questions and without what they only
# recommend. A package may be NAME=VERSION.
apt_install() {
	say "installing Debian packages: $*"
	apt_update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 install --no-install-recommends -y "$@" </dev/null >&2 ||
		die "apt-get install failed: $*"
}

# debian_archive prints the address this machine has its Debian from.
debian_archive() {
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$(sed -n 's/^VERSION_CODENAME=//p' "$PGRAFT_OS_RELEASE")" \
			'$1 == release && !seen++ { print $2 }'
}

# unpack_from SUITE DIR PACKAGE... unpacks packages of another Debian suite
# below DIR. Nothing is installed: apt gets a state and a sources list of its
# own, so the machine's suite stays what it is.
unpack_from() {
	local suite=$1 dir=$2 archive apt
	shift 2
	archive=$(debian_archive)
	if [ -z "$archive" ]; then
		apt_update
		archive=$(debian_archive)
	fi
	[ -n "$archive" ] || die "apt has no source for this Debian release: see /etc/apt/sources.list"
	apt=$(mktemp -d)
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$dir"
	: >"$apt/status"
	printf 'deb %s %s main\n' "$archive" "$suite" >"$apt/sources.list"
	local options=(-qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
		-o APT::Sandbox::User=root -o Acquire::Languages=none
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
	say "unpacking from Debian $suite, without installing: $*"
	{
		apt-get "${options[@]}" update &&
			(cd "$apt/debs" && apt-get "${options[@]}" download "$@") &&
			for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$dir" || exit 1; done
	} >&2 || {
		rm -rf "$apt"
		die "could not fetch from Debian $suite: $*"
	}
	rm -rf "$apt"
}
