#!/bin/sh
# SPDX-License-Identifier: MIT
# What was stored and whose answer was lost is answered when it is sent again,
# though the user may send nothing now: a refusal would say that it is not
# there.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --rate_messages_per_second 2
direct=$SOCKET
SOCKET=$T/run/dropper.sock
$PY "$HERE/dropper.py" "$SOCKET" "$direct" "$T/lost" 2>"$T/dropper.log" &
ours $!
wait_for 10 test -S "$SOCKET"
mount_fs
SOCKET=$direct
mkdir "$M/dev"
ok "much is sent at once" sh -c "seq 1000 >> '$M/dev/messages'"
is "the answer was lost" "$(cat "$T/lost")" 1
is "it is there once" "$(cut -f4 "$M/dev/messages" | tr '\n' ' ' | md5sum)" \
	"$(seq 1000 | tr '\n' ' ' | md5sum)"
fails "what is new is refused" sh -c "echo more >> '$M/dev/messages'"
is "and not stored" "$(wc -l <"$M/dev/messages")" 1000
done_testing
