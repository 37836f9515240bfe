#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-flat`: what each operation takes where there are few groups and
# where there are very many: a groupd and a mount for each number of groups,
# asked in turn, one call each. The one with the most groups is `ours`, and
# has a group of 100,000 members as well; the others are what it is compared
# with.
#
#   sh tests/bench/flat.sh [--json FILE]
#
# BENCH_GROUPS ("1000 100000"; the full sizes: "1000 100000 1000000", of 20
# members each), BENCH_LOG (20; full: 50) messages in each group, BENCH_MEMBERS
# (100000) of the large group, BENCH_BUSY (10000) groups of one user,
# BENCH_ROUNDS (5), BENCH_SLICE_MS (120), BENCH_VERIFY ("1000") stores that
# `groupctl verify` reads, BENCH_OP: only operations with this in their name.
# BENCH_STORES=DIR: the stores are there, or are made there, and stay; else
# they go. JSON=FILE is --json FILE. GROUPFS_TEST_KEEP=1 keeps the scene.
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
SIZES=$(printf '%s\n' ${BENCH_GROUPS:-1000 100000} | sort -n)
MOST=$(printf '%s\n' "$SIZES" | tail -n 1)
FEWEST=$(printf '%s\n' "$SIZES" | head -n 1)
ROUNDS=${BENCH_ROUNDS:-5}
STORES=${BENCH_STORES:-$T/stores}
BUSY=${BENCH_BUSY:-10000}
[ "$BUSY" -le "$MOST" ] || BUSY=$MOST
FLAT=$BUILD/bench/flatbench
SAMPLES=$T/samples

say() {
	echo "bench-flat: $*" >&2
}

die() {
	say "$*"
	exit 1
}

row() {
	printf '%s\t%s\t%s\t%s\n' "$@" >>"$SAMPLES"
}

# The name of a side, and whether it has the large group.
side() {
	[ "$1" = "$MOST" ] && echo ours || echo "$1 groups"
}

large() {
	[ "$1" = "$MOST" ] && echo 1 || echo 0
}

rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

socket() {
	echo "$T/$1/groupd.sock"
}

ctl_of() {
	_n=$1
	shift
	"$BUILD/groupctl" --socket "$(socket "$_n")" "$@"
}

seed() {
	mkdir -p "$STORES/$1"
	[ -e "$STORES/$1/groupd.db" ] && return
	say "a store of $1 groups"
	_start=$(date +%s)
	"$FLAT" seed "$STORES/$1/groupd.db" "$1" "$(large "$1")" ||
		die "no store"
	sync "$STORES/$1/groupd.db"
	say "made in $(($(date +%s) - _start)) s:" \
		"$(du -sm "$STORES/$1" | cut -f1) MB"
}

# start METRIC GROUPS: sets pid_GROUPS.
start() {
	"$FLAT" start "$1" "$(side "$2")" "$(socket "$2")" "$T/$2/pid" \
		"$BUILD/groupd" --data "$STORES/$2" \
		--socket "$(socket "$2")" --listen "127.0.0.1:$(port "$2")" \
		>>"$SAMPLES" 2>>"$T/groupd-$2.log" ||
		die "no groupd: $(tail -n 3 "$T/groupd-$2.log")"
	eval "pid_$2=$(cat "$T/$2/pid")"
	ours "$(cat "$T/$2/pid")"
}

pid() {
	eval "echo \$pid_$1"
}

# One port for all starts.
port() {
	[ -e "$T/$1/port" ] || free_port >"$T/$1/port"
	cat "$T/$1/port"
}

# The gateway of a groupd, once it is connected.
gateway() {
	wait_for 10 has_gateway "$1" || die "no gateway"
	pgrep -P "$(pid "$1")" | head -n 1
}

has_gateway() {
	curl -sf "http://127.0.0.1:$(port "$1")/readyz"
}

end() {
	kill -"$1" "$(pid "$2")"
	wait_gone 30 "$(pid "$2")" || die "groupd does not end"
}

