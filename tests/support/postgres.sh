#!/bin/sh
# SPDX-License-Identifier: MIT
# A PostgreSQL of the tests' own, on a Unix socket in a folder of its own:
#
#   sh tests/support/postgres.sh start DIR OWNER [NAME=VALUE...]
#
# DIR is an empty folder, or one where it runs already: then it only waits until
# it answers. Databases are reached as postgresql://groupfs@/DATABASE?host=DIR;
# the role groupfs may make them, and is no superuser. Once the process OWNER
# has ended, however it did, the server is ended and DIR removed. NAME=VALUE are
# settings, DIR/log what it has to say.
#
# As root it runs as the user postgres, else as the caller. It flushes as a
# user's does (fsync, synchronous_commit), and sorts names as a user's may, not
# by their bytes.
# $as_user is a list of words.
# shellcheck disable=SC2086
set -u
LC_ALL=C
export LC_ALL

die() {
	echo "postgres.sh: $*" >&2
	exit 1
}

# The newest that Debian has installed.
programs() {
	for bin in /usr/lib/postgresql/*/bin; do
		[ ! -x "$bin/postgres" ] || echo "$bin"
	done | sort -V | tail -n 1
}

# PostgreSQL refuses to run as root.
as_user=
[ "$(id -u)" != 0 ] || as_user="setpriv --reuid=postgres --regid=postgres
	--init-groups --reset-env"

make_cluster() {
	chmod 700 "$dir" || return
	[ "$(id -u)" != 0 ] || chown postgres: "$dir" || return
	$as_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US \
		--no-sync --no-instructions >"$dir/initdb.log" || return
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$dir'"
		echo "shared_buffers = 32MB"
		echo "max_connections = 60"
		for setting in "$@"; do
			echo "${setting%%=*} = '${setting#*=}'"
		done
	} >>"$dir/data/postgresql.conf"
}

# serve DIR OWNER: has the server run until the process OWNER has ended.
serve() {
	$as_user "$bin/postgres" -D "$1/data" >"$1/log" 2>&1 &
	server=$!
	# Whatever it is sent: nobody else ends the server.
	trap : HUP INT TERM
	tail --pid="$2" -s 0.2 -f /dev/null
	# Immediately: nobody needs it any more.
	kill -QUIT "$server" 2>/dev/null
	wait "$server"
	rm -rf "$1"
}

wait_for_answer() {
	tries=300
	until "$bin/pg_isready" -q -h "$dir"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] && kill -0 "$owner" 2>/dev/null ||
			return
		sleep 0.1
	done
	$as_user "$bin/psql" -q -h "$dir" -U postgres postgres \
		-c 'CREATE ROLE groupfs LOGIN CREATEDB'
}

start() {
	cd / || exit 1
	[ ! -e "$dir/ready" ] || return 0
	id postgres >/dev/null 2>&1 || [ "$(id -u)" != 0 ] ||
		die "there is no user postgres"
	if ! make_cluster "$@"; then
		cat "$dir/initdb.log" >&2
		die "initdb failed in $dir"
	fi
	# In a session of its own, and without the test's mark: what ends the
	# test must not end it.
	env -u GROUPFS_TEST_ID setsid sh "$self" serve "$dir" "$owner" </dev/null >/dev/null 2>&1 9>&- &
	wait_for_answer || {
		tail "$dir/log" >&2
		die "PostgreSQL does not start in $dir"
	}
	: >"$dir/ready"
}

self=$(readlink -f "$0")
bin=$(programs)
[ -n "$bin" ] ||
	die "PostgreSQL is not installed: make test-deps, or apt-get install postgresql"
[ $# -ge 3 ] || die "usage: postgres.sh start DIR OWNER [NAME=VALUE...]"
what=$1
dir=$2
owner=$3
shift 3
case $what in
start)
	[ -d "$dir" ] || die "$dir is no folder"
	# One of those that want it starts it.
	exec 9<"$dir" && flock 9 || exit 1
	start "$@"
	;;
serve) serve "$dir" "$owner" ;;
*) die "no such command: $what" ;;
esac
