#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 240
# HTTP on groupd's own socket: no token is needed, the kernel says who asks;
# requests, streams and WebSockets; and what else comes there hurts nobody.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
LISTEN=none
start_groupd --gateways 2
mount_fs
mkdir "$M/dev"
unset TOKEN
URL=unix:$SOCKET
export URL
# unix METHOD PATH [CURL-OPTION...]: body, then a line with the status.
unix() {
	method=$1
	path=$2
	shift 2
	curl -sS -m 30 -X "$method" --unix-socket "$SOCKET" \
		-w '\n%{http_code}' "$@" "http://localhost$path"
}
status() {
	unix "$@" | tail -n 1
}
answers() {
	[ "$(status GET /api/groups)" = 200 ]
}
gateways() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			echo "$pid"
	done
}
has() {
	grep -q -- "$2" "$T/$1"
}

ok "it answers, also where TCP is not listened on" wait_for 10 answers
is "indeed" "$(figure listen)" none
like "as who the kernel says" "$(unix GET /api/groups)" '"name":"dev"'
is "POST works" "$(status POST /api/groups/dev/messages \
	-H 'Content-Type: application/json' -d '{"content":"by socket"}')" 201
is "and is by me" "$(cut -f3,4 "$M/dev/messages")" "$ME	by socket"
head -c 60000 /dev/zero | tr '\0' y >"$T/big"
is "with a large body too" "$(status POST /api/groups/dev/messages \
	-H 'Content-Type: text/plain' --data-binary "@$T/big")" 201
is "nobody administers here" "$(status GET /api/users)" 404
# sockets: how many each gateway has.
sockets() {
	for pid in $(gateways); do
		readlink "/proc/$pid"/fd/* | grep -c '^socket'
	done
}
each_has_three_more() {
	[ "$(sockets)" = "$(echo "$had" | while read -r n; do
		echo $((n + 3))
	done)" ]
}
had=$(sockets)
for i in 1 2 3 4 5 6; do
	curl -sS -N --unix-socket "$SOCKET" -o /dev/null \
		http://localhost/api/groups/dev/stream &
	ours $!
	six="${six:-} $!"
done
ok "of six that stay each gateway gets three" wait_for 10 each_has_three_more
# shellcheck disable=SC2086
kill $six

# A token counts as on TCP.
ok "another user" ctl user add zoe
ZOE=$(token zoe)
like "who shows a token is its owner" "$(unix GET /api/groups \
	-H "Authorization: Bearer $ZOE")" '"groups":\[\]'
is "a wrong one is refused" "$(status GET /api/groups \
	-H 'Authorization: Bearer wrong')" 401
is "and any other scheme" "$(status GET /api/groups \
	-H 'Authorization: Basic cm9vdDpyb290')" 401
is "also to a WebSocket" "$(TOKEN=wrong $PY "$HERE/reach.py" refused)" \
	unauthenticated

# A page cannot come here, and would not get far.
is "a page of elsewhere may not POST" "$(status POST /api/groups/dev/messages \
	-H 'Origin: https://evil.example' -H 'Content-Type: text/plain' \
	-d x)" 403
is "nor open a WebSocket" "$(ORIGIN=https://evil.example \
	$PY "$HERE/reach.py" refused)" 403

# A ticket cannot be had or made by a client.
forged=$(printf '%08x' 0)$(head -c 32 /dev/zero | od -An -tx1 | tr -d ' \n')
is "a forged ticket is no token" "$(status GET /api/groups \
	-H "Authorization: Bearer $forged")" 401
version=$(sed -n 's/.*WIRE_VERSION = \([0-9]*\),.*/\1/p' "$TOP/lib/wire.h")
$PY - "$SOCKET" "$forged" "$version" >"$T/forged" 2>&1 <<'END'
import socket, struct, sys

def frame(kind, ident, principal, body):
    return struct.pack("<IHHII", len(body), kind, 0, ident, principal) + body

s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(20)
ticket = sys.argv[2].encode()
s.sendall(frame(3, 1, 0, bytes([int(sys.argv[3])]) + b"\x04test")
          + frame(5, 2, 9, b"\x03\x00" + bytes([len(ticket)]) + ticket))
got = b""
while b"ticket" not in got:
    more = s.recv(65536)
    if not more:
        break
    got += more
print(got)
END
like "and whoever is no gateway cannot show one" "$(cat "$T/forged")" \
	'Only a gateway has tickets'
if [ "$(id -u)" = 0 ]; then
	is "the key is groupd's" "$(stat -c '%a %u' "$T/data/ticket.key")" \
		"600 0"
	like "and the doors" "$(stat -c %a "$T"/run/gateway-*.door |
		sort -u)" '^600$'
