#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# 10,000 WebSockets come at once, beside 100 that are there and go on being
# served; then all lose their connection at once, by kill -9 of the gateway, and
# come back as groupd-api(7) asks: at random within five seconds. The times are
# comments; that nobody is thrown out, and all are served in the end, is tested.
#
# CROWD (10000; TORTURE=short: 200).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 200 10000
# shellcheck disable=SC3045
ulimit -n "$(ulimit -Hn)"
scene dev
$PY "$TORTURE_HERE/storm.py" dev "${CROWD:-$SIZE}" >"$T/done" 2>"$T/storm.err"
is "it came to its end" "$(tail -n 3 "$T/storm.err")" ""
results "$T/done"
ok "verify finds nothing wrong" ctl verify
done_testing
