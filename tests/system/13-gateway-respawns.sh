#!/bin/sh
# SPDX-License-Identifier: MIT
# A gateway that dies is replaced; it runs without rights, and what is known
# to hurt libwebsockets (h2c, pipelined POSTs) does not.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
host=${LISTEN%:*}
port=${LISTEN##*:}

rest_answers() {
	[ "$(rest_status GET '/api/groups/dev/messages?after_seq=0')" = 200 ]
}
ok "REST answers" wait_for 10 rest_answers
first=$(gateway_pids)
is "by one gateway" "$(echo "$first" | wc -w)" 1
ok "groupd's data is no file of the gateway" \
	sh -c "! ls -l /proc/$first/fd | grep -q '$T/data'"
if [ "$(id -u)" = 0 ]; then
	fails "it is not root" grep -qE '^Uid:.0	' "/proc/$first/status"
	is "it has no capability" \
		"$(sed -n 's/^CapEff:[^0-9a-f]*//p' "/proc/$first/status")" \
		0000000000000000
fi
like "it gets no new privileges" "$(grep NoNewPrivs "/proc/$first/status")" 1

kill -KILL "$first"
ok "after kill -9 of it REST answers again" wait_for 10 rest_answers
second=$(gateway_pids)
ok "by another process" test -n "$second" -a "$second" != "$first"
is "and messages go through it" "$(send_rest dev hello | tail -n 1)" 201
is "into the log" "$(cut -f4 "$M/dev/messages")" hello

$PY "$HERE/rubbish.py" h2c "$host" "$port" >"$T/h2c" 2>&1
is "HTTP/2 is refused, both ways" "$(cut -f2 "$T/h2c" | sort -u)" refused
like "pipelined POSTs are answered, the first at least" \
	"$($PY "$HERE/rubbish.py" pipeline "$host" "$port" "$TOKEN" dev 2>&1)" \
	'^HTTP/1.1 201'
ok "and nobody hangs after them" rest_answers
is "by the same process still" "$(gateway_pids)" "$second"

# A restart of groupd leaves the gateway and its sockets as they are.
kill9_groupd
start_groupd
ok "REST answers after kill -9 of groupd" wait_for 10 rest_answers
is "by the same gateway" "$(gateway_pids)" "$second"
ok "SIGTERM stops groupd" stop_groupd
ok "and its gateway" wait_gone 10 "$second"
GROUPD=

# A program that lies where the gateway's user cannot go, as below /root.
if [ "$(id -u)" = 0 ]; then
	mkdir -m 700 "$T/closed"
	cp "$BUILD/groupd" "$BUILD/groupd-gateway" "$BUILD/groupctl" "$T/closed"
	BUILD=$T/closed start_groupd
	ok "it starts from a folder that its user cannot enter" \
		wait_for 10 rest_answers
fi
done_testing
