#!/bin/sh
# SPDX-License-Identifier: MIT
# groupd stored it, and the answer was lost on its way: the mount resends with
# the same id, the write succeeds, and the message is there once.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
n=40
start_groupd
direct=$SOCKET
SOCKET=$T/run/dropper.sock
$PY "$HERE/dropper.py" "$SOCKET" "$direct" "$T/lost" 2>"$T/dropper.log" &
ours $!
wait_for 10 test -S "$SOCKET"
mount_fs
SOCKET=$direct
mkdir "$M/dev"

i=0
failed=0
while [ $i -lt $n ]; do
	i=$((i + 1))
	case $((i % 3)) in
	0) echo "m$i" >>"$M/dev/messages" ;;
	1) printf 'm%d' $i >>"$M/dev/messages" ;;
	2) printf 'm%d\n' $i >"$M/dev/post" ;;
	esac || failed=$((failed + 1))
done 2>"$T/errors"
is "each write succeeds" "$failed $(cat "$T/errors")" "0 "
ok "half of all answers were lost" test "$(cat "$T/lost")" -ge $((n / 2))
seq 1 $n | sed 's/^/m/' >"$T/wanted"
cut -f4 "$M/dev/messages" >"$T/texts"
same "each message is there once, in order" "$T/texts" "$T/wanted"
is "seq has no gap" "$(tail -n 1 "$M/dev/messages" | cut -f1)" $n

seq 1 20000 | sed 's/^/a line of some length, number /' >"$T/many"
ok "many lines in many writes" sh -c "cat '$T/many' >>'$M/dev/messages'"
tail -n +$((n + 1)) "$M/dev/messages" | cut -f4 >"$T/texts"
same "are there once, in order" "$T/texts" "$T/many"
ok "verify finds nothing wrong" ctl verify
done_testing
