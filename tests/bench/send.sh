#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-send`: durable messages, 200 bytes each, beside a bare file and
# three others who promise it, in one run and in turn, since only their ratio
# means something on a shared machine; and one message from end to end.
#
#   sh tests/bench/send.sh [--json FILE]
#
# BENCH_GROUPS (100000), BENCH_GROUP_MEMBERS (20), BENCH_SENDERS ("1 8 64
# 512"), BENCH_ROUNDS (5), BENCH_SLICE_MS (200), BENCH_WARM_MS (50: before it),
# BENCH_SUSTAIN_MS (2000; 0: not), BENCH_SINGLES (300; 0: not), BENCH_SIDES
# ("ours file fdatasync server redis postgres mosquitto rest websocket mount");
# JSON=FILE is --json FILE. QUICK=1: a small form of 10 seconds.
# GROUPFS_TEST_KEEP=1 keeps the scene.
#
# N senders have one message under way each. "ours" is groupd over its Unix
# socket, all of them on one connection, as those of a mount or of a gateway
# are; "a link each": each has a connection of its own, as an ordinary client
# of any server. `server` is a bare file behind a Unix socket, by one thread;
# `file` the same without a socket, in the process that sends; `fdatasync` one
# record at a time. They write and fdatasync what has come together (group
# commit), and so does Redis (XADD to a stream a group, appendfsync always;
# over a Unix socket, on one link pipelined). `postgres`: pgbench, an INSERT
# each into a table with a primary key, synchronous_commit on; 4,000 of them, or
# 1,000 by one. `mosquitto`: QoS 1 for a subscriber who is away. It promises less
# than the others: PUBACK comes before anything is written, and all it has is
# written anew each second (autosave_interval 1; autosave_on_changes only
# counts what has changed, and does not hold up the PUBACK either). `mount`: a
# thread writes lines into 16 open files of groups at random, at most 64 of
# them: with more only the threads wait longer. Of "one group" they all append
# to one file, and the kernel lets one of them do so at a time.
#
# "commits", "disk": of groupd, a message: transactions; bytes that were given
# to the disk, with the checkpoints' (whole pages, as the kernel counts them).
# "log": of the store alone, with so many in each commit, what its write-ahead
# log takes; "and put away": with what moves them to their group, later.
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
if [ -n "${QUICK:-}" ]; then
	: "${BENCH_GROUPS:=1000}" "${BENCH_SENDERS:=1 64}" "${BENCH_ROUNDS:=1}" \
		"${BENCH_SLICE_MS:=60}" "${BENCH_WARM_MS:=20}" \
		"${BENCH_SUSTAIN_MS:=200}" "${BENCH_SINGLES:=20}"
	BENCH_SIDES=${BENCH_SIDES:-ours file fdatasync server redis mosquitto rest websocket mount}
fi
GROUPS_=${BENCH_GROUPS:-100000}
MEMBERS=${BENCH_GROUP_MEMBERS:-20}
SENDERS=${BENCH_SENDERS:-1 8 64 512}
ROUNDS=${BENCH_ROUNDS:-5}
SUSTAIN=${BENCH_SUSTAIN_MS:-2000}
SINGLES=${BENCH_SINGLES:-300}
SIDES=${BENCH_SIDES:-ours file fdatasync server redis postgres mosquitto rest websocket mount}
export BENCH_SLICE_MS="${BENCH_SLICE_MS:-200}"
export BENCH_WARM_MS="${BENCH_WARM_MS:-50}"
BENCH=$BUILD/bench/sendbench
SAMPLES=$T/samples
POSTGRES=$T/postgres
. "$TOP/tests/cluster/engines.sh"

# A descriptor for each connection.
# shellcheck disable=SC3045
ulimit -n "$(ulimit -Hn)"

say() {
	echo "bench-send: $*" >&2
}

die() {
	say "$*"
	exit 1
}

