# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2120
# Two nodes in the place of one groupd: tests/system/lib.sh sources this where
# $GROUPFS_TEST_CLUSTER is set. Node A has $SOCKET, so the mount and groupctl
# are its own; $URL, REST and WebSocket, are node B's. So what a test writes by
# a file and reads by HTTP crosses from node to node, and back.
#
# The server of PostgreSQL is the run's ($GROUPFS_TEST_POSTGRES of tests/run.sh),
# else the test's own; the database and Redis are the test's own. Each node has
# its own data, but for media, which they share. What a test asks of its groupd
# (options, to stop it, to kill it) is done to both.
#
# Sets: POSTGRES, STORE and BUS (URLs), GROUPD and GROUPD_B (pids), SOCKET_B,
# URL_A, URL.

# shellcheck source=tests/cluster/engines.sh
. "$TOP/tests/cluster/engines.sh"

SOCKET_B=$T/run-b/groupd.sock
GROUPD_B=
LISTEN_A=
MOUNT_B=$T/mnt-b
POSTGRES=${GROUPFS_TEST_POSTGRES:-$T/postgres}
STORE=
BUS=

# What cannot be tried on two nodes: TEST<TAB>REASON.
apart() {
	_reason=$(awk -F'\t' -v test="$(basename "$0")" \
		'$1 == test { print $2 }' "$TOP/tests/cluster/apart.table")
	[ -z "$_reason" ] || skip_all "on two nodes: $_reason"
}
# need_engines [NAME=VALUE...]: settings of PostgreSQL. Once: after a restart of
# the nodes the store is as it was.
need_engines() {
	[ -z "$STORE" ] || return 0
	postgres_start "$POSTGRES" "$@" || {
		diag "PostgreSQL did not start"
		exit 1
	}
	_name=$(basename "$T")
	sql "$POSTGRES" "create database \"$_name\" owner groupfs
		template template0" || exit 1
	STORE="postgresql://groupfs@/$_name?host=$POSTGRES"
	redis_start "$T/redis" || {
		diag "Redis did not start"
		exit 1
	}
	BUS=unix://$T/redis/socket
}

# A network between node and PostgreSQL that does as the files in $T/network say
# (pgproxy.py): sets STORE_PROXY, the store's URL through it.
proxy_start() {
	need_engines
	mkdir "$T/network"
	_port=$(free_port)
	$PY "$TOP/tests/cluster/pgproxy.py" "127.0.0.1:$_port" \
		"$POSTGRES/.s.PGSQL.5432" "$T/network" 2>"$T/proxy.log" &
	ours $!
	STORE_PROXY=postgresql://groupfs@127.0.0.1:$_port/$(basename "$T")
	ok "there is a network" \
		wait_for 10 pg_isready -q -h 127.0.0.1 -p "$_port"
}

# run_node NAME SOCKET LISTEN [OPTION...]: in the background; its pid is $NODE.
# Its log is groupd-NAME.log, its data data-NAME; media is node A's.
run_node() {
	_name=$1 _socket=$2 _listen=$3
	shift 3
	mkdir -p "$(dirname "$_socket")" "$T/data/media"
	_data=$T/data
	[ "$_name" = a ] || {
		_data=$T/data-$_name
		mkdir -p "$_data"
		[ -e "$_data/media" ] || ln -s "$T/data/media" "$_data/media"
	}
	chmod 700 "$_data" "$T/data/media"
	# shellcheck disable=SC2086
	${NODE_IN:-} "$BUILD/groupd" --data "$_data" --socket "$_socket" \
		--listen "$_listen" --store "${NODE_STORE:-$STORE}" \
		--bus "${NODE_BUS:-$BUS}" "$@" 2>>"$T/groupd-$_name.log" &
	NODE=$!
	ours $NODE
}

# node_answers PID SOCKET: or it has ended.
node_answers() {
	is_ended "$1" || "$BUILD/groupctl" --socket "$2" status
}

# wait_for_node NAME PID SOCKET
wait_for_node() {
	wait_for 20 node_answers "$2" "$3"
	"$BUILD/groupctl" --socket "$3" status >/dev/null 2>&1 || {
		diag "node $1 did not start:" \
			"$(tail -n 5 "$T/groupd-$1.log")"
		exit 1
	}
}

start_node_a() {
	: "${LISTEN_A:=127.0.0.1:$(free_port)}"
	run_node a "$SOCKET" "$LISTEN_A" "$@"
	GROUPD=$NODE
	URL_A=http://$LISTEN_A
}

start_node_b() {
	: "${LISTEN:=127.0.0.1:$(free_port)}"
	run_node b "$SOCKET_B" "$LISTEN" "$@"
	GROUPD_B=$NODE
	URL=http://$LISTEN
}

start_groupd() {
	need_engines
	start_node_a "$@"
	wait_for_node a $GROUPD "$SOCKET"
	start_node_b "$@"
	wait_for_node b $GROUPD_B "$SOCKET_B"
}

stop_groupd() {
	kill -TERM "$GROUPD_B" "$GROUPD"
	wait "$GROUPD_B"
	wait "$GROUPD"
}

kill9_groupd() {
	kill -KILL "$GROUPD_B" "$GROUPD"
	wait "$GROUPD_B" 2>/dev/null
	wait "$GROUPD" 2>/dev/null
}

kill9_node_a() {
	kill -KILL "$GROUPD"
	wait "$GROUPD" 2>/dev/null
}

kill9_node_b() {
	kill -KILL "$GROUPD_B"
	wait "$GROUPD_B" 2>/dev/null
}

ctl_b() {
	"$BUILD/groupctl" --socket "$SOCKET_B" "$@"
}

# A mount of node B, at $MOUNT_B.
mount_b() {
	mkdir -p "$MOUNT_B"
	_options=socket=$SOCKET_B
	[ "$(id -u)" = 0 ] && _options=$_options,allow_other
	"$BUILD/groupfs" -f -o "$_options" "$MOUNT_B" 2>>"$T/groupfs-b.log" &
	ours $!
	MOUNTS="$MOUNTS $MOUNT_B"
	wait_for 20 grep -qx online "$MOUNT_B/.me/state" || {
		diag "no mount: $(tail -n 5 "$T/groupfs-b.log")"
		exit 1
	}
}

# The run's server keeps nothing of a test.
forget_database() {
	[ -z "${GROUPFS_TEST_POSTGRES:-}" ] || [ -z "$STORE" ] ||
		sql "$POSTGRES" "drop database if exists \"$(basename "$T")\"
			with (force)" >/dev/null 2>&1
}

apart
have_engines || skip_all "PostgreSQL or Redis is not installed: make test-cluster"
