# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What each torture test sources: lib.sh, and a ledger. Writers in a mount and
# over REST and WebSocket record what each was told (tests/cluster/load.py);
# readers of all kinds read on through whatever happens; and then all is
# compared (tests/cluster/check.py).
#
#   scene GROUP
#   ledger_start NODE=...    groupd is stopped then: the test starts it
#   ledger_end               it runs, and no writer was told to stop yet
#
# TORTURE=short: what CI runs, a second or two.
TORTURE_HERE=$(cd "$(dirname "$0")/../torture" && pwd)
# shellcheck source=tests/system/lib.sh
. "$TORTURE_HERE/../system/lib.sh"
export BUILD T SOCKET
RECORD=$T/record
STOP=$T/stop
export STOP

# short_or SMALL FULL: sets SIZE.
short_or() {
	SIZE=$2
	[ "${TORTURE:-}" != short ] || SIZE=$1
}

# A WebSocket that subscribes again, behind what it has, where its gateway is
# killed; and where nothing but groupd is, it is one connection for all time.
follow_on() {
	while [ ! -e "$STOP.readers" ]; do
		_after=$(tail -n 1 "$T/ws" | cut -f1)
		$PY "$HERE/peer.py" follow "$GROUP" "${_after:-0}" >>"$T/ws" \
			2>>"$T/ws.err"
		sleep 0.02
	done
}

# scene GROUP: groupd, a mount, and the group with two members.
scene() {
	GROUP=$1
	start_groupd
	export LISTEN URL
	mount_fs
	mkdir "$M/$GROUP" "$RECORD"
	: >"$RECORD/acks"
	ok "a reader is known" ctl user add gfs-reader
	echo gfs-reader >>"$M/$GROUP/members"
	READER_TOKEN=$(token gfs-reader)
	TOKEN=$(token "$ME")
	export TOKEN
}

# ledger_start NODE=...: as load.py has them.
ledger_start() {
	tail -n +1 -s 0.1 -f "$M/$GROUP/messages" >"$T/tail" 2>"$T/tail.err" &
	TAIL=$!
	ours $TAIL
	cat "$M/$GROUP/live" >"$T/live" 2>"$T/live.err" &
	LIVE=$!
	ours $LIVE
	ok "cat live blocks" wait_for 10 reads_file $LIVE "$M/$GROUP/live"
	: >"$T/ws"
	follow_on &
	ours $!
	ok "the WebSocket is live" wait_for 10 grep -q '"live"' "$T/ws.err"
	TOKEN=$READER_TOKEN $PY "$TORTURE_HERE/cursor.py" "$GROUP" \
		>"$T/cursor" 2>"$T/cursor.err" &
	CURSOR=$!
	ours $CURSOR
	stop_groupd
	$PY "$TOP/tests/cluster/load.py" "$GROUP" "$RECORD" "${WRITERS:-2}" "$@" \
		2>"$T/load.err" &
	export LOADER=$!
	ours $LOADER
}

ledger_end() {
	: >"$STOP"
	ok "the writers end well" wait_for 60 is_ended $LOADER
	is "and complain of nothing" "$(head -n 3 "$T/load.err")" ""
	ok "the pointer's reader ends" wait_for 30 is_ended $CURSOR
	is "without a complaint" "$(tail -n 3 "$T/cursor.err")" ""
	results "$T/cursor"
	ok "the log is read" cp "$M/$GROUP/messages" "$T/log"
	_n=$(wc -l <"$T/log")
	for _reader in tail live ws; do
		ok "$_reader gets all" wait_for 20 lines_at_least "$T/$_reader" "$_n"
	done
	: >"$STOP.readers"
	is "no reader complains" "$(cat "$T/tail.err" "$T/live.err")" ""
	for _pid in $TAIL $LIVE; do
		ok "a reader is the process that it was" kill -0 "$_pid"
		kill "$_pid"
	done
	diag "the WebSocket was closed $(grep -c closed "$T/ws.err") times"
	# Gateways send again, too. How long a try took is no matter here.
	RESENT=1 LIMIT=1000 \
		RESULTS="sent duplicate unavailable outcome_unknown lost refused silent unwritten" \
		$PY "$TOP/tests/cluster/check.py" "$RECORD" "$T/log" "$T/tail" \
		"$T/live" "$T/ws" >"$T/results"
	ok "all of it was compared" test $? = 0
	results "$T/results"
	ok "verify finds nothing wrong" ctl verify
}
