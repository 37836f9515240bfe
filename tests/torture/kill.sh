#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 900
# kill -9 of groupd 800 times, of the gateways and of groupfs 100 times each,
# at any moment, under eight writers: what was acknowledged is there once, at
# the number that was told, there is no gap, nothing is there twice or was never
# sent, no read pointer goes back, and `tail -f`, `cat live` and a WebSocket
# have each message once, in order.
#
# CYCLES (1000; TORTURE=short: 12).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 12 1000
cycles=${CYCLES:-$SIZE}

scene dev
ledger_start "core=$URL" "mount=$M" "other=$T/mnt2"
$PY "$TORTURE_HERE/kill.py" "$cycles" "$RECORD" "$T/mnt2" >"$T/killed" \
	2>"$T/kill.err"
is "all kills were done" "$(tail -n 3 "$T/kill.err")" ""
results "$T/killed"
start_groupd
ledger_end
done_testing