# Each start finds the file in the page cache, as the one after a crash or an
# update does.
bench_start() {
	say "start, $ROUNDS rounds"
	for n in $SIZES; do
		start "start, the first" "$n"
	done
	for _ in $(seq "$ROUNDS"); do
		for n in $SIZES; do
			end KILL "$n"
			start "start after kill -9" "$n"
		done
		# The last one, for it has its gateway as a child.
		for n in $SIZES; do
			end TERM "$n"
			start "start" "$n"
		done
	done
}

# What has come last is in memory until it is put away, and how much that may be
# is the same for all (HOT_ROWS, of store/sqlite_hot.h): those who start with it
# are measured as well, but what a group takes is told where there is nothing.
rest() {
	say "all is put away"
	for n in $SIZES; do
		end TERM "$n"
		"$FLAT" rest "$STORES/$n/groupd.db" || die "not put away"
		start "start, at rest" "$n"
		gateway "$n" >/dev/null
	done
}

# memory WHEN
memory() {
	for n in $SIZES; do
		row "memory of groupd, $1" "$(side "$n")" KiB \
			"$(rss "$(pid "$n")")"
		row "memory of its gateway, $1" "$(side "$n")" KiB \
			"$(rss "$(gateway "$n")")"
	done
}

# memory_a_group WHEN
memory_a_group() {
	[ "$MOST" = "$FEWEST" ] || row "memory a group, $1" ours bytes \
		"$(awk -v a="$(rss "$(pid "$MOST")")" \
			-v b="$(rss "$(pid "$FEWEST")")" \
			-v n=$((MOST - FEWEST)) \
			'BEGIN { print (a - b) * 1024 / n }')"
}

mount_all() {
	for n in $SIZES; do
		M=$T/$n/mnt SOCKET=$(socket "$n") mount_fs
	done
}

bench_ask() {
	say "each operation, $ROUNDS rounds"
	set -- ask
	for n in $SIZES; do
		set -- "$@" "$(side "$n")" "$n" "$(large "$n")" \
			"$(socket "$n")" "$(ctl_of "$n" token create u00000007)" \
			"$(ctl_of "$n" token create busy)" "$T/$n/mnt"
	done
	"$FLAT" "$@" >>"$SAMPLES" || die "not all was answered"
}

# Of the largest store, what has no peer but the clock.
bench_large() {
	_members=$T/$MOST/mnt/$(printf 'g%08d' $((MOST + 1)))/members
	for _ in $(seq "$ROUNDS"); do
		"$BUILD/bench/fsbench" time "mount: cat members, of the large" \
			ours 0 cat "$_members" >>"$SAMPLES" || die "no members"
	done
}

# Before anything else has made the processes larger.
bench_watched() {
	say "a user who watches $BUSY groups"
	URL=http://127.0.0.1:$(port "$MOST") \
		TOKEN=$(ctl_of "$MOST" token create busy) \
		$PY "$TOP/tests/bench/watched.py" \
		"$BUSY" "$(pid "$MOST")" >>"$SAMPLES" || die "not subscribed"
}

# What a disk does is another matter: all of them lie in the page cache. (A
# kernel that gives back what was not used for a while, as that of a virtual
# machine may, has taken out 15 % of it after a minute.)
warm() {
	for n in $SIZES; do
		cat "$STORES/$n"/groupd.db* >/dev/null
	done
}

sizes() {
	for n in $SIZES; do
		row "store's size, a group" "$(side "$n")" bytes \
			$(($(du -sk "$STORES/$n" | cut -f1) * 1024 / n))
	done
}

verify() {
	for n in ${BENCH_VERIFY-$FEWEST}; do
		say "verify of $n groups"
		ctl_of "$n" verify >"$T/verify" 2>&1 || die "$(cat "$T/verify")"
	done
}

: >"$SAMPLES"
for n in $SIZES; do
	mkdir -p "$T/$n"
	seed "$n"
done
sizes
warm
bench_start
memory "with what is to be put away"
rest
memory "at rest"
memory_a_group "at rest"
bench_watched
verify
mount_all
warm
bench_ask
bench_large
memory "after all"
say "ours: $MOST groups, ${BENCH_LOG:-20} messages in each"
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
