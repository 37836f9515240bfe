#!/bin/sh
# SPDX-License-Identifier: MIT
# Files over REST when something breaks off: the client, groupd, a membership,
# a token, the flow of bytes. What is not complete leaves nothing and sends
# nothing; a restart of groupd is not seen; memory stays what it was.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" = small ] && large=33554432 || large=268435456
echo 'media_max_bytes = 300M' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
TOKEN=$(token "$ME")
ctl user add bob >/dev/null
BOB=$(token bob)
G=/api/groups/dev
ok "a group of two" test "$(rest POST /api/groups \
	-H 'Content-Type: application/json' \
	-d '{"name":"dev","member_ids":["bob"]}' | tail -n 1)" = 201

# as TOKEN CURL-OPTION...: status and time of it on stdout, body to $T/body.
as() {
	who=$1
	shift
	curl -sS -m 120 -H "Authorization: Bearer $who" -w '%{http_code}' "$@"
}
incoming() {
	find "$T/data/media/incoming" -type f
}
none_incoming() {
	[ -z "$(incoming)" ]
}
some_incoming() {
	find "$T/data/media/incoming" -type f -size "+${1:-0}c" | grep -q .
}
last_seq() {
	rest GET "$G" | head -n 1 | jq .last_seq
}
gateway() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			echo "$pid"
	done
}
gateway=$(gateway)
rss() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$gateway/status"
}
# memory_is_what_it_was SENTENCE: of the gateway, since $before.
memory_is_what_it_was() {
	case $BUILD in
	*build-*) ;; # sanitizers keep what is freed
	*) ok "$1" test "$(rss)" -le $((before + 2048)) ;;
	esac
}
# serves COUNT: so many connections from outside are open in the gateway.
served() {
	ss -Htnp state established "sport = :${LISTEN##*:}" |
		grep -c "pid=$gateway,"
}
serves() {
	[ "$(served)" = "$1" ]
}
says() {
	grep -q "^$2" "$1"
}
head -c 8388608 /dev/urandom >"$T/8m"
head -c "$large" /dev/urandom >"$T/large"
sum=$(sha256sum <"$T/large" | cut -d' ' -f1)

# Half a body, and then nothing; it is looked at again at the end.
$PY "$HERE/slow.py" stall "$LISTEN" "$G/media?name=stalled" "$TOKEN" \
	>"$T/stall.out" 2>&1 &
stalled=$!
ours $stalled
ok "a client sends half a file" wait_for 10 says "$T/stall.out" sent
ok "which groupd has" wait_for 10 some_incoming 200000

# The client goes. Its upload is made as long as it will be, so what tells
# that bytes came is the number of blocks.
uploads_are() {
	[ "$(incoming | wc -l)" = "$1" ]
}
curl -sS -H "Authorization: Bearer $TOKEN" --limit-rate 1M -T "$T/8m" -X POST \
	"$URL$G/media?name=killed" >"$T/killed.out" 2>&1 &
client=$!
ours $client
ok "another upload begins" wait_for 10 uploads_are 2
kill -KILL $client
wait $client 2>/dev/null
ok "its client is killed, and it is gone" wait_for 10 uploads_are 1
is "nothing was sent" "$(last_seq)" 0
is "the name is free" "$(as "$TOKEN" -o "$T/body" -T "$T/8m" -X POST \
	"$URL$G/media?name=killed")" 201

# Memory, with a reader that stops. The first use of all that there is came
# before.
is "a file is read" "$(as "$TOKEN" -o "$T/got" "$URL$G/media/killed")" 200
before=$(rss)
is "a large file is taken" "$(as "$TOKEN" -o "$T/body" -T "$T/large" -X POST \
	"$URL$G/media?name=large")" 201
memory_is_what_it_was "and the memory of the gateway is what it was"
mkfifo "$T/go"
$PY "$HERE/slow.py" pause "$LISTEN" "$G/media/large" "$TOKEN" "$T/got" \
	<"$T/go" >"$T/pause.out" 2>&1 &
reader=$!
ours $reader
exec 3>"$T/go"
ok "its reader stops" wait_for 20 says "$T/pause.out" paused
ok "others go on" test "$(as "$TOKEN" -o "$T/other" \
	"$URL$G/media/killed")" = 200
echo >&3
wait $reader
is "he gets the whole when he goes on" "$(tail -n 1 "$T/pause.out")" \
	"whole $large $sum"
memory_is_what_it_was "the memory of the gateway is what it was"

# groupd goes, and comes back.
as "$TOKEN" --limit-rate 3M -o "$T/body" -T "$T/8m" -X POST \
	"$URL$G/media?name=over-a-restart" >"$T/status" 2>&1 &
