#!/bin/sh
# SPDX-License-Identifier: MIT
# A connection is kept for the next request, also behind one with a body; who
# sends too early, too much or nothing more costs no processor time.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
host=${LISTEN%:*}
port=${LISTEN##*:}

# One line a scene of connections.py: what came of it.
scene() {
	$PY "$HERE/connections.py" "$1" "$host" "$port" "$TOKEN" 2>&1
}
is "twenty pipelined POSTs are answered in order on one connection" \
	"$(scene posts)" "201 x20, in order, open"
is "and stored" "$(cut -f4 "$M/dev/messages" | tr '\n' ' ')" \
	"$(seq -s ' ' 0 19) "
is "a POST, a GET and a refused POST follow each other" "$(scene mixed)" \
	"201 200 400 200, open"
is "a request cut into bytes is one" "$(scene bytes)" "201, open"
is "Connection: close ends it" "$(scene close)" "200, closed"
is "HTTP/1.0 ends with its answer" "$(scene old)" "200, closed"
is "who half-closes gets his answer" "$(scene half)" "200, closed"
is "Expect: 100-continue is answered before the body" "$(scene expect)" \
	"100 201, open"
is "and a body that is refused need not be sent" "$(scene unexpected)" \
	"413, closed"
is "a refusal reaches who is still sending" "$(scene flood)" "411, closed"
is "curl keeps one connection for three requests" \
	"$(curl -s -m 10 -w '%{http_code} %{num_connects} ' \
		-H "Authorization: Bearer $TOKEN" \
		-o "$T/o1" "$URL/api/groups" -o "$T/o2" "$URL/api/groups/dev" \
		-o "$T/o3" "$URL/healthz")" "200 1 200 0 200 0 "

gateway_ticks() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			awk '{ print $14 + $15 }' "/proc/$pid/stat"
	done
}
# Each waits 3 s, which a loop that is kept awake spends whole: 300 ticks.
for kind in half-stream pipelined-stream slow-reader; do
	before=$(gateway_ticks)
	scene $kind >"$T/$kind"
	ok "a $kind costs no processor time" \
		test $(($(gateway_ticks) - before)) -lt 100
done
is "a slow reader with a request behind gets all of both" \
	"$(cat "$T/slow-reader")" "200 200, whole"
done_testing
