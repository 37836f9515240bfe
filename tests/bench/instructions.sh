#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-instructions`: how many instructions the hot paths take, counted
# by callgrind, which nothing else on the machine changes, beside the table
# that is kept in the tree. Each path runs N times and 2 N times, and what
# counts is the difference: what is set up before falls out.
#
#   sh tests/bench/instructions.sh [--json FILE]
#
# WRITE=1: instructions.tsv becomes what was counted. BENCH_PATHS: an extended
# regular expression, those whose name it matches. JSON=FILE is --json FILE.
#
# Of pathbench and, as they are, of groupfs and of a gateway, each alone with
# what asks it; so a tenth is chance there: how much one turn of the loop finds.
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
TABLE=$TOP/tests/bench/instructions.tsv
SAMPLES=$T/samples
PATHS=$BUILD/bench/pathbench
WANTED=${BENCH_PATHS:-.}
SOCKETS=20
export BUILD SOCKET

say() {
	echo "bench-instructions: $*" >&2
}

die() {
	say "$*"
	exit 1
}

COUNT="valgrind --tool=callgrind --callgrind-out-file=/dev/null --vgdb=no"
TOOL=/usr/libexec/valgrind/callgrind-$(dpkg --print-architecture)-linux

# counted FILE [PID]: what callgrind said there, of that process.
counted() {
	sed -n "s/==${2:-[0-9]*}== Collected : \([0-9]*\).*/\1/p" "$1"
}

# What follows prints how many N of a thing took, with what was set up.

# count_path N NAME: of pathbench.
count_path() {
	_dir=$T/$1
	mkdir -p "$_dir"
	rm -f "$_dir"/paths.db*
	$COUNT "$PATHS" "$2" "$1" "$_dir" 2>"$_dir/log" ||
		die "$2: $(tail -n 3 "$_dir/log")"
	counted "$_dir/log"
}

# count_mount N WHAT: of a groupfs that is asked so often.
count_mount() {
	_dir=$T/$1
	mkdir -p "$_dir/mnt"
	$COUNT "$BUILD/groupfs" -f -o "socket=$SOCKET" "$_dir/mnt" \
		2>"$_dir/log" &
	_pid=$!
	M=$_dir/mnt
	wait_for 30 is_online || die "no mount: $(tail -n 3 "$_dir/log")"
	$PY "$TOP/tests/bench/asks.py" "$2" "$1" "$M/bench/messages" ||
		die "$2 was not answered"
	kill -TERM $_pid
	wait $_pid
	# groupfs has a second process, for what its locks forbid.
	counted "$_dir/log" $_pid
}

# count_gateway N: of a gateway that delivers N messages to each of SOCKETS. Its
# groupd finds it beside itself, and knows it by its process' name: so the tool
# has that name, too.
count_gateway() {
	_dir=$T/gateway-$1
	mkdir -p "$_dir/tool"
	cp "$BUILD/groupd" "$_dir/groupd"
	cp "$TOOL" "$_dir/tool/groupd-gateway"
	cat >"$_dir/groupd-gateway" <<-END
		#!/bin/sh
		export VALGRIND_LIB=${TOOL%/*} VALGRIND_LAUNCHER=/usr/bin/valgrind
		exec $_dir/tool/groupd-gateway ${COUNT#* } \
			--log-file=$_dir/log $BUILD/groupd-gateway "\$@"
	END
	chmod +x "$_dir/groupd-gateway"
	"$_dir/groupd" --data "$_dir/data" --socket "$_dir/sock" \
		--listen "127.0.0.1:0" 2>>"$_dir/groupd.log" &
	_pid=$!
	SOCKET=$_dir/sock
	wait_for 20 ctl create bench || die "no groupd"
	URL=http://$(figure listen)
	wait_for 60 curl -sf "$URL/readyz" ||
		die "no gateway: $(tail -n 5 "$_dir/groupd.log")"
	URL=$URL TOKEN=$(token "$ME") $PY "$TOP/tests/bench/asks.py" \
		deliver "$1" "$SOCKETS" || die "not all was delivered"
	kill -TERM $_pid
	wait $_pid
	counted "$_dir/log"
}

# measure NAME N PARTS FUNCTION [ARGUMENT...]: the two at a time. PARTS: what
# one of N is divided by.
measure() {
	printf '%s\n' "$1" | grep -qE -- "$WANTED" || return 0
	_name=$1 _n=$2 _parts=$3 _count=$4
	shift 4
	($_count "$_n" "$@" >"$T/once") &
	_other=$!
	($_count $((2 * _n)) "$@" >"$T/twice")
	wait $_other
	[ -s "$T/once" ] && [ -s "$T/twice" ] || die "$_name was not counted"
	_new=$(awk -v a="$(cat "$T/once")" -v b="$(cat "$T/twice")" \
		-v n="$_n" -v parts="$_parts" \
		'BEGIN { printf "%.0f", (b - a) / n / parts }')
	_old=$(awk -F '\t' -v name="$_name" '$1 == name { print $2 }' "$TABLE")
	printf '%s\t%s\n' "$_name" "$_new" >>"$T/table"
	printf '%s\tours\tinstr\t%s\n' "$_name" "$_new" >>"$SAMPLES"
	[ -z "$_old" ] ||
		printf '%s\ttable\tinstr\t%s\n' "$_name" "$_old" >>"$SAMPLES"
}

: >"$SAMPLES"
[ -e "$TABLE" ] || : >"$TABLE"
"$PATHS" >"$T/paths"
while IFS='	' read -r name n; do
	measure "$name" "$n" 1 count_path "$name"
done <"$T/paths"
# shellcheck disable=SC2034
LISTEN=none
start_groupd
ctl create bench || die "no group"
yes '0123456789 the quick brown fox jumps over the lazy dog, as it has' |
	head -n 20000 | ctl send --lines bench || die "no log"
# shellcheck disable=SC2034
MOUNTS="$T/1000/mnt $T/2000/mnt"
measure "mount: stat" 1000 1 count_mount stat
measure "mount: 4 KiB at random" 1000 1 count_mount page
measure "gateway: a delivery, one of $SOCKETS" 100 "$SOCKETS" count_gateway
[ -z "${WRITE:-}" ] || cp "$T/table" "$TABLE"
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