fi

# Streams and WebSockets, over the death of groupd.
curl -sS -N --unix-socket "$SOCKET" \
	"http://localhost/api/groups/dev/stream?after_seq=0" \
	>"$T/stream" 2>"$T/stream.err" &
stream=$!
ours $stream
$PY "$HERE/reach.py" follow dev >"$T/follow" 2>"$T/follow.err" &
follow=$!
ours $follow
ok "a stream comes" wait_for 10 has stream 'by socket'
ok "a WebSocket is greeted" wait_for 10 grep -qx "hello $ME" "$T/follow"
is "and sends" "$($PY "$HERE/reach.py" send dev 'by ws')" 3
ok "what comes to the other one" wait_for 10 has follow 'by ws'
before=$(gateways)
for i in 1 2 3; do
	kill9_groupd
	start_groupd --gateways 2
	URL=unix:$SOCKET
	echo "after $i" >>"$M/dev/messages"
	ok "the WebSocket lives over kill -9 of groupd" \
		wait_for 20 has follow "after $i"
	ok "and the stream" wait_for 20 has stream "after $i"
done
is "as the gateways do" "$(gateways)" "$before"
is "neither came back: it had never gone" "$(grep -c '^back' "$T/follow")" 0
ok "nor the stream" kill -0 "$stream"
is "each message came once" "$(grep -cE '^[0-9]+	' "$T/follow")" 6
ok "new connections are taken" wait_for 10 answers
is "and new WebSockets" "$($PY "$HERE/reach.py" send dev 'again')" 7

# The death of a gateway.
for pid in $before; do
	kill -KILL "$pid"
done
ok "after kill -9 of the gateways it answers" wait_for 10 answers
ok "the WebSocket has come back" wait_for 20 grep -q '^back' "$T/follow"
echo "after all" >>"$M/dev/messages"
ok "and goes on" wait_for 20 has follow 'after all'
is "each message once, in order" "$(grep -oE '^[0-9]+' "$T/follow" |
	tr '\n' ' ')" "1 2 3 4 5 6 7 8 "
# Who comes while none is there waits for the next one.
for pid in $(gateways); do
	kill -KILL "$pid"
	wait_gone 10 "$pid"
done
is "at once, too" "$(status GET /api/groups)" 200

# What is no HTTP, or little of it.
cat >"$T/cases" <<'END'
\x00
\x00\x00\x00\x00
FOO
FOO BAR BAZ\r\n\r\n
GET
G\x00\x00\x00
get / HTTP/1.1\r\n\r\n
\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03
PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00
\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff
GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n
END
$PY "$HERE/reach.py" methods "$SOCKET" <"$T/cases" >"$T/first" 2>&1
is "11 beginnings, and none hangs" "$(wc -l <"$T/first")" 11
is "the last of them was a request" "$(tail -n 1 "$T/first")" "HTTP/1.1 200 OK"
$PY "$HERE/reach.py" half "$SOCKET" >"$T/silent" 2>&1 &
silent=$!
$PY "$HERE/reach.py" half "$SOCKET" 47 >"$T/half" 2>&1 &
half=$!
ours $silent
ours $half
ok "others are served meanwhile" answers
ok "also by the other protocol" ctl status
wait $silent
is "who says nothing is put out" "$(cat "$T/silent")" long
wait $half
is "who says half of it, too" "$(cat "$T/half")" long
like "of 1,100 who say nothing some are refused at once" \
	"$($PY "$HERE/reach.py" flood "$SOCKET" 1100 | tr '\n' ' ')" \
	'refused	(7[6-9]|8[0-9]) all closed'