wants() {
	case " $SIDES " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# row METRIC SIDE UNIT VALUE
row() {
	printf '%s\t%s\t%s\t%s\n' "$@" >>"$SAMPLES"
}

bench() {
	"$BENCH" "$@" >>"$SAMPLES" || die "sendbench $1 failed: $2, $3"
}

# figures: commits, messages, and bytes to the disk, of groupd until now.
figures() {
	ctl status --json | jq -r '"\(.commits) \(.messages)"'
	awk '/^write_bytes/ { print $2 }' "/proc/$GROUPD/io"
}

# counted METRIC SIDE COMMAND...: with what it costs a message.
counted() {
	_metric=$1
	_side=$2
	shift 2
	_before=$(figures)
	"$@"
	printf '%s\n' "$_before" "$(figures)" | tr '\n' ' ' | awk -v OFS='\t' \
		-v metric="$_metric" -v side="$_side" '$5 > $2 {
		print metric ", commits", side, "a message", ($4 - $1) / ($5 - $2)
		print metric ", disk", side, "bytes", ($6 - $3) / ($5 - $2)
	}' >>"$SAMPLES"
}

# load METRIC SIDE PROTOCOL ADDRESS SENDERS CONNECTIONS GROUPS
load() {
	wants "$2" && bench load "$@"
}

# The same, of groupd.
load_ours() {
	wants "$2" && counted "$1" "$2" bench load "$@"
}

start_server() {
	"$BENCH" server "$T/server.sock" "$T/server.log" 2>>"$T/bench.log" &
	ours $!
	wait_for 10 test -S "$T/server.sock" || die "no server"
}

start_redis() {
	mkdir -p "$T/redis"
	redis-server --port 0 --unixsocket "$T/redis/socket" --dir "$T/redis" \
		--save '' --appendonly yes --appendfsync always \
		--auto-aof-rewrite-percentage 0 >>"$T/redis.log" 2>&1 &
	ours $!
	wait_for 10 redis_answers "$T/redis" || die "no Redis"
}

start_postgres() {
	postgres_start "$POSTGRES" max_connections=600 max_wal_size=4GB ||
		die "no PostgreSQL"
	sql "$POSTGRES" "create table sent(id bigserial primary key,
		group_id bigint, sender int, at timestamptz, content text)"
	printf '\\set g random(1, %s)\n%s\n' "$GROUPS_" "insert into
		sent(group_id, sender, at, content)
		values (:g, 1, now(), repeat('x', 200));" | tr '\n' ' ' |
		sed 's/ insert/\ninsert/' >"$T/insert.sql"
}

# Each time with nothing in it; the subscriber who is away is one with a session
# that is kept.
start_mosquitto() {
	mosquitto_port=$(free_port)
	mkdir -p "$T/mosquitto"
	printf '%s\n' "listener $mosquitto_port 127.0.0.1" \
		"allow_anonymous true" "user $ME" "persistence true" \
		"persistence_location $T/mosquitto/" "autosave_interval 1" \
		"max_queued_messages 0" >"$T/mosquitto.conf"
	mosquitto -c "$T/mosquitto.conf" >>"$T/mosquitto.log" 2>&1 &
	MOSQUITTO=$!
	ours $MOSQUITTO
	wait_for 10 subscribe_away || die "no mosquitto"
}

subscribe_away() {
	$PY - "$mosquitto_port" <<-'END'
		import socket, sys
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		s.sendall(b"\x10\x10\0\4MQTT\4\0\0\0\0\4away"
		          b"\x82\x0c\0\1\0\7bench/#\1")
		got = b""
		while len(got) < 9:
		    got += s.recv(9 - len(got))
		s.sendall(b"\xe0\0")
	END
}

run_mosquitto() {
	wants mosquitto || return 0
	start_mosquitto
	load "$1" mosquitto mosquitto "$mosquitto_port" "$2" "$2" "$GROUPS_"
	kill -KILL $MOSQUITTO
	wait $MOSQUITTO 2>/dev/null
	rm -rf "$T/mosquitto"
}

run_postgres() {
	wants postgres || return 0
	rm -f "$T"/pgbench.*
	pgbench -n -M prepared -h "$POSTGRES" -U postgres -c "$2" \
		-t $((4000 / $2 < 1000 ? 4000 / $2 : 1000)) -l \
		--log-prefix="$T/pgbench" -f "$T/insert.sql" postgres \
		>"$T/pgbench" 2>>"$T/bench.log" || die "pgbench failed"
	row "$1, messages" postgres "a second" \
		"$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$T/pgbench")"
	cat "$T"/pgbench.* | awk '{ print $3 / 1000 }' | sort -n | awk \
		-v OFS='\t' -v metric="$1" '{ v[NR] = $1 }
		function say(name, q) {
			at = int(NR * q) + 1
			print metric ", " name, "postgres", "ms",
				v[at < NR ? at : NR]
		}
		END { say("p50", .5); say("p99", .99); say("p99.9", .999) }' \
		>>"$SAMPLES"
}

