#!/bin/sh
# SPDX-License-Identifier: MIT
# More messages at once than a gateway lets wait for groupd: those beyond are
# refused at once, with when to come again, and the others are stored.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
most=8192
sockets=160
each=64
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL T
$PY "$HERE/flood.py" dev $sockets $each $most >"$T/flood" 2>"$T/flood.err" &
flood=$!
ours $flood
ok "$sockets WebSockets are there" wait_for 20 test -e "$T/ready"
kill -STOP "$GROUPD"
touch "$T/stopped"
ok "some are refused" wait_for 30 test -e "$T/refused"
held=$(awk '/^VmRSS/ { print $2 }' "/proc/$(gateway_pids)/status")
kill -CONT "$GROUPD"
ok "the others are answered" wait $flood
is "and nobody complains" "$(cat "$T/flood.err")" ""
results "$T/flood"
diag "the gateway had $held KiB"
is "the log has those that were stored" "$(wc -l <"$M/dev/messages")" \
	$(($(cat "$T/stored") + sockets))
done_testing
