#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-ws`: one group whose members are all connected, and 1,000 groups
# of 20, beside a plain epoll loop that writes the same bytes, beside the same
# loop that writes them to a bare file first (fdatasync: `durable`), and beside
# three brokers, with the same light clients, in one run and in turn, since only
# their ratio means something on a shared machine. And how often each wakes
# while nobody says anything.
#
#   sh tests/bench/ws.sh [--json FILE]
#
# BENCH_MEMBERS ("100 1000 10000"), BENCH_GROUPS (1000; 0: not) of BENCH_EACH
# (20) members, over BENCH_CONNS (1000) connections; BENCH_ROUNDS (5),
# BENCH_SLICE_MS (80), BENCH_SUSTAIN_MS (300; with 1,000 members, and with the
# many groups, each of which gets one message a second), BENCH_IDLE ("0 1000"
# connections), BENCH_IDLE_MS (5000; 0: not), BENCH_SIDES ("ours plain durable
# mosquitto nats redis"); JSON=FILE is --json FILE. QUICK=1: 1,000 members, 3
# rounds. GROUPFS_TEST_KEEP=1 keeps the scene. In some 10 s:
#
#   BENCH_MEMBERS=100 BENCH_GROUPS=50 BENCH_CONNS=50 BENCH_ROUNDS=1 \
#   BENCH_SLICE_MS=100 BENCH_SUSTAIN_MS=200 BENCH_IDLE=0 BENCH_IDLE_MS=1000
#
# Of ours each message is committed before anybody gets it (fsync); the brokers
# and the plain loop keep nothing. So "one by one" has the commit in it; "sent to
# last" begins when the sender had his answer (of the others, who answer for
# nothing, when he began); "20 at a time" are 20 messages in one commit, and 20
# in one write to the others; "8 under way": a new one goes out as soon as there
# are less. Memory is of the process that holds the connections, "both" with
# groupd's part, when those of the largest group are subscribed and nothing was
# said; "server's CPU" is groupd's and its gateway's. A wake-up is a thread that
# had gone to sleep (voluntary_ctxt_switches of /proc/PID/status), of a mount,
# too; the pings of ours, one each 25 s to a connection, are not in it.
#
# The clients have one processor, each server the others: else it is chance
# whether both share one, which costs no wake-ups across, or not. nats alone,
# which works on several at a time, may use all.
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
[ -n "${QUICK:-}" ] && BENCH_MEMBERS=${BENCH_MEMBERS:-1000} &&
	BENCH_ROUNDS=${BENCH_ROUNDS:-3}
MEMBERS=${BENCH_MEMBERS:-100 1000 10000}
ROUNDS=${BENCH_ROUNDS:-5}
SIDES=${BENCH_SIDES:-ours plain durable mosquitto nats redis}
SUSTAIN=${BENCH_SUSTAIN_MS:-300}
GROUPS_N=${BENCH_GROUPS:-1000}
EACH=${BENCH_EACH:-20}
CONNS=${BENCH_CONNS:-1000}
IDLE_MS=${BENCH_IDLE_MS:-5000}
IDLE=${BENCH_IDLE:-0 1000}
export BENCH_SLICE_MS="${BENCH_SLICE_MS:-80}"
BENCH=$BUILD/bench
SAMPLES=$T/samples
MOST=$(printf '%s\n' $MEMBERS | sort -n | tail -n 1)
USERS=$(printf '%s\n' $MEMBERS $IDLE "$CONNS" | sort -n | tail -n 1)
export SOCKET TOKENS="$T/tokens"
CPUS=$(nproc)

# A descriptor for each connection.
# shellcheck disable=SC3045
ulimit -n "$(ulimit -Hn)"