# run_mount METRIC SENDERS GROUPS
run_mount() {
	wants mount && [ "$2" -le 64 ] &&
		counted "$1" mount bench mount "$1" mount "$M" "$2" "$3"
}

# What shares one connection, or needs none.
on_one_link() {
	load_ours "$2" ours groupd "$SOCKET" "$1" 1 "$3"
	run_mount "$2" "$1" "$3"
	load "$2" redis redis "$T/redis/socket" "$1" 1 "$3"
	[ "$3" -gt 1 ] || return 0
	wants file && bench file "$2" file "$T/file" "$1"
	load "$2" server bare "$T/server.sock" "$1" 1 "$3"
	wants fdatasync && [ "$1" = 1 ] &&
		bench fdatasync "$2" fdatasync "$T/file"
}

on_a_link_each() {
	load_ours "$2" ours groupd "$SOCKET" "$1" "$1" "$3"
	load_ours "$2" rest rest "${LISTEN##*:}" "$1" "$1" "$3"
	load_ours "$2" websocket websocket "${LISTEN##*:}" "$1" "$1" "$3"
	load "$2" redis redis "$T/redis/socket" "$1" "$1" "$3"
	[ "$3" -gt 1 ] || return 0
	load "$2" server bare "$T/server.sock" "$1" "$1" "$3"
	run_postgres "$2" "$1"
	run_mosquitto "$2" "$1"
}

# Where each group has been sent to since groupd has started: what it knows of
# them (sqlite_senders.c) it need not look up.
known() {
	_first="the first message of each group"
	wants ours && counted "$_first" ours bench each "$_first" ours groupd \
		"$SOCKET" 64 1 "$GROUPS_"
	for _round in $(seq "$ROUNDS"); do
		for _n in 64 512; do
			on_one_link "$_n" \
				"N=$_n random groups, each sent to before" \
				"$GROUPS_"
		done
	done
}

# Whether it stalls now and then: as long as there are checkpoints in it.
sustained() {
	for _n in 64 512; do
		for _round in $(seq "$ROUNDS"); do
			_metric="N=$_n random groups, sustained"
			load_ours "$_metric" ours groupd "$SOCKET" "$_n" 1 \
				"$GROUPS_"
			load "$_metric" server bare "$T/server.sock" "$_n" 1 \
				"$GROUPS_"
		done
	done
}

end_to_end() {
	say "single messages of one mount"
	_mount=$M
	M=$T/mnt2
	mount_fs
	for _round in $(seq "$ROUNDS"); do
		bench end "$_mount" "$M/g1/live" "${LISTEN##*:}" "$T/file" \
			$((SINGLES / ROUNDS))
	done
	M=$_mount
}

: >"$SAMPLES"
mkdir -p "$T/data"
say "$GROUPS_ groups of $MEMBERS"
"$BENCH" scene "sqlite:$T/data/groupd.db" "$GROUPS_" "$MEMBERS" ||
	die "no groups"
for round in $(seq "$ROUNDS"); do
	for n in $(printf '%s\n' $SENDERS | awk '$1 >= 64'); do
		bench wal "N=$n random groups" "sqlite:$T/data/groupd.db" "$n" \
			"$GROUPS_"
	done
done
printf '%s\n' 'max_connections_per_user = 0' 'max_connections_per_address = 0' \
	'rate_messages_per_second = 0' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
TOKEN=$(token "$ME")
export TOKEN
wants mount && mount_fs
for side in server redis postgres; do
	wants $side && start_$side
done
for round in $(seq "$ROUNDS"); do
	say "round $round of $ROUNDS"
	for n in $SENDERS; do
		on_one_link "$n" "N=$n random groups" "$GROUPS_"
		on_one_link "$n" "N=$n one group" 1
		on_a_link_each "$n" "N=$n random groups, a link each" "$GROUPS_"
		on_a_link_each "$n" "N=$n one group, a link each" 1
	done
done
[ "$SINGLES" = 0 ] || ! wants mount || end_to_end
if [ "$SUSTAIN" != 0 ]; then
	say "each group once, and then at random"
	known
	say "sustained, $SUSTAIN ms each"
	export BENCH_SLICE_MS="$((SUSTAIN / ROUNDS))"
	sustained
fi
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
