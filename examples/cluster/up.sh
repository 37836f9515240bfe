#!/bin/sh
# SPDX-License-Identifier: MIT
# A cluster on this machine, to try: PostgreSQL and Redis with data of their
# own, two groupd nodes and a mount of each. Says what to type, waits for
# Ctrl-C, and stops all of it; the messages stay.
#
#   sh examples/cluster/up.sh [BUILD]      or: make run-cluster
#
# The configuration is that of the files beside this one, but for where things
# are. Works as root and as an ordinary user. $GROUPFS_CLUSTER moves its folder,
# $GROUPFS_MOUNT_A and _B the mounts, $GROUPFS_LISTEN_A and _B the addresses.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
top=$(cd "$here/../.." && pwd) || exit 1

say() {
	echo "cluster: $*" >&2
}

if [ $# = 0 ] && [ -e "$top/Makefile" ]; then
	exec make -C "$top" run-cluster
fi
# Without a build: what is installed. Debian has PostgreSQL's programs apart.
engine=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=${1:+$(cd "$1" && pwd):}$engine:/usr/local/sbin:/usr/sbin:$PATH
pids=

if [ "$(id -u)" = 0 ]; then
	folder=${GROUPFS_CLUSTER:-/var/lib/groupd-cluster}
	mounts=/mnt/groups
	options=,allow_other
	# PostgreSQL refuses to run as root.
	owner=postgres
else
	folder=${GROUPFS_CLUSTER:-${XDG_STATE_HOME:-$HOME/.local/state}/groupd-cluster}
	mounts=$HOME/groups
	options=
	owner=$(id -un)
fi
mount_a=${GROUPFS_MOUNT_A:-$mounts-a}
mount_b=${GROUPFS_MOUNT_B:-$mounts-b}
listen_a=${GROUPFS_LISTEN_A:-127.0.0.1:7480}
listen_b=${GROUPFS_LISTEN_B:-127.0.0.1:7481}
postgres=$folder/postgres
redis=$folder/redis

as_owner() {
	if [ "$(id -u)" = 0 ]; then
		(cd / && exec setpriv --reuid="$owner" --regid="$owner" \
			--init-groups "$@")
	else
		"$@"
	fi
}

# The kernel lists mount points with blanks and the like in octal.
is_mounted() {
	awk -v point="$1" '$2 == point { found = 1 } END { exit !found }' \
		/proc/mounts
}

unmount() {
	! is_mounted "$1" || fusermount3 -uz "$1" 2>/dev/null || umount -l "$1"
}

# Asks with SIGTERM (PostgreSQL: SIGINT, which waits for nobody), waits 10 s,
# then insists.
stop_process() {
	kill "-${2:-TERM}" "$1" 2>/dev/null || return 0
	tries=100
	while kill -0 "$1" 2>/dev/null && [ $tries -gt 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	kill -KILL "$1" 2>/dev/null && say "process $1 did not stop, killed"
	wait "$1" 2>/dev/null
}

# Last started, first stopped: the mounts, the nodes, the engines.
stop() {
	trap '' INT TERM HUP
	for pid in $pids; do
		stop_process "$pid"
	done
	unmount "$mount_a"
	unmount "$mount_b"
	[ ! -s "$postgres/data/postmaster.pid" ] ||
		stop_process "$(head -n 1 "$postgres/data/postmaster.pid")" INT
	[ "$1" = 0 ] && echo "Stopped and unmounted; the messages are in $folder."
	exit "$1"
}

# start COMMAND...: in a session of its own, so that the terminal's Ctrl-C
# comes to this script alone.
start() {
	setsid "$@" &
	pids="$! $pids"
	last=$!
}

wait_for() {
	tries=200
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && kill -0 "$last" 2>/dev/null || return 1
		sleep 0.1
	done
}

is_online() {
	is_mounted "$1" && [ "$(cat "$1/.me/state")" = online ]
}

make_postgres() {
	mkdir -p "$postgres" && chmod 700 "$postgres" &&
		chown "$owner" "$postgres" || return
	# The caller is its role groupd, by the kernel's word (peer).
	as_owner initdb -D "$postgres/data" -U groupd -A peer -E UTF8 \
		--locale=C.UTF-8 >/dev/null || return
	as_owner cp "$postgres/pg_hba.conf" "$postgres/data/pg_hba.conf" &&
		echo "include '$postgres/postgresql.conf'" |
		as_owner tee -a "$postgres/data/postgresql.conf" >/dev/null &&
		printf 'groupd %s groupd\n' root "$owner" |
		as_owner tee "$postgres/data/pg_ident.conf" >/dev/null
}

start_postgres() {
	# Where the owner may read them.
	mkdir -p "$postgres" &&
		cp "$here/postgresql.conf" "$here/pg_hba.conf" "$postgres/" &&
		chmod 644 "$postgres"/*.conf || return
	[ -s "$postgres/data/PG_VERSION" ] || make_postgres || return
	# The command line counts over the files.
	as_owner setsid postgres -D "$postgres/data" \
		-c "listen_addresses=" -c "unix_socket_directories=$postgres" \
		-c max_wal_size=1GB \
		>"$folder/postgres.log" 2>&1 &
	last=$!
	wait_for pg_isready -q -h "$postgres" || return
	psql -XqAt -h "$postgres" -U groupd postgres \
		-c "select 1 from pg_database where datname = 'groupd'" |
		grep -q 1 || createdb -h "$postgres" -U groupd groupd
}

start_redis() {
	mkdir -p "$redis" && chmod 700 "$redis" || return
	start redis-server "$here/redis.conf" --port 0 \
		--unixsocket "$redis/redis.sock" --unixsocketperm 600 \
		--dir "$redis" --logfile "$folder/redis.log"
	wait_for test -S "$redis/redis.sock"
}

# start_node NAME LISTEN MOUNT: a file like groupd.conf, with what is here.
start_node() {
	node=$folder/node-$1
	mkdir -p "$node/data" "$folder/media" "$3" && chmod 700 "$node" &&
		chmod 700 "$node/data" || return
	[ -e "$node/data/media" ] || ln -s "$folder/media" "$node/data/media"
	sed -e "s#^data = .*#data = $node/data#" \
		-e "s#^socket = .*#socket = $node/groupd.sock#" \
		-e "s#^store = .*#store = postgresql://groupd@/groupd?host=$postgres#" \
		-e "s#^bus = .*#bus = unix://$redis/redis.sock#" \
		-e "s#^listen = .*#listen = $2#" \
		"$here/groupd.conf" >"$node/groupd.conf" || return
	start groupd -c "$node/groupd.conf"
	wait_for groupctl --socket "$node/groupd.sock" status || return
	chmod 755 "$node"
	start groupfs -f -o "socket=$node/groupd.sock$options" "$3"
	wait_for is_online "$3"
}

for program in postgres redis-server groupd groupfs; do
	command -v $program >/dev/null || {
		say "$program is not installed; try: make run-cluster"
		exit 1
	}
done
if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
	say "you may not open /dev/fuse; let root type: chmod 666 /dev/fuse"
	exit 1
fi
for point in "$mount_a" "$mount_b"; do
	if is_mounted "$point" && stat "$point" >/dev/null 2>&1; then
		say "$point is mounted already; is this running twice?"
		exit 1
	fi
	unmount "$point"
done
mkdir -p "$folder" || exit 1

trap 'stop 0' INT TERM HUP
start_postgres || { say "PostgreSQL did not start: $folder/postgres.log" && stop 1; }
start_redis || { say "Redis did not start: $folder/redis.log" && stop 1; }
start_node a "$listen_a" "$mount_a" || { say "node A did not start" && stop 1; }
start_node b "$listen_b" "$mount_b" || { say "node B did not start" && stop 1; }

cat <<END
Two nodes: A is mounted at $mount_a, B at $mount_b. In another terminal, type:
  export PATH="${1:+$(cd "$1" && pwd):}\$PATH" GROUPD_SOCKET="$folder/node-a/groupd.sock"
  mkdir $mount_a/dev; tail -f $mount_b/dev/messages &
  echo 'Hello from A' >> $mount_a/dev/messages
  groupctl token create "$(id -un)"
With it sign in at http://$listen_a/ or http://$listen_b/ in a browser.
Kill what you like: groupd-cluster(7) says what happens. Ctrl-C stops.
END

# A node that ends, or Redis, is what one wants to see: all go on until Ctrl-C.
while :; do
	sleep 3600 &
	wait $!
done
