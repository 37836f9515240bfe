#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 7200
# `make soak`: half an hour of ordinary load on all surfaces, with faults at
# random; what is promised is said in soak.py, and the ledger's in lib.sh.
#
# SOAK_MINUTES (30; a fraction, too), SOAK_MESSAGES (1000000: that lie in the
# store before); TORTURE=short: 3 seconds, 1,000.
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 1000 1000000
messages=${SOAK_MESSAGES:-$SIZE}
short_or 0.05 30
seconds=$(awk -v minutes="${SOAK_MINUTES:-$SIZE}" 'BEGIN { print minutes * 60 }')

export PAUSE="${PAUSE:-0.02}"
scene dev
mkdir "$M/old"
began=$(date +%s%N)
seq -f 'a message of some length, as people write them: %.0f' \
	"$messages" >>"$M/old/messages"
is "$messages messages are there before" \
	"$(tail -n 1 "$M/old/messages" | cut -f1)" "$messages"
diag "written in $((($(date +%s%N) - began) / 1000000)) ms"
ledger_start "core=$URL" "mount=$M" "other=$T/mnt2"
export GROUPFS
$PY "$TORTURE_HERE/soak.py" "$seconds" dev "$M" "$T/mnt2" old "$messages" \
	>"$T/soaked" 2>"$T/soak.err"
is "it came to its end" "$(tail -n 3 "$T/soak.err")" ""
results "$T/soaked"
start_groupd
ledger_end
done_testing
