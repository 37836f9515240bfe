#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 900
# groupd is killed at points that have names, 50 times each (faults.c); then the
# same holds as after a kill at any moment (kill.sh).
#
# CYCLES (50; TORTURE=short: 1), POINT (all: a pattern of their names).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 1 50
cycles=${CYCLES:-$SIZE}
export PAUSE="${PAUSE:-0}"

scene dev
ledger_start "core=$URL" "mount=$M" "other=$M"
while read -r point; do
	# shellcheck disable=SC2254
	case $point in
	${POINT:-*}) ;;
	*) continue ;;
	esac
	$PY "$TORTURE_HERE/kill.py" "$cycles" "$RECORD" at "$point" \
		>"$T/killed" 2>"$T/kill.err"
	is "all kills were done: $point" "$(tail -n 3 "$T/kill.err")" ""
	results "$T/killed"
done <<END
before a commit
within a commit
before its sync
behind a commit, before anybody is told
when one was told
in sealing
in a checkpoint
END
start_groupd
ledger_end
done_testing
