#!/bin/sh
# SPDX-License-Identifier: MIT
# max_connections_per_address: one that is too many is told so in HTTP, and
# its place is free again as soon as another has gone.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --max_connections_per_address 4
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export URL TOKEN

# knock FROM: one connection; its answer in $T/answer.
knock() {
	$PY "$HERE/limits.py" knock "$1" | tr -d '\r' >"$T/answer"
	[ -s "$T/answer" ]
}
answered() {
	knock "$1" && head -n 1 "$T/answer" | grep -q " $2 "
}
# idle NAME N FROM: connections that say nothing.
idle() {
	STOP=$T/$1.stop $PY "$HERE/limits.py" idle "$2" "$3" >"$T/$1" 2>&1 &
	eval "$1=$!"
	ours $!
	wait_for 30 grep -q '^ready' "$T/$1" || diag "$(cat "$T/$1")"
}

ok "one is answered" answered 127.0.0.1 200
idle three 3 127.0.0.1
ok "so is the fourth" answered 127.0.0.1 200
STOP=$T/ws.stop $PY "$HERE/limits.py" hold 1 >"$T/ws" 2>&1 &
ws=$!
ours $ws
ok "or a WebSocket" wait_for 10 grep -q '^hello' "$T/ws"
ok "the fifth is too many" wait_for 5 answered 127.0.0.1 429
like "as a problem" "$(cat "$T/answer")" '^Content-Type: application/problem\+json'
like "with a time" "$(cat "$T/answer")" '^Retry-After: 10$'
is "and the code" "$(tail -n 1 "$T/answer" | jq -r .code)" rate_limited
ok "from another address one comes in" answered 127.0.0.2 200
: >"$T/three.stop"
ok "when the others have gone, here too" wait_for 10 answered 127.0.0.1 200
: >"$T/ws.stop"
wait_gone 10 $ws

# Who says nothing is put out in the end, and does not hold his place.
idle mute 4 127.0.0.3
ok "four that say nothing" wait_for 5 answered 127.0.0.3 429
ok "are put out" wait_for 30 answered 127.0.0.3 200
: >"$T/mute.stop"

# Many, one after the other: none is left in the count.
ok "200 come and go" $PY "$HERE/limits.py" many 200
idle again 3 127.0.0.1
ok "and all four places are there" answered 127.0.0.1 200
: >"$T/again.stop"

# Another limit is another gateway: this one is an option of it.
gateway() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			echo "$pid"
	done
}
first=$(gateway)
kill9_groupd
start_groupd --max_connections_per_address 4
ok "the same limit" wait_for 10 answered 127.0.0.1 200
is "is the same gateway" "$(gateway)" "$first"
kill9_groupd
start_groupd --max_connections_per_address 1
ok "another limit ends it" wait_gone 10 "$first"
ok "for one that has it" wait_for 10 answered 127.0.0.1 200
idle single 1 127.0.0.1
ok "one, and no more" wait_for 5 answered 127.0.0.1 429
: >"$T/single.stop"
stop_groupd
GROUPD=

# IPv6, where there is some.
port=$($PY -c 'import socket
try:
    s = socket.socket(socket.AF_INET6)
    s.bind(("::1", 0))
    print(s.getsockname()[1])
except OSError:
    pass')
if [ -n "$port" ]; then
	LISTEN="[::1]:$port"
	start_groupd --max_connections_per_address 1
	ok "over IPv6 one is answered" wait_for 10 answered ::1 200
	idle six 1 ::1
	ok "and the next is too many" wait_for 5 answered ::1 429
	: >"$T/six.stop"
fi
done_testing
