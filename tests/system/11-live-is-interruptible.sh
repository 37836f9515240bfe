#!/bin/sh
# SPDX-License-Identifier: MIT
# Hundreds block in live, at no thread each; each is woken once a message and
# goes away at Ctrl-C.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
readers=300
[ "$LOAD" = small ] && readers=50
start_groupd
mount_fs
mkdir "$M/dev" "$T/out"
echo first >>"$M/dev/messages"
ok "my pointer is set back by nobody" test "$(cat "$M/dev/last_read")" = 1

threads() {
	sed -n 's/^Threads:[^0-9]*//p' "/proc/$GROUPFS/status"
}
before=$(threads)
# A shell's background job ignores SIGINT, so env sets it back.
pids=
for i in $(seq $readers); do
	env --default-signal=INT cat "$M/dev/live" >"$T/out/$i" 2>&1 &
	pids="$pids $!"
	ours $!
done
all_block() {
	for pid in $pids; do
		grep -q '^State:.S' "/proc/$pid/status" &&
			[ "$(cat "/proc/$pid/comm")" = cat ] || return 1
	done
}
ok "all block" wait_for 20 all_block
is "at no thread each" "$(threads)" "$before"
ok "the mount answers beside them" timeout 5 stat "$M/dev/messages"
echo hello >>"$M/dev/messages"
all_have() {
	[ "$(cat "$T"/out/* | grep -c "$1\$")" = $readers ]
}
ok "all get the next message" wait_for 20 all_have hello

pid=${pids##* }
began=$(date +%s%N)
kill -INT "$pid"
ok "Ctrl-C ends a reader" wait_gone 5 "$pid"
took=$((($(date +%s%N) - began) / 1000000))
diag "after $took ms"
ok "within a second" test $took -lt 1000
for pid in $pids; do
	kill -INT "$pid" 2>/dev/null
done
all_gone() {
	for pid in $pids; do
		is_ended "$pid" || return 1
	done
}
ok "and all of them" wait_for 20 all_gone
is "each had the message once" "$(cat "$T"/out/* | grep -c 'hello$')" $readers
is "and nothing else" "$(cat "$T"/out/* | wc -l)" $readers
ok "the mount goes on" sh -c "echo more >> '$M/dev/messages'"

is "a non-blocking read says EAGAIN" "$($PY -c "
import os, select
fd = os.open('$M/dev/live', os.O_RDONLY | os.O_NONBLOCK)
try:
    print(os.read(fd, 100))
except BlockingIOError:
    print('EAGAIN', select.select([fd], [], [], 0)[0])
")" "EAGAIN []"
done_testing
