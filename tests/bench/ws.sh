#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-ws`: one group whose members are all connected, beside a plain
# epoll loop that writes the same bytes, and beside three brokers, with the
# same light clients, in one run and in turn, since only their ratio means
# something on a shared machine.
#
#   sh tests/bench/ws.sh [--json FILE]
#
# BENCH_MEMBERS ("100 1000 10000"), BENCH_ROUNDS (5), BENCH_SLICE_MS (700),
# BENCH_SUSTAIN_MS (2000; with 1,000 members), BENCH_SIDES ("ours plain
# mosquitto nats redis"); JSON=FILE is --json FILE. QUICK=1: 1,000 members, 3
# rounds. GROUPFS_TEST_KEEP=1 keeps the scene.
#
# Of ours each message is committed before anybody gets it (fsync); the brokers
# and the loop keep nothing. So "one by one" has the commit in it; "sent to
# last" begins when the sender had his answer; "20 at a time" are 20 messages
# in one commit, and 20 in one write to the others. Memory is of the process
# that holds the connections; "server's CPU" is groupd's and its gateway's.
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
SIDES=${BENCH_SIDES:-ours plain mosquitto nats redis}
SUSTAIN=${BENCH_SUSTAIN_MS:-2000}
export BENCH_SLICE_MS="${BENCH_SLICE_MS:-700}"
BENCH=$BUILD/bench
SAMPLES=$T/samples
MOST=$(printf '%s\n' $MEMBERS | sort -n | tail -n 1)
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
	seq 0 $((MOST - 1)) | sed 's/^/u/' | ctl user add - >/dev/null ||
		die "no users"
	"$BENCH/wsclients" scene "$SOCKET" bench "$MOST" >"$TOKENS" ||
		die "no group"
	# Before its first connection.
	gateway=$(pgrep -P "$GROUPD" | head -n 1)
	# shellcheck disable=SC2034
	ours_port=${LISTEN##*:} ours_pids="$gateway $GROUPD"
}

start_plain() {
	port=$(free_port)
	peer plain "$port" "$BENCH/epollserver" "$port"
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

# run SIDE N
run() {
	eval "port=\$${1}_port; PIDS=\$${1}_pids; RSS_BASE=\$${1}_rss"
	SUSTAIN_MS=0
	case $1:$2 in
	ours:1000 | plain:1000 | redis:1000) SUSTAIN_MS=$SUSTAIN ;;
	esac
	export PIDS RSS_BASE SUSTAIN_MS
	"$BENCH/wsclients" run "$1" "$port" "$2" >>"$SAMPLES" ||
		die "$1 with $2 members failed"
}

: >"$SAMPLES"
say "a group of $MOST members"
for side in $SIDES; do
	start_$side
	eval "pids=\$${side}_pids"
	# shellcheck disable=SC2154,SC2086
	[ "$side" = nats ] || on "0-$((CPUS - 2))" $pids
	eval "${side}_rss=\$(rss \${pids%% *})"
done
on $((CPUS - 1)) $$
for n in $MEMBERS; do
	say "$n members, $ROUNDS rounds"
	for _ in $(seq "$ROUNDS"); do
		for side in $SIDES; do
			run "$side" "$n"
		done
	done
done
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
