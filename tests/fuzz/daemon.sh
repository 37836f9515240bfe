#!/bin/sh
# SPDX-License-Identifier: MIT
# Random and mutated, mostly well-formed frames and requests at a whole groupd
# and its gateway, over its own socket, WebSocket and HTTP:
#   BUILD=... FRAMES=1000000 [SEED=...] sh tests/fuzz/daemon.sh
#
# No sanitizer says anything, what is answered is documented, memory stays
# within 5 % once it is warm (with a sanitizer, whose allocator gives nothing
# back, within a quarter), and groupd still serves and finds nothing wrong
# with its store. Of the frames 7 in 10 are groupd's own, 2 of WebSockets.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}print_stacktrace=1"
FRAMES=${FRAMES:-1000000}
ROUNDS=10
WARM=3 # rounds
TOKEN=
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
diag "SEED=$SEED FRAMES=$FRAMES"
# What is flushed to disk is not what this is about.
mkdir -p "$T/data"
! mount -t tmpfs -o size=2g,mode=700 tmpfs "$T/data" 2>/dev/null ||
	MOUNTS="$MOUNTS $T/data"
start_groupd
ok "a user" ctl user add bob
# Those that the frames revoke.
for name in bob bob bob bob; do
	token "$name" >/dev/null
done
export SEED TOKEN URL SOCKET
gateway=$(gateway_pids)

kib() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}
surface() {
	FIRST=$(cat "$T/next.$1" 2>/dev/null || echo 0) \
		$PY "$TOP/tests/fuzz/daemon.py" "$1" "$2" >"$T/$1.out" 2>&1
	rc=$?
	jq -r .next <"$T/$1.out" >"$T/next.$1" 2>/dev/null ||
		tail -n 1 "$T/$1.out" | jq -r .next >"$T/next.$1"
	[ $rc = 0 ] || bad=$((bad + 1))
	diag "$(tail -n 22 "$T/$1.out")"
	total=$((total + $(tail -n 1 "$T/$1.out" | jq -r .frames)))
}
alive() {
	kill -0 "$GROUPD" && kill -0 "$gateway"
}
good_rest() {
	rest POST /api/groups -H 'Content-Type: application/json' \
		-d '{"name":"good"}' >/dev/null
	[ "$(send_rest good hello | tail -n 1)" = 201 ]
}
# One of the last may have deleted them.
make_groups() {
	for name in dev other g1 g2 g3 g4; do
		rest POST /api/groups -H 'Content-Type: application/json' \
			-d "{\"name\":\"$name\",\"member_ids\":[\"bob\",\"nobody\"]}" \
			>/dev/null
	done
}
# The most and the least of a file's numbers differ by that part of the least,
# or by a megabyte.
case $BUILD in
*address* | *thread*) part=4 ;;
*) part=20 ;;
esac
flat() {
	sort -n "$1" | awk -v part=$part 'NR == 1 { least = $1 } END {
		exit !($1 - least <= least / part || $1 - least <= 1024) }'
}

bad=0
total=0
round=0
began=$(date +%s)
while [ $round -lt $ROUNDS ] && alive; do
	round=$((round + 1))
	TOKEN=$(token "$ME")
	make_groups
	surface wire $((FRAMES * 7 / 10 / ROUNDS))
	surface ws $((FRAMES * 2 / 10 / ROUNDS))
	surface http $((FRAMES / 10 / ROUNDS))
	alive || break
	diag "round $round: groupd $(kib "$GROUPD") KiB," \
		"the gateway $(kib "$gateway") KiB, $total frames," \
		"$(($(date +%s) - began)) s"
	[ $round -lt $WARM ] || {
		kib "$GROUPD" >>"$T/groupd.kib"
		kib "$gateway" >>"$T/gateway.kib"
	}
done
is "each answer is a documented one" "$bad" 0
ok "groupd and the gateway are the same processes" alive
ok "$FRAMES frames were answered" test "$total" -ge "$FRAMES"
ok "groupd's memory is flat" flat "$T/groupd.kib"
ok "the gateway's memory is flat" flat "$T/gateway.kib"
ok "a good message goes through it" good_rest
ok "verify finds nothing wrong" ctl verify
ok "groupd ends well: nothing has leaked" stop_groupd
fails "no sanitizer has reported anything" grep -nE \
	'ERROR: |runtime error|WARNING: ThreadSanitizer' "$T/groupd.log"
done_testing
