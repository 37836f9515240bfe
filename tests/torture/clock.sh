#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 400
# The time of day jumps a day, an hour and 50 years ahead and behind while groupd
# runs, and stands so at a start. Order and numbers hold, the times of a log do
# not go back, limits limit for a second and not for an hour, a token lives for
# as long as it says, and nothing spins (clock.py).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
scene dev
stop_groupd
echo "rate_messages_per_second = 1" >"$T/conf"
chmod 644 "$T/conf"
$PY "$TORTURE_HERE/clock.py" dev gfs-reader >"$T/done" 2>"$T/clock.err"
is "it came to its end" "$(tail -n 3 "$T/clock.err")" ""
results "$T/done"
start_groupd
cp "$M/dev/messages" "$T/log"
n=$(wc -l <"$T/log")
diag "$n messages"
cut -f1 "$T/log" >"$T/seqs"
seq 1 "$n" >"$T/wanted"
same "seq has no gap" "$T/seqs" "$T/wanted"
is "nothing is there twice" "$(cut -f4 "$T/log" | sort | uniq -d)" ""
cut -f2 "$T/log" >"$T/times"
ok "times do not go back" sort -c "$T/times"
diag "from $(head -n 1 "$T/times") to $(tail -n 1 "$T/times")"
ok "verify finds nothing wrong" ctl verify
done_testing
