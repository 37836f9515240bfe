#!/bin/sh
# SPDX-License-Identifier: MIT
# GET …/stream: the log as it grows, for curl -N, as lines of JSON or as
# events; each message once, in order, over a restart of groupd too.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
ok "a user" ctl user add ann
ok "is a member" sh -c "echo ann >> '$M/dev/members'"
for i in 1 2 3; do
	echo "line $i" >>"$M/dev/messages"
done
TOKEN=$(token ann)
# stream NAME PATH [CURL-OPTION...]: in the background, into $T/NAME.
stream() {
	out=$T/$1
	path=$2
	shift 2
	curl -sS -N -H "Authorization: Bearer $TOKEN" -D "$out.head" "$@" \
		"$URL/api/groups/$path" >"$out" 2>"$out.err" &
	pid=$!
	ours $pid
}
has() {
	grep -q -- "$2" "$T/$1"
}

stream lines "dev/stream?after_seq=1"
lines=$pid
ok "it begins behind after_seq" wait_for 10 has lines '"line 3"'
is "with what was there" "$(jq -r .content "$T/lines")" "line 2
line 3"
like "as lines of JSON" "$(cat "$T/lines.head")" 'application/x-ndjson'
echo "line 4" >>"$M/dev/messages"
ok "and goes on" wait_for 10 has lines '"line 4"'
stream unread "dev/stream"
ok "without a number it begins at the read pointer" wait_for 10 has unread 'line 1'
stream events "dev/stream?after_seq=2" -H 'Accept: text/event-stream, */*;q=0.1'
events=$pid
ok "events, to who accepts them" wait_for 10 has events 'event: live'
like "as their type says" "$(cat "$T/events.head")" 'text/event-stream'
is "an event's id is its number" "$(grep '^id: ' "$T/events" | tr '\n' ' ')" \
	"id: 3 id: 4 "
is "its data the message" "$(sed -n 's/^data: //p' "$T/events" |
	jq -r 'select(.content).content')" "line 3
line 4"
is "live says how far it is" "$(sed -n 's/^data: //p' "$T/events" |
	jq -r 'select(.epoch).last_seq')" 4
echo "line 5" >>"$M/dev/messages"
ok "and they go on" wait_for 10 has events 'id: 5'
kill $events
echo "line 6" >>"$M/dev/messages"
stream again "dev/stream" -H 'Accept: text/event-stream' -H 'Last-Event-ID: 5'
ok "Last-Event-ID resumes" wait_for 10 has again 'event: live'
is "behind it" "$(grep '^id: ' "$T/again" | tr '\n' ' ')" "id: 6 "

# Refusals are HTTP's.
status() {
	curl -sS -N -m 10 -o "$T/body" -w '%{http_code}' \
		-H "Authorization: Bearer $TOKEN" "$@"
}
is "a place that is not there yet" \
	"$(status "$URL/api/groups/dev/stream?after_seq=99")" 400
like "is refused in words" "$(jq -r .detail "$T/body")" 'after_seq is 99'
is "a number that is none" "$(status "$URL/api/groups/dev/stream?after_seq=x")" 400
is "an id that is none" "$(status -H 'Last-Event-ID: x' \
	"$URL/api/groups/dev/stream")" 400
is "a group that is none" "$(status "$URL/api/groups/none/stream")" 404
is "no token" "$(curl -sS -o /dev/null -w '%{http_code}' \
	"$URL/api/groups/dev/stream")" 401
is "POST is not known" "$(status -X POST -d '{}' "$URL/api/groups/dev/stream")" 405

# A restart, and much at once.
kill9_groupd
start_groupd
seq -f 'after %.0f' 2000 >>"$M/dev/messages"
ok "it goes on over a restart" wait_for 20 has lines '"after 2000"'
is "each once, in order" "$(jq -r .sequence_number "$T/lines" | tr '\n' ' ' |
	md5sum)" "$(seq 2 2006 | tr '\n' ' ' | md5sum)"
ok "in the same connection" kill -0 $lines
# Who does not read is no burden, and misses nothing.
stream slow "dev/stream?after_seq=0"
ok "another one begins" wait_for 10 has slow 'line 1'
kill -STOP $pid
slow=$pid
$PY -c 'import sys
for i in range(40): sys.stdout.write("big %d " % i + "x" * 60000 + "\n")' \
	>>"$M/dev/messages"
ok "others have all while one sleeps" wait_for 20 has lines '"big 39 '
kill -CONT $slow
ok "he gets all when he wakes" wait_for 20 has slow '"big 39 '
is "each once, in order" "$(jq -r .sequence_number "$T/slow" | tr '\n' ' ' |
	md5sum)" "$(seq 1 2046 | tr '\n' ' ' | md5sum)"

# The end.
stream ending "dev/stream?after_seq=2046" -H 'Accept: text/event-stream'
ending=$pid
ok "one more" wait_for 10 has ending 'event: live'
ok "ann is removed" sh -c "echo -ann >> '$M/dev/members'"
for pid in $lines $slow $ending; do
	ok "her stream ends" wait_gone 10 "$pid"
done
like "an event says why" "$(tail -n 3 "$T/ending")" '"code":"not_member"'
echo "secret" >>"$M/dev/messages"
fails "and nothing more came" grep -l secret "$T/lines" "$T/slow" "$T/ending"
TOKEN=$(token "$ME")
stream mine "dev/stream?after_seq=2047"
mine=$pid
ok "mine begins" wait_for 10 test -s "$T/mine.head"
id=$(ctl token list "$ME" | awk 'NR > 1 || $1 + 0 { n = $1 } END { print n }')
ok "its token is revoked" ctl token revoke "$id"
ok "and it ends" wait_gone 10 $mine
done_testing
