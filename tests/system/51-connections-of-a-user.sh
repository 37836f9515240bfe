#!/bin/sh
# SPDX-License-Identifier: MIT
# max_connections_per_user: WebSockets and streams of one user over all
# gateways; given back however they end, counted on over a restart of groupd.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
echo 'max_connections_per_user = 3' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf" --gateways 2
mount_fs
mkdir "$M/dev"
echo hello >>"$M/dev/messages"
ok "a user" ctl user add ann
ok "is a member" sh -c "echo ann >> '$M/dev/members'"
mine=$(token "$ME")
anns=$(token ann)
TOKEN=$mine
export URL TOKEN

# hold NAME N: in the background; ends with end NAME.
hold() {
	STOP=$T/$1.stop $PY "$HERE/limits.py" hold "$2" >"$T/$1" 2>&1 &
	eval "$1=$!"
	ours $!
	wait_for 30 grep -q '^ready' "$T/$1" || diag "$(cat "$T/$1")"
}
end() {
	: >"$T/$1.stop"
	eval "wait_gone 20 \$$1"
}
count_is() {
	[ "$(figure connections)" = "$1" ]
}
gateways() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			echo "$pid"
	done
}
# stream_status: what a stream is answered; it is not kept.
stream_status() {
	curl -sS -N -m 2 -o "$T/body" -D "$T/head" -w '%{http_code}' \
		-H "Authorization: Bearer $TOKEN" \
		"$URL/api/groups/dev/stream?after_seq=0" 2>"$T/curl.err"
}

hold three 3
is "three WebSockets are open" "$(grep -c '^hello' "$T/three")" 3
ok "and counted" wait_for 10 count_is 3
hold fourth 1
is "the fourth is told to come again later" "$(head -n 1 "$T/fourth")" \
	"error rate_limited later bye 3009 later closed 3009"
ok "which ends it" end fourth
is "a stream is one more too" "$(stream_status)" 429
is "refused in the same words" "$(jq -r .code "$T/body")" rate_limited
like "with the limit" "$(jq -r .detail "$T/body")" \
	'You have 3 connections open, and at most 3 are allowed'
is "and a time" "$(tr -d '\r' <"$T/head" | sed -n 's/^Retry-After: //p')" 10
is "other requests are none" "$(rest_status GET /api/groups)" 200
$PY "$HERE/limits.py" eager dev >"$T/eager" 2>&1
is "nothing is done for one who is too many" "$(cat "$T/eager")" "error
bye
closed	3009"
is "nor stored" "$(wc -l <"$M/dev/messages")" 1
TOKEN=$anns
hold ann 1
is "another user is another" "$(head -n 1 "$T/ann")" hello
TOKEN=$mine

# groupd dies: its count with it, and the gateways tell it again.
kill9_groupd
start_groupd -c "$T/groupd.conf" --gateways 2
ok "a new groupd counts what is open" wait_for 10 count_is 4
is "and takes no more" "$(stream_status)" 429
echo 'max_connections_per_user = 1' >"$T/groupd.conf"
kill9_groupd
start_groupd -c "$T/groupd.conf" --gateways 2
ok "with a smaller limit too" wait_for 10 count_is 4
ok "none was closed by it" end three
is "all three were still there" "$(tail -n 1 "$T/three")" "open	3"
ok "they are given back" wait_for 10 count_is 1
is "so another may come" "$(stream_status)" 200
ok "and is given back" wait_for 10 count_is 1
ok "ann goes" end ann
ok "and nobody is left" wait_for 10 count_is 0

# Who ends a stream frees its place, and leaves the gateways in peace.
ticks() {
	for pid in $(gateways); do
		cut -d' ' -f14,15 "/proc/$pid/stat" | tr ' ' '\n'
	done | awk '{ n += $1 } END { print n }'
}
curl -sS -N -m 20 -H "Authorization: Bearer $TOKEN" \
	"$URL/api/groups/dev/stream?after_seq=0" >"$T/stream" 2>&1 &
stream=$!
ours $stream
ok "a stream is open" wait_for 10 grep -q hello "$T/stream"
kill $stream
ok "its end is seen at once" wait_for 5 count_is 0
# One that says more than its request, and then that it says no more.
STOP=$T/rude.stop $PY "$HERE/limits.py" rude dev >"$T/rude" 2>&1 &
rude=$!
ours $rude
ok "one that talks into its stream" wait_for 10 grep -q hello "$T/rude"
before=$(ticks)
sleep 2
ok "costs nothing while it is quiet" test $(($(ticks) - before)) -lt 50
echo after >>"$M/dev/messages"
ok "who has closed his half only still reads" wait_for 10 grep -q after "$T/rude"
ok "and keeps his place" count_is 1
: >"$T/rude.stop"
wait_gone 10 $rude
echo last >>"$M/dev/messages"
ok "his end is seen with what is written to him" wait_for 5 count_is 0

# SIGHUP.
hold one 1
echo 'max_connections_per_user = 2' >"$T/groupd.conf"
kill -HUP "$GROUPD"
hup_came() {
	grep -q 'read the configuration again' "$T/groupd.log"
}
ok "SIGHUP is heard" wait_for 10 hup_came
hold two 1
is "and allows one more" "$(head -n 1 "$T/two")" hello
is "but not two" "$(stream_status)" 429

# A gateway dies: its connections with it.
for pid in $(gateways); do
	kill -KILL "$pid"
done
ok "a gateway that dies gives all back" wait_for 10 count_is 0
end one
end two
# A token is revoked.
back() {
	[ "$(rest_status GET /healthz)" = 200 ]
}
ok "the gateways are back" wait_for 10 back
hold last 1
ok "one comes" wait_for 10 count_is 1
id=$(ctl token list "$ME" | awk '$1 + 0 { n = $1 } END { print n }')
ok "its token is revoked" ctl token revoke "$id"
ok "and so its place" wait_for 10 count_is 0
end last
TOKEN=$(token "$ME")

# What a connect costs groupd does not grow with what has been.
asked() {
	n=$(figure requests)
	$PY "$HERE/limits.py" many 200 || return 1
	wait_for 10 count_is 0 || return 1
	echo $(($(figure requests) - n))
}
like "200 connects are 200 questions and 200 farewells, and little more" \
	"$(asked)" '^4[0-4][0-9]$'
done_testing
