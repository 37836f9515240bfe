#!/bin/sh
# SPDX-License-Identifier: MIT
# An orderly stop does not wait for who has stopped reading: not for a
# WebSocket, a page, a stream, nor a client of the Unix socket. What was
# acknowledged before is there, and so is how far was read.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# Sets took: milliseconds.
stop_timed() {
	began=$(date +%s%N)
	stop_groupd
	status=$?
	took=$((($(date +%s%N) - began) / 1000000))
	return $status
}
start_groupd
stop_timed
plain=$took
start_groupd
mount_fs
mkdir "$M/dev"
ok "a reader is known" ctl user add ann
ok "and a member" sh -c "echo ann >>'$M/dev/members'"
READER=$(token ann)
TOKEN=$(token "$ME")
export TOKEN URL SOCKET
# 16 MiB: more than each socket between holds.
seq -f "%.0f $(head -c 2000 /dev/zero | tr '\0' x)" 8000 >>"$M/dev/messages"
mkfifo "$T/hold"
$PY "$HERE/stuck.py" dev <"$T/hold" >"$T/stuck" 2>"$T/stuck.err" &
ours $!
exec 3>"$T/hold"
ok "clients of all kinds stop reading" wait_for 20 grep -q stuck "$T/stuck"
diag "$(cat "$T/stuck" "$T/stuck.err")"
ok "a last message is acknowledged" sh -c "echo last >>'$M/dev/messages'"
TOKEN=$READER
ok "and how far somebody has read" rest PUT /api/groups/dev/read \
	--json '{"last_read_seq":7}'
gateway=$(gateways)
ok "groupd stops well" stop_timed
diag "in $took ms, and $plain ms before there was anybody"
ok "within a second more, or so" test $took -lt $((1000 + 3 * plain))
ok "and so did its gateway" is_ended "$gateway"
is "which nobody had to kill" "$(grep -c 'ignores\|left over' "$T/groupd.log")" 0
start_groupd
like "the last message is there" "$(tail -n 1 "$M/dev/messages")" 'last$'
is "and the pointer" "$(rest GET /api/groups/dev | head -n 1 | jq .last_read_seq)" 7
exec 3>&-
done_testing
