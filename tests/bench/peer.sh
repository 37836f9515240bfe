# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What the benchmarks of the mount share: libfuse's passthrough_ll over $SOURCE.
# Sourced behind lib.sh, with SAMPLES, SOURCE and NAME (bench-fs) set.
BENCH=$BUILD/bench

say() {
	echo "$NAME: $*" >&2
}

die() {
	say "$*"
	exit 1
}

fsbench() {
	"$BENCH/fsbench" "$@" >>"$SAMPLES" || die "fsbench $1 failed"
}

# start_peer MOUNTPOINT OPTIONS: sets PEER_PID.
start_peer() {
	mkdir -p "$1"
	"$BENCH/passthrough_ll" -f -o "source=$SOURCE,$2" "$1" \
		2>>"$T/peer.log" &
	PEER_PID=$!
	ours $PEER_PID
	MOUNTS="$MOUNTS $1"
	wait_for 10 mountpoint -q "$1" || die "no peer: $(cat "$T/peer.log")"
}

# At $CACHED and $PEER: CACHED_PID, PEER_PID.
start_peers() {
	start_peer "$CACHED" allow_other
	CACHED_PID=$PEER_PID
	start_peer "$PEER" cache=never,timeout=0,no_writeback,allow_other
}
