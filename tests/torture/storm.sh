#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# 10,000 WebSockets come at once, beside 100 that are there and go on being
# served; then all lose their connection at once, by kill -9 of the gateway, and
# come back as groupd-api(7) asks: at random within five seconds. The times are
# comments; that nobody is thrown out, and all are served in the end, is tested.
#
# CROWD (10000; TORTURE=short: 200), BENCH_WINDOW (all) being opened at a time.
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 200 10000
# shellcheck disable=SC3045
ulimit -n "$(ulimit -Hn)"
crowd=${CROWD:-$SIZE}
scene dev
export GROUPD TOKENS="$T/tokens"
seq 0 $((crowd - 1)) | sed 's/^/u/' | ctl user add - >"$T/added"
"$BUILD/bench/wsclients" scene "$SOCKET" storm "$crowd" >"$TOKENS"
is "so many have a token" "$(wc -l <"$TOKENS")" "$crowd"
$PY "$TORTURE_HERE/storm.py" storm "$crowd" >"$T/done" 2>"$T/storm.err"
is "it came to its end" "$(tail -n 3 "$T/storm.err")" ""
results "$T/done"
ok "verify finds nothing wrong" ctl verify
done_testing
