#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# 5,000 requests and 5,000 sequences of frames, good ones changed at random,
# and 5,000 of groupd's own frames: each answer is a documented one, and the
# gateway neither dies nor grows. (`make fuzz-daemon` sends a million.)
# SEED=... sends the same again.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# What was freed is to be reused, or every build with ASan would grow.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4"
start_groupd
mount_fs
mkdir "$M/dev" "$M/other"
ok "a user" ctl user add bob
TOKEN=$(token "$ME")
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
export TOKEN URL SEED SOCKET
diag "SEED=$SEED"
n=5000
gateways=$(gateway_pids)

kib() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$gateways/status"
}
mutate() {
	$PY "$HERE/mutate.py" "$1" "$2" "$3" >"$T/out" 2>&1
	set -- $? "$1" "$3"
	pass_or_fail "$1" "$3 cases of $2 have documented answers"
	diag "$(cat "$T/out")"
}
good_rest() {
	[ "$(send_rest dev good | tail -n 1)" = 201 ]
}
# What a gateway keeps once it has seen a bit of all.
mutate http 0 $((n / 5))
mutate ws 0 $((n / 5))
before=$(kib)
mutate http $((n / 5)) "$n"
mutate ws $((n / 5)) "$n"
after=$(kib)
diag "the gateway has $before KiB, then $after KiB"
ok "the gateway has not grown by 24 MiB" test -n "$before" -a -n "$after" \
	-a "$((after - before))" -lt $((24 << 10))
wire() {
	$PY "$TOP/tests/fuzz/daemon.py" wire "$1" >"$T/out" 2>&1
	pass_or_fail $? "$1 frames of groupd's own have documented answers"
	diag "$(cat "$T/out")"
}
wire "$n"
is "it is the same process" "$(gateway_pids)" "$gateways"
ok "groupd too" kill -0 "$GROUPD"
# A case may have removed me from the group, or the group.
[ -d "$M/dev" ] || mkdir "$M/dev"
# Or ended my token.
TOKEN=$(token "$ME")
ok "a good message goes through it" good_rest
ok "verify finds nothing wrong" ctl verify
done_testing
