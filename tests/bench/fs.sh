#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-fs`: the mount beside libfuse's own passthrough_ll, in one run
# and in turn, since only their ratio means something on a shared machine.
#
#   sh tests/bench/fs.sh [--json FILE]
#
# BENCH_HISTORY_MB (256), BENCH_GROUPS (10000), BENCH_ROUNDS (5),
# BENCH_SLICE_MS (150), BENCH_CROWD_MS (500), BENCH_PARTS ("files pinned
# crowd ls"); JSON=FILE is --json FILE. GROUPFS_TEST_KEEP=1 keeps the scene.
# How fast a long log is read is catchup.sh's.
#
# Sides: `ours` the mount; `peer` passthrough_ll with cache=never,timeout=0,
# which shows as little of one user to another as we do; `peer-cached` the
# same with its defaults; `native` the folder below it. And where ours could
# be: `local` what groupfs answers alone, `loop` what groupd answers without a
# thread, `socket` the same request to groupd without FUSE, `store` the same on
# a store in one process, `fdatasync` a write of the line made durable.
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
HISTORY=$((${BENCH_HISTORY_MB:-256} * 1048576))
GROUPS_WANTED=${BENCH_GROUPS:-10000}
ROUNDS=${BENCH_ROUNDS:-5}
PARTS=${BENCH_PARTS:-files pinned crowd ls}
export BENCH_ROUNDS="$ROUNDS"
SAMPLES=$T/samples
SOURCE=$T/source
PEER=$T/peer
CACHED=$T/peer-cached
# shellcheck disable=SC2034
NAME=bench-fs
. "$(dirname "$0")/peer.sh"
ALL_CPUS=$(taskset -cp $$ | sed 's/.*: //')

# The peer holds a descriptor for each file that the kernel knows.
# shellcheck disable=SC3045
ulimit -n "$(ulimit -Hn)"

stop_mounts() {
	for pid in $GROUPFS $PEER_PID $CACHED_PID; do
		kill -TERM "$pid"
		wait "$pid"
	done
}

wants() {
	case " $PARTS " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

build_scene() {
	mkdir -p "$SOURCE/bench" "$T/below"
	# No gateway: nothing here speaks HTTP.
	# shellcheck disable=SC2034
	LISTEN=none
	start_groupd
	mount_fs
	mkdir "$M/bench" || die "no group"
	say "a history of $((HISTORY / 1048576)) MiB"
	fsbench history "$M/bench/messages" "$HISTORY"
	cat "$M/bench/messages" >"$SOURCE/bench/messages"
	: >"$SOURCE/bench/post"
	start_peers
	cmp "$M/bench/messages" "$PEER/bench/messages" ||
		die "the peer's history is another"
	# What is to be written back would fall into the commits measured.
	sync
}

single_calls() {
	fsbench files "$SOCKET" bench "sqlite:$T/data/groupd.db" "$T/below" \
		"$M/.me/state" \
		ours="$M/bench/messages" peer="$PEER/bench/messages" \
		peer-cached="$CACHED/bench/messages" \
		native="$SOURCE/bench/messages"
	rm -f "$T/below"/*
}

bench_files() {
	say "single calls, $ROUNDS rounds"
	single_calls
}

# On one processor no wake-up crosses to another, which in a virtual machine
# costs more than the work: what is left is the work.
bench_pinned() {
	say "single calls on one processor, $ROUNDS rounds"
	pin "$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')"
	BENCH_SUFFIX=', one CPU'
	export BENCH_SUFFIX
	single_calls
	unset BENCH_SUFFIX
	pin "$ALL_CPUS"
}

pin() {
	for pid in $$ $GROUPD $GROUPFS $PEER_PID $CACHED_PID; do
		taskset -acp "$1" "$pid" >/dev/null
	done
}

# Each first time on mounts of their own: nothing is known of the folders yet.
bench_ls() {
	say "ls of $GROUPS_WANTED groups, $ROUNDS rounds"
	fsbench mkdirs "$M" "$GROUPS_WANTED" 16
	fsbench mkdirs "$SOURCE" "$GROUPS_WANTED" 1
	for _ in $(seq "$ROUNDS"); do
		for long in "" -l; do
			stop_mounts
			mount_fs
			start_peers
			for side in ours:"$M" peer:"$PEER" \
				peer-cached:"$CACHED" native:"$SOURCE"; do
				# shellcheck disable=SC2086
				fsbench time "first ls${long:+ $long}" \
					"${side%%:*}" 0 ls $long "${side#*:}"
			done
		done
	done
}

# crowd METHOD FILE SIDE DIR WIDTH
crowd() {
	fsbench appenders "$2, $5 at once" "$3" "$1" "$5" "$4/bench/$2"
}

# The figures of groupd tell how many messages shared a commit.
bench_crowd() {
	say "1, 8 and 64 appenders, $ROUNDS rounds"
	for _ in $(seq "$ROUNDS"); do
		for width in 1 8 64; do
			for how in append:messages post:post; do
				file=${how#*:}
				before=$(ctl status --json)
				crowd "${how%%:*}" "$file" ours "$M" $width
				ctl status --json | jq -r --arg b "$before" \
					--arg m "$file, $width at once" '
					($b | fromjson) as $b |
					(.commits - $b.commits) /
					(.messages - $b.messages) |
					[$m, "commits", "per msg", .] | @tsv' \
					>>"$SAMPLES"
				crowd "${how%%:*}" "$file" peer "$PEER" $width
			done
		done
	done
}

: >"$SAMPLES"
build_scene
for part in files pinned crowd ls; do
	if wants $part; then
		bench_$part
	fi
done
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
