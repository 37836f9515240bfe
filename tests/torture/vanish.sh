#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# Clients vanish without a word, behind a router that loses all from now on: a
# WebSocket that is silent, one that is sent messages, and two streams. The
# gateway notices each within 45 seconds; and one that has only stopped reading
# is no such one.
# shellcheck source=tests/torture/lib.sh
if [ -z "${GROUPFS_TEST_INNER:-}" ]; then
	GROUPFS_TEST_INNER=1 exec unshare -n sh "$0"
fi
. "$(dirname "$0")/../torture/lib.sh"
# shellcheck source=tests/cluster/network.sh
. "$TORTURE_HERE/../cluster/network.sh"
network_start ||
	skip_all "may not make a network: $(tail -n 1 "$T/network.log")"
# groupd lives on the other side; its socket is in the file system.
real=$BUILD
mkdir "$T/bin"
printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net %s/groupd "$@"\n' \
	"$SERVER_SIDE" "$real" >"$T/bin/groupd"
chmod +x "$T/bin/groupd"
ln -s "$real"/groupctl "$real"/groupfs "$real"/groupd-gateway "$T/bin"
BUILD=$T/bin
LISTEN=$SERVER_ADDRESS:7480
start_groupd
export LISTEN URL
ok "groups" ctl create quiet
ok "groups" ctl create loud
TOKEN=$(token "$ME")
export TOKEN
gauge() {
	curl -s --unix-socket "$SOCKET" http://x/metrics |
		awk -v kind="kind=\"$1\"" '/^groupfs_gateway_connections/ &&
			index($1, kind) { n += $2 } END { print n + 0 }'
}
has() {
	[ "$(gauge "$1")" = "$2" ]
}
$PY "$HERE/peer.py" follow quiet 0 >/dev/null 2>&1 &
ours $!
$PY "$HERE/peer.py" follow loud 0 >/dev/null 2>&1 &
ours $!
for group in quiet loud; do
	curl -sN -H "Authorization: Bearer $TOKEN" \
		"$URL/api/groups/$group/stream" >/dev/null 2>&1 &
	ours $!
done
ok "two WebSockets are there" wait_for 10 has websocket 2
ok "and two streams" wait_for 10 has stream 2
network_cut
began=$(date +%s)
(while [ ! -e "$T/stop" ]; do
	echo "a message" | ctl send loud -
	sleep 1
done) >/dev/null 2>&1 &
ours $!
ok "the WebSockets are gone" wait_for 60 has websocket 0
sockets=$(($(date +%s) - began))
ok "and the streams" wait_for 60 has stream 0
streams=$(($(date +%s) - began))
touch "$T/stop"
diag "noticed after $sockets s and $streams s"
ok "within 45 seconds" test $sockets -le 45 -a $streams -le 45
network_heal
is "who comes back is served" "$(rest_status GET /api/groups/loud)" 200
done_testing
