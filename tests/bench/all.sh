#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench`: all benchmarks, one after the other, in less than 15 minutes on
# a machine that does nothing else, and behind them one table of what is aimed
# at and what was reached (reach.py). Each makes what it needs by itself, and
# prints its own table.
#
#   sh tests/bench/all.sh [--json FILE]
#
# BENCH ("send ws catchup flat instructions fs cluster") names those that run;
# JSON=FILE is --json FILE. What is smaller here than in `make bench-X` is below,
# by the variables that the script of each tells; of what an aim is a ratio of,
# there are five rounds, but of the cluster's. One that fails is told, and the
# others run: then the end is a failure, too. Whether aims were met is none.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
OUT=$(mktemp -d) || exit 1
# Of one of them: what hangs must not hold up the others.
PATIENCE_S=900
FAILED=
running=

say() {
	echo "bench: $*" >&2
}

cleanup() {
	rm -rf "$OUT"
}

# timeout(1) tells all that it started.
stop() {
	[ -z "$running" ] || kill -TERM "$running"
	wait
	exit 130
}

trap cleanup EXIT
trap stop INT TERM HUP

settings() {
	case $1 in
	send) echo BENCH_SLICE_MS=120 BENCH_WARM_MS=30 BENCH_SINGLES=200 ;;
	fs) echo BENCH_HISTORY_MB=64 BENCH_GROUPS=2000 BENCH_SLICE_MS=100 \
		BENCH_CROWD_MS=250 ;;
	instructions) echo "BUILD=$UNLOCKED" ;;
	cluster) echo BENCH_SLICE_MS=1000 BENCH_SENDERS=8 BENCH_MESSAGES=300 \
		BENCH_SIZED=3000 BENCH_ONLINE_MS=4000 ;;
	esac
}

# run NAME
run() {
	say "$1"
	began=$(date +%s)
	# shellcheck disable=SC2046
	timeout -k 60 "$PATIENCE_S" env $(settings "$1") \
		sh "$HERE/$1.sh" --json "$OUT/$1.json" </dev/null &
	running=$!
	wait $running
	rc=$?
	running=
	[ $rc = 0 ] || FAILED="$FAILED $1"
	[ $rc = 0 ] || say "$1 FAILED with status $rc"
	say "$1 took $(($(date +%s) - began)) s"
}

start=$(date +%s)
for name in ${BENCH:-send ws catchup flat instructions fs cluster}; do
	run "$name"
done
/usr/bin/python3 "$HERE/reach.py" "$OUT" ${JSON:+"$JSON"} || FAILED="$FAILED reach.py"
say "all of it took $(($(date +%s) - start)) s"
[ -z "$FAILED" ] || say "FAILED:$FAILED"
[ -z "$FAILED" ]
