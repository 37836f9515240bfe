#!/bin/sh
# SPDX-License-Identifier: MIT
# One user in 10,000 groups: a WebSocket that subscribes to all gets live of
# each and what is sent to any; a second one too, that names them all. They go
# on over a restart of the core.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
n=10000
[ "$LOAD" = full ] || n=1500
start_groupd
mount_fs
TOKEN=$(token "$ME")
export URL TOKEN
began=$(date +%s)
# In parallel: so they share commits.
ok "$n groups" sh -c "cd '$M' && seq -f g%.0f $n | xargs -P 16 -n 50 mkdir"
diag "made in $(($(date +%s) - began)) s"
gateway=$(gateways)
export KILL="$T/kill-core"
$PY "$HERE/many_groups.py" $n "$gateway" >"$T/figures" 2>"$T/figures.err" &
client=$!
ours $client
kills_core_for $client
ok "two WebSockets in all of them" wait $client
diag "$(cat "$T/figures.err" "$T/figures")"
is "all is as it should be" "$(grep ^wrong "$T/figures")" ""
ok "the gateway is the same process still" kill -0 "$gateway"
done_testing