ok "and it goes on" answers
ok "in the mount, too" sh -c "echo fine >>'$M/dev/messages'"
fd_count() {
	[ "$(find "/proc/$GROUPD/fd" | wc -l)" -le "$1" ]
}
ok "no descriptor is left behind" wait_for 10 fd_count 60

# Two users at one socket.
if [ "$(id -u)" = 0 ]; then
	need_users
	for user in gfs-alice gfs-bob; do
		as_user $user "mkdir '$M/$user-own'"
		as_user $user "curl -sS -m 20 --unix-socket '$SOCKET' \
			http://localhost/api/groups" >"$T/$user"
		is "$user sees just his own group" \
			"$(jq -r '.groups[].name' "$T/$user")" "$user-own"
	done
	as_alice() {
		as_user gfs-alice "curl -sS -m 20 --unix-socket '$SOCKET' \
			-o /dev/null -w '%{http_code}' $1"
	}
	is "she sends to hers" "$(as_alice "-d hello \
		-H 'Content-Type: text/plain' \
		http://localhost/api/groups/gfs-alice-own/messages")" 201
	is "by her name" "$(cat "$M/gfs-alice-own/messages" 2>/dev/null |
		cut -f3)" ""
	is "as she reads" "$(as_user gfs-alice \
		"cut -f3,4 '$M/gfs-alice-own/messages'")" "gfs-alice	hello"
	for path in "gfs-bob-own" "dev" "gfs-bob-own/messages?after_seq=0" \
		"gfs-bob-own/stream" "gfs-bob-own/members"; do
		is "the other's is not there: $path" \
			"$(as_alice "http://localhost/api/groups/$path")" 404
	done
	is "and she cannot send to it" "$(as_alice "-d x \
		-H 'Content-Type: text/plain' \
		http://localhost/api/groups/gfs-bob-own/messages")" 404
	# Programs that she may run: what lies below /root is closed to her.
	cp "$HERE/reach.py" "$T/reach.py"
	is "her WebSocket is hers" "$(as_user gfs-alice "URL=unix:$SOCKET \
		$PY '$T/reach.py' send gfs-alice-own again")" 2
	is "the other's group is not there" "$(as_user gfs-alice \
		"URL=unix:$SOCKET $PY '$T/reach.py' send gfs-bob-own x")" \
		no_such_group
	fails "she reaches no door" as_user gfs-alice "$PY -c 'import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(\"$T/run/gateway-0.door\")'"
	like "for it is closed" "$(cat "$T/ok.out")" 'Permission denied'
	# A name that passwd does not know.
	is "a uid without an account is nobody" "$(setpriv --reuid=54321 \
		--regid=54321 --clear-groups curl -sS -m 20 -o "$T/nobody.out" \
		-w '%{http_code}' --unix-socket "$SOCKET" \
		http://localhost/api/groups 2>/dev/null)" 401
fi

# The ends.
stop_groupd
GROUPD=
start_groupd --gateways 0
is "without gateways it is 503, at once" "$(status GET /api/groups)" 503
like "in words, and when to come back" "$(curl -sS -m 20 -i --unix-socket \
	"$SOCKET" http://localhost/api/groups)" 'Retry-After: 1'
ok "the mount works" wait_for 20 grep -q fine "$M/dev/messages"
kill $follow $stream 2>/dev/null
done_testing