say() {
	echo "bench-ws: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# peer NAME PORT COMMAND...: starts it, and waits until it listens. In a session
# of its own, as a gateway is: the kernel gives each its share of the processors.
peer() {
	name=$1
	port=$2
	shift 2
	setsid "$@" >>"$T/$name.log" 2>&1 &
	eval "${name}_port=$port ${name}_pids=$!"
	ours $!
	wait_for 10 listens "$port" || die "no $name: $(tail -n 3 "$T/$name.log")"
}

# on CPUS PID...
on() {
	cpus=$1
	shift
	[ "$CPUS" -gt 1 ] || return 0
	for pid in "$@"; do
		taskset -acp "$cpus" "$pid" >/dev/null
	done
}

listens() {
	ss -Hltn "sport = :$1" | grep -q .
}

rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

start_ours() {
	start_groupd
	seq 0 $((USERS - 1)) | sed 's/^/u/' | ctl user add - >/dev/null ||
		die "no users"
	"$BENCH/wsclients" scene "$SOCKET" bench "$USERS" "$GROUPS_N" "$EACH" \
		"$CONNS" >"$TOKENS" || die "no groups"
	# Before its first connection.
	gateway=$(pgrep -P "$GROUPD" | head -n 1)
	# shellcheck disable=SC2034
	ours_port=${LISTEN##*:} ours_pids="$gateway $GROUPD"
}

start_plain() {
	port=$(free_port)
	peer plain "$port" "$BENCH/epollserver" "$port"
}

start_durable() {
	port=$(free_port)
	peer durable "$port" "$BENCH/epollserver" "$port" "$T/durable"
}

start_mosquitto() {
	port=$(free_port)
	printf 'listener %s 127.0.0.1\nallow_anonymous true\nuser %s\n' \
		"$port" "$ME" >"$T/mosquitto.conf"
	peer mosquitto "$port" mosquitto -c "$T/mosquitto.conf"
}

start_nats() {
	port=$(free_port)
	peer nats "$port" nats-server -a 127.0.0.1 -p "$port"
}

start_redis() {
	port=$(free_port)
	peer redis "$port" redis-server --bind 127.0.0.1 --port "$port" \
		--save '' --appendonly no --maxclients 12000 --dir "$T"
}

# run COMMAND SIDE ARGUMENTS: of wsclients
run() {
	command=$1
	side=$2
	shift 2
	eval "port=\$${side}_port; PIDS=\$${side}_pids"
	export PIDS
	"$BENCH/wsclients" "$command" "$side" "$port" "$@" >>"$SAMPLES" ||
		die "$side: $command $* failed"
}

one_group() {
	SUSTAIN_MS=0
	case $1:$2 in
	ours:1000 | plain:1000 | durable:1000 | redis:1000) SUSTAIN_MS=$SUSTAIN ;;
	esac
	# mosquitto takes 7 s for each burst then.
	BURST=20 BENCH_DEPTH=8
	[ "$1:$2" != mosquitto:10000 ] || BURST=0 BENCH_DEPTH=0
	export SUSTAIN_MS BURST BENCH_DEPTH
	run run "$1" "$2"
}

many_groups() {
	SUSTAIN_MS=$SUSTAIN BENCH_NAME="${GROUPS_N}x$EACH" \
		run many "$1" "$CONNS" "$GROUPS_N" "$EACH"
}

# Before anything else has made the servers larger: what was said stays in them,
# and what connections took is taken again by the next.
memory() {
	say "memory of $MOST connections"
	for side in $SIDES; do
		eval "RSS_BASE=\$${side}_rss"
		export RSS_BASE
		IDLE_MS=0 run idle "$side" "$MOST"
	done
	unset RSS_BASE
}

# All at the same time: who is idle disturbs nobody.
idle() {
	clients=
	for side in $SIDES; do
		IDLE_MS=$IDLE_MS BENCH_NAME="$1 connections," \
			run idle "$side" "$1" &
		ours $!
		clients="$clients $!"
	done
	for client in $clients; do
		wait "$client" || die "idle with $1 connections failed"
	done
}

# idle_with REGEX: numbers of connections
idle_with() {
	[ "$IDLE_MS" -gt 0 ] || return 0
	for n in $(printf '%s\n' $IDLE | grep -E "$1"); do
		say "$n idle connections"
		idle "$n"
	done
}

: >"$SAMPLES"
say "a group of $MOST members, $GROUPS_N of $EACH"
for side in $SIDES; do
	start_$side
	eval "pids=\$${side}_pids"
	# shellcheck disable=SC2154,SC2086
	[ "$side" = nats ] || on "0-$((CPUS - 2))" $pids
	eval "${side}_rss=\$(for pid in \$pids; do rss \$pid; done)"
done
on $((CPUS - 1)) $$
# Before the first connection: of those that have gone something is left to do.
if [ "$IDLE_MS" -gt 0 ] && [ -n "$GROUPD" ]; then
	mount_fs
	ours_pids="$ours_pids $GROUPFS"
fi
idle_with '^0$'
memory
for n in $MEMBERS; do
	say "$n members, $ROUNDS rounds"
	for _ in $(seq "$ROUNDS"); do
		for side in $SIDES; do
			one_group "$side" "$n"
		done
	done
done
[ "$GROUPS_N" -eq 0 ] || say "$GROUPS_N groups of $EACH, $ROUNDS rounds"
for _ in $([ "$GROUPS_N" -eq 0 ] || seq "$ROUNDS"); do
	for side in $SIDES; do
		many_groups "$side"
	done
done
idle_with '^[1-9]'
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