client=$!
ours $client
ok "an upload is under way" wait_for 10 uploads_are 2
kill9_groupd
start_groupd -c "$T/groupd.conf"
wait $client
is "groupd was killed, and the upload does not see it" "$(cat "$T/status")" 201
is "a file is given" "$(as "$TOKEN" -o "$T/got" \
	"$URL$G/media/over-a-restart")" 200
same "as it was sent" "$T/8m" "$T/got"
is "in one message" "$(last_seq)" 3
$PY "$HERE/slow.py" pause "$LISTEN" "$G/media/large" "$TOKEN" "$T/got" \
	<"$T/go" >"$T/pause.out" 2>&1 &
reader=$!
ours $reader
ok "a download is under way" wait_for 20 says "$T/pause.out" paused
kill9_groupd
echo >&3
start_groupd -c "$T/groupd.conf"
wait $reader
is "groupd was killed, and the download does not see it" \
	"$(tail -n 1 "$T/pause.out")" "whole $large $sum"
is "the gateway is the same" "$(gateway)" "$gateway"

# A member is removed.
as "$BOB" --limit-rate 2M -o "$T/body" -T "$T/8m" -X POST \
	"$URL$G/media?name=bobs" >"$T/status" 2>&1 &
client=$!
ours $client
ok "bob sends a file" wait_for 10 uploads_are 2
$PY "$HERE/slow.py" pause "$LISTEN" "$G/media/large" "$BOB" "$T/got" \
	<"$T/go" >"$T/pause.out" 2>&1 &
reader=$!
ours $reader
ok "and reads one" wait_for 20 says "$T/pause.out" paused
is "he is removed" "$(rest_status DELETE "$G/members/bob")" 204
wait $client
is "his upload ends in a refusal" "$(cat "$T/status")" 403
is "that says why" "$(jq -r .code "$T/body")" not_member
ok "his download is closed, though he takes nothing" wait_for 10 serves 1
echo >&3
wait $reader
like "his download is cut" "$(tail -n 1 "$T/pause.out")" '^cut '
ok "where it was, but for what the sockets of both hold" \
	test "$(stat -c %s "$T/got")" -lt 1550000
is "nothing was sent" "$(last_seq)" 3
ok "and nothing of it is left" wait_for 10 uploads_are 1
like "he gets no file" "$(as "$BOB" -o "$T/body" "$URL$G/media/large")" \
	'^40[34]$'

# A token is revoked.
is "bob is a member again" "$(rest_status PUT "$G/members/bob" \
	-H 'Content-Type: application/json' -d '{}')" 200
$PY "$HERE/slow.py" pause "$LISTEN" "$G/media/large" "$BOB" "$T/got" \
	<"$T/go" >"$T/pause.out" 2>&1 &
reader=$!
ours $reader
ok "he reads" wait_for 20 says "$T/pause.out" paused
ctl token list bob >"$T/tokens"
ok "his token is revoked" ctl token revoke "$(awk 'END { print $1 }' "$T/tokens")"
ok "his download is closed, though he takes nothing" wait_for 10 serves 1
echo >&3
wait $reader
like "his download is cut" "$(tail -n 1 "$T/pause.out")" '^cut '

# Many at once, of one user more than he may have.
for i in $(seq 1 20); do
	as "$TOKEN" -o "/dev/null" -T "$T/8m" -X POST \
		"$URL$G/media?name=many-$i" >"$T/many-$i" 2>&1 &
	ours $!
	many="${many:-} $!"
done
# shellcheck disable=SC2086
wait $many
is "20 at once are taken" "$(cat "$T"/many-* | sed 's/201/&\n/g' |
	grep -cx 201)" 20
is "and stored" "$(last_seq)" 23

# Two in one segment, which libwebsockets does not survive by itself.
is "two uploads in one segment are answered" \
	"$($PY "$HERE/slow.py" pipeline "$LISTEN" "$G/media?name=p" "$TOKEN")" \
	"201 201"

# groupd stays away.
as "$TOKEN" --limit-rate 2M -o "$T/body" -T "$T/8m" -X POST \
	"$URL$G/media?name=alone" >"$T/status" 2>&1 &
client=$!
ours $client
ok "an upload is under way" wait_for 10 some_incoming 8000000
kill9_groupd
wait $client
is "groupd does not come back, and the upload ends" "$(cat "$T/status")" 503
is "which says so" "$(jq -r .code "$T/body")" unavailable
start_groupd -c "$T/groupd.conf"
wait $stalled
is "who sends nothing for 30 seconds is cut" \
	"$(tail -n 1 "$T/stall.out")" cut
ok "nothing of both is left when groupd is there again" \
	wait_for 10 none_incoming
is "and nothing was sent" "$(last_seq)" 25
exec 3>&-
done_testing
