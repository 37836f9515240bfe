# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What each test of the cluster sources: tests/system/lib.sh with two nodes,
# writers on both whose every answer is recorded, readers on both, and the
# checker that compares (check.py).
#
# $GROUPFS_TEST_ROUNDS: how often each fault comes (2; make torture-cluster: 50).
# $GROUPFS_TEST_SLACK: the seconds that an answer may take beyond the two that
# are promised, because machine and Python need them (0.5; on two cores with
# fifteen that want to run, the slowest of 82,033 took 1.96 s). No patience adds
# to them.
#
#   . tests/cluster/lib.sh
#   start_groupd; mount_nodes
#   begin_load dev 2; wait_for_acks 100; fault kill-a kill9_node_a
#   end_load; check_load
#   done_testing
HERE_CLUSTER=$(cd "$(dirname "$0")" && pwd)
export GROUPFS_TEST_CLUSTER=1
# Each has a server of its own, which it may break.
unset GROUPFS_TEST_POSTGRES GROUPFS_TEST_POSTGRES_OWNER
# shellcheck source=tests/system/lib.sh
. "$HERE_CLUSTER/../system/lib.sh"
# Written by the tests of the system as well.
ROUNDS=${GROUPFS_TEST_ROUNDS:-2}
# Of seconds; of milliseconds.
LATE=$(awk -v slack="${GROUPFS_TEST_SLACK:-0.5}" 'BEGIN { print 2 + slack }')
LATE_MS=$(awk -v late="$LATE" 'BEGIN { print late * 1000 }')
export LIMIT=$LATE
RECORD=$T/record
READERS=
LOADER=
STOP=$T/stop
export STOP

# start_nodes STORE: A by way of STORE, and B; a mount of each, a group, a token.
start_nodes() {
	NODE_STORE=$1
	start_node_a
	NODE_STORE=
	wait_for_node a "$GROUPD" "$SOCKET"
	start_node_b
	wait_for_node b "$GROUPD_B" "$SOCKET_B"
	mount_nodes
}

# A mount of each, a group, a token.
mount_nodes() {
	mount_fs
	mount_b
	TOKEN=$(token "$ME")
	export TOKEN URL
	mkdir "$M/dev"
	ok "the group is on B" wait_for 5 test -d "$MOUNT_B/dev"
}

# begin_load GROUP WRITERS: WRITERS by REST and as many by WebSocket on each
# node; on each tail -f, live and a WebSocket read.
begin_load() {
	GROUP=$1
	mkdir -p "$RECORD"
	: >"$RECORD/faults"
	: >"$RECORD/acks"
	read_on a "$M" "$URL_A"
	read_on b "$MOUNT_B" "$URL"
	$PY "$HERE_CLUSTER/load.py" "$GROUP" "$RECORD" "$2" "a=$URL_A" \
		"b=$URL" 2>"$T/load.err" &
	LOADER=$!
	ours $LOADER
}

# read_on NODE MOUNT URL
read_on() {
	tail -n +1 -s 0.1 -f "$2/$GROUP/messages" >"$T/tail-$1" 2>"$T/tail-$1.err" &
	READERS="$READERS tail-$1:$!"
	ours $!
	cat "$2/$GROUP/live" >"$T/live-$1" 2>"$T/live-$1.err" &
	READERS="$READERS live-$1:$!"
	ours $!
	ok "live of node $1 blocks" wait_for 10 reads_file $! "$2/$GROUP/live"
	URL=$3 $PY "$HERE/peer.py" follow "$GROUP" 0 >"$T/ws-$1" \
		2>"$T/ws-$1.err" &
	READERS="$READERS ws-$1:$!"
	ours $!
	ok "the WebSocket of node $1 is live" \
		wait_for 10 grep -q '"live"' "$T/ws-$1.err"
}

acks() {
	wc -l <"$RECORD/acks"
}

# acks_of NODE
acks_of() {
	grep -c "^$1-" "$RECORD/acks"
}

has_acks() {
	[ "$(acks)" -ge "$1" ]
}

has_acks_of() {
	[ "$(acks_of "$1")" -ge "$2" ]
}

# more_acks N [SECONDS]: on each node, from now on.
more_acks() {
	_a=$(($(acks_of a) + $1))
	_b=$(($(acks_of b) + $1))
	wait_for "${2:-20}" has_acks_of a $_a && wait_for "${2:-20}" has_acks_of b $_b
}

# fault NAME COMMAND...: does it, and notes when it began and was over. Fails
# the test where it could not be done.
fault() {
	_fault=$1
	_began=$(date +%s.%N)
	shift
	"$@" || pass_or_fail 1 "the fault $_fault comes"
	_over=$(date +%s.%N)
	printf '%s\t%s\t%s\n' "$_began" "$_over" "$_fault" >>"$RECORD/faults"
}

# recovers SECONDS: since the last fault both nodes have stored some more, and
# then each reader on both has got all of it. Notes when.
recovers() {
	more_acks 5 "$1" && _n=$(acks) && wait_for "$1" have_read "$_n" &&
		printf '%s\t%s\t%s\n' "$_over" "$(date +%s.%N)" "$_fault" \
			>>"$RECORD/recoveries"
}

have_read() {
	for _reader in $READERS; do
		lines_at_least "$T/${_reader%:*}" "$1" || return
	done
}

# What the senders were told, of a fault of A alone.
only_a_noticed() {
	ok "A's senders were told" grep -q \
		'^a	.*	\(unavailable\|outcome_unknown\)$' "$RECORD/attempts"
	is "B's noticed nothing" "$(grep '^b	' "$RECORD/attempts" |
		grep -cv 'sent$')" 0
}

# Ends the writers, and waits until each reader has all.
end_load() {
	: >"$STOP"
	ok "the writers end well" wait_for 60 is_ended $LOADER
	is "and complain of nothing" "$(cat "$T/load.err")" ""
	ok "the log is read on A" cp "$M/$GROUP/messages" "$T/log"
	_n=$(wc -l <"$T/log")
	for _reader in $READERS; do
		ok "${_reader%:*} gets all" \
			wait_for 20 lines_at_least "$T/${_reader%:*}" "$_n"
		ok "${_reader%:*} is the process that it was" \
			kill -0 "${_reader#*:}"
		kill "${_reader#*:}"
	done
	ok "and on B" cp "$MOUNT_B/$GROUP/messages" "$T/log-b"
	URL=$URL_A $PY "$HERE/peer.py" pages "$GROUP" >"$T/pages-a"
	$PY "$HERE/peer.py" pages "$GROUP" >"$T/pages-b"
}

# What was recorded against what was read.
check_load() {
	set --
	for _reader in $READERS; do
		set -- "$@" "$T/${_reader%:*}"
	done
	$PY "$HERE_CLUSTER/check.py" "$RECORD" "$T/log" "$@" "$T/log-b" \
		"$T/pages-a" "$T/pages-b" >"$T/checked" 2>&1 ||
		pass_or_fail 1 "the checker checks"
	results "$T/checked"
}
