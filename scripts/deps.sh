#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs from Debian what is missing for the parts named: run, test, lint,
# fuzz, analyze, bench, deb, cluster, torture.
# sh scripts/deps.sh run test
set -eu

# curl is what README.md and the manual pages use.
run="gcc libc6-dev make pkg-config fuse3 libfuse3-dev libsqlite3-dev libxxhash-dev libpq-dev libhiredis-dev
	libuv1-dev libwebsockets-dev libwebsockets-evlib-uv libjansson-dev
	libssl-dev libarchive-dev libseccomp-dev curl"
# util-linux, passwd and procps are in every Debian but the smallest.
test="libcmocka-dev python3 python3-websockets python3-prometheus-client
	python3-jsonschema python3-xxhash curl jq sqlite3 procps util-linux passwd iproute2 vim nano ed patch
	busybox less gawk mawk rsync inotify-tools socat pv moreutils
	bsdextrautils openssl chromium mandoc zsh postgresql"
# What the examples are for.
test="$test fzf git nginx tmux python3-yaml"
# Redis' program itself, without the package that makes a service of it.
test="$test redis-tools"
# Node.js may be here from elsewhere, with an npm that Debian's conflicts with.
command -v npm >/dev/null || test="$test nodejs npm"
# libFuzzer; then what `make fuzz-coverage`, check-scan-build and test-valgrind run.
fuzz="clang libclang-rt-14-dev"
analyze="llvm-14 clang-tools valgrind"
lint="clang clang-format clang-tidy cppcheck shellcheck mandoc"
# What `make bench-ws` and `make bench-send` measure beside, and what counts
# instructions.
bench="mosquitto nats-server redis-server redis-tools postgresql-15
	postgresql-client-15 postgresql-contrib jq curl python3 python3-websockets
	util-linux valgrind"
# `make deb`, and its test in a machine of its own.
deb="debhelper dpkg-dev lintian debootstrap systemd-container curl python3"
# What the nodes of a cluster share: its example, its tests and its benchmark.
cluster="postgresql-15 postgresql-client-15 postgresql-contrib redis-server redis-tools
	iproute2 util-linux"
# Disks that `make torture-disk` breaks.
torture="e2fsprogs xfsprogs util-linux mount"

missing=
for part in "$@"; do
	case $part in
	run) packages=$run ;;
	test) packages=$test ;;
	lint) packages=$lint ;;
	fuzz) packages=$fuzz ;;
	analyze) packages=$analyze ;;
	bench) packages=$bench ;;
	deb) packages=$deb ;;
	cluster) packages=$cluster ;;
	torture) packages=$torture ;;
	*)
		echo "deps.sh: no such part: $part (run, test, lint, fuzz, analyze, bench, deb, cluster, torture)" >&2
		exit 2
		;;
	esac
	for package in $packages; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null) || state=none
		[ "$state" = installed ] || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "Missing packages, and neither root nor sudo is here to" \
			"install them. Let root type:" >&2
		echo "  apt-get install$missing" >&2
		exit 1
	fi
	as_root=sudo
fi
echo "Installing from Debian:$missing"
# Where PostgreSQL is installed, Debian makes a database and starts it. The tests
# have their own, and nobody asked for that one.
no_database=/etc/postgresql-common/createcluster.d/groupfs-tests.conf
case "$missing " in
*" postgresql "* | *" postgresql-15 "*)
	trap '$as_root rm -f "$no_database"' EXIT
	$as_root sh -c 'mkdir -p "${1%/*}" &&
		echo "create_main_cluster = off" >"$1"' sh "$no_database"
	;;
esac
# $missing and $as_root are lists of words.
# shellcheck disable=SC2086
{
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $missing
} </dev/null || {
	echo "That failed. By hand, as root: apt-get install$missing" >&2
	exit 1
}
