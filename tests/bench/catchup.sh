#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-catchup`: who has missed much reads it. A long log, as `cat
# messages` of a mount, as pages of GET, and as a WebSocket that resumes; each
# beside what the store and the encoder alone take for it in one process (side
# `store`), in one run and in turn, since only the ratio means something on a
# shared machine.
#
#   sh tests/bench/catchup.sh [--json FILE]
#
# BENCH_BYTES (1073741824: of the log as text), BENCH_BEHIND (1000000: messages
# that pages and WebSockets have missed), BENCH_ROUNDS (5), BENCH_PARTS ("cat
# pages resume"); JSON=FILE is --json FILE. QUICK=1: 32 MiB, 100,000 messages, 3
# rounds. GROUPFS_TEST_KEEP=1 keeps the scene.
#
# Of cat, too: `native` the same bytes in a file, `peer` and `peer-cached` that
# file through passthrough_ll (fs.sh tells which is which). The log is made by
# the store's import (fsbench seed), not over a socket.
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
[ -n "${QUICK:-}" ] && BENCH_BYTES=${BENCH_BYTES:-33554432} &&
	BENCH_BEHIND=${BENCH_BEHIND:-100000} BENCH_ROUNDS=${BENCH_ROUNDS:-3}
BYTES=${BENCH_BYTES:-1073741824}
ROUNDS=${BENCH_ROUNDS:-5}
PARTS=${BENCH_PARTS:-cat pages resume}
SAMPLES=$T/samples
SOURCE=$T/source
PEER=$T/peer
CACHED=$T/peer-cached
# shellcheck disable=SC2034
NAME=bench-catchup
STORE=sqlite:$T/data/groupd.db
# A line is 39 bytes and a name more than what is said, 199 in the middle.
MESSAGES=$((BYTES / (233 + ${#ME})))
export BEHIND="${BENCH_BEHIND:-1000000}"
[ "$BEHIND" -le "$MESSAGES" ] || BEHIND=$MESSAGES
export SOCKET TOKENS="$T/tokens" BENCH_NAME=resume
. "$(dirname "$0")/peer.sh"

build_scene() {
	say "a log of $MESSAGES messages"
	mkdir -p "$T/data" "$SOURCE/bench"
	chmod 700 "$T/data"
	fsbench seed "$STORE" bench "$ME" "$MESSAGES"
	start_groupd
	mount_fs
	cat "$M/bench/messages" >"$SOURCE/bench/messages"
	start_peers
	cmp "$M/bench/messages" "$PEER/bench/messages" ||
		die "the peer's log is another"
	sync
	gateway=$(pgrep -P "$GROUPD" | head -n 1)
	export PIDS="$gateway $GROUPD"
	token "$ME" >"$TOKENS"
}

# timed METRIC COMMAND: on each side's copy of the log, whose name it ends with.
timed() {
	for side in $SIDES; do
		file=${side#*:}/bench/messages
		# shellcheck disable=SC2086
		fsbench time "$1" "${side%%:*}" "$(stat -c %s "$file")" $2$file
	done
}

bench_cat() {
	SIDES="ours:$M peer:$PEER peer-cached:$CACHED native:$SOURCE"
	timed cat "cat "
	fsbench render cat text "$STORE" bench
}

bench_pages() {
	"$BENCH/wsclients" pages "${LISTEN##*:}" bench >>"$SAMPLES" ||
		die "pages failed"
	fsbench render pages json "$STORE" bench
}

bench_resume() {
	"$BENCH/wsclients" resume "${LISTEN##*:}" 1 >>"$SAMPLES" ||
		die "resume failed"
	fsbench render resume json "$STORE" bench
}

: >"$SAMPLES"
build_scene
for round in $(seq "$ROUNDS"); do
	say "round $round of $ROUNDS"
	for part in $PARTS; do
		bench_$part
	done
done
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
