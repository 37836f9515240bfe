#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 240
# Clients that were not written here: the npm package ws, python3-websockets, a
# page in Chromium, curl. Each subscribes, sends, hears of members, lives
# through a restart of the core on the same socket, is told when the gateway
# goes, and resumes with nothing lost. A page of a foreign origin is refused,
# and one that answers no ping is closed.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
WS_VERSION=8.18.3
# Its own folder: two npm at work in one lose what the other brings.
WS=$TOP/build/npm-ws
export WS

pages=$(free_port)
printf 'allowed_origins = http://127.0.0.1:%d\n' "$pages" >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
mount_fs
began=$(date +%s)
mkdir "$M/dev" "$M/other" "$M/quiet"
ok "users" ctl user add python node chromium refused curl extra
ok "members" sh -c "printf '%s\n' python node chromium refused curl \
	>>'$M/dev/members'"
ok "messages" sh -c "seq -f 'message %.0f' 3 >>'$M/dev/messages' &&
	seq -f 'other %.0f' 60 >>'$M/other/messages'"
export URL

# Each client writes the frames that it gets to $T/NAME, a line each.
clients=
begins() {
	clients="$clients $1"
	ours "$2"
}
log_has() {
	jq -e "select($2)" "$T/$1" | grep -q .
}
count() {
	jq -c "select($2)" "$T/$1" | wc -l
}
one_token() {
	TOKEN=$(token "$1")
	export TOKEN
}
# One of ours, that is silent.
one_token "$ME"
[ "$LOAD" != full ] || {
	$PY "$HERE/stopped.py" silent quiet >"$T/silent" 2>"$T/silent.err" &
	silent=$!
	ours $silent
}
one_token python
$PY "$HERE/foreign.py" dev python >"$T/python" 2>"$T/python.err" &
begins python $!

one_token node
if ! command -v npm >/dev/null; then
	ok "npm is not here: nothing is known of its package ws # SKIP" true
else
	ok "npm has ws $WS_VERSION" npm install --prefix "$WS" --no-audit \
		--no-fund --prefer-offline "ws@$WS_VERSION"
	node "$HERE/foreign.mjs" dev node >"$T/node" 2>"$T/node.err" &
	begins node $!
fi

# browse NAME HOST: a page of that host, in a browser of its own.
browse() {
	one_token "$1"
	task=$(jq -cn --arg name "$1" \
		'{url: env.URL, token: env.TOKEN, group: "dev", $name} | @uri "\(.)"')
	chromium --headless --no-sandbox --disable-gpu --disable-quic \
		--no-first-run --disable-background-networking \
		--disable-component-update --disable-sync \
		--disable-dev-shm-usage --user-data-dir="$T/chromium-$1" \
		"http://$2:$pages/foreign.html#$(echo "$task" | tr -d '"')" \
		>/dev/null 2>"$T/chromium-$1.err" &
	ours $!
}
if ! command -v chromium >/dev/null; then
	ok "chromium is not here: nothing is known of browsers # SKIP" true
else
	$PY "$HERE/pages.py" "$pages" "$T" 2>"$T/pages.err" &
	ours $!
	browse chromium 127.0.0.1
	begins chromium $!
	# By its other name the same server is another origin.
	browse refused localhost
	refused=$!
fi

for name in $clients; do
	ok "$name is answered" wait_for 40 log_has "$name" '.type == "sent"'
	is "$name: by its subprotocol" "$(jq -r 'select(.type == "open").protocol' \
		"$T/$name")" groupfs.v1
	is "hello says who he is" "$(jq -r 'select(.type == "hello") |
		"\(.user) \(.ping_interval)"' "$T/$name")" "$name 25"
	is "what was there is replay" "$(jq -r 'select(.type == "message" and
		.sequence_number <= 3) | "\(.content) \(.replay)"' "$T/$name")" \
		"message 1 true
message 2 true
message 3 true"
	like "live has the epoch" "$(jq -r 'select(.type == "live").epoch' \
		"$T/$name")" '^[0-9a-f]{16}$'
	is "before what he sent" "$(jq -r 'select(.type == "live" or
		.content == "I am '"$name"'") | .type' "$T/$name" | xargs)" \
		"live message"
	like "which has a place" "$(jq -c 'select(.type == "sent") |
		[.id, .sequence_number, .offset, .timestamp, .duplicate]' \
		"$T/$name")" '^\["first",[0-9]+,[0-9]+,"[-0-9T:.]+Z",false\]$'
done

# Members.
ok "one joins" sh -c "echo extra >>'$M/dev/members'"
ok "all come to another group" sh -c "printf '%s\n' $clients |
	tr ' ' '\n' >>'$M/other/members'"
for name in $clients; do
	ok "$name hears of who joined" wait_for 10 log_has "$name" \
		".type == \"member\" and .group == \"dev\" and .user == \"extra\" and
		.change == \"added\" and .role == \"member\" and .by == \"$ME\""
	ok "and is added himself" wait_for 10 log_has "$name" \
		'.type == "live" and .group == "other"'
	is "added comes first, then the last 50, then live" \
		"$(jq -r 'select(.group == "other" and .type != "member") |
			"\(.type) \(.replay)"' "$T/$name" | uniq -c | xargs)" \
		"1 added null 50 message true 1 live null"
done
ok "they are removed from it" sh -c "printf -- '-%s\n' $clients |
	tr ' ' '\n' >>'$M/other/members'"
ok "what is said then" sh -c "echo secret >>'$M/other/messages'"
for name in $clients; do
	ok "$name is told" wait_for 10 log_has "$name" \
		'.type == "removed" and .group == "other"'
done

# The core is killed and comes back.
kill9_groupd
start_groupd -c "$T/groupd.conf"
ok "a message after a restart" sh -c "echo restarted >>'$M/dev/messages'"
for name in $clients; do
	ok "$name has it" wait_for 20 log_has "$name" '.content == "restarted"'
	is "on the same socket" "$(count "$name" '.type == "open"')" 1
	fails "and nothing of the group that he left" grep secret "$T/$name"
done

# Pages.
[ -z "${refused:-}" ] || {
	ok "a page of a foreign origin is closed at once" wait_for 40 log_has \
		refused '.type == "closed"'
	is "with nothing said, whatever it tries" "$(jq -r .type "$T/refused" |
		grep -v rest | sort -u)" closed
	kill "$refused"
	is "nor can it read by fetch()" "$(jq -r 'select(.type == "rest-get").error' \
		"$T/refused")" "TypeError: Failed to fetch"
	fails "nor write" grep "fetched by refused" "$M/dev/messages"
	is "a page that is allowed uses fetch(): GET" \
		"$(jq -c 'select(.type == "rest-get") |
			[.status, .body.messages[0].content]' "$T/chromium")" \
		'[200,"message 1"]'
	is "POST with a key" "$(jq -c 'select(.type == "rest-post") |
		[.status, .body.duplicate]' "$T/chromium")" '[201,false]'
	is "PUT" "$(jq -c 'select(.type == "rest-put") | .status' \
		"$T/chromium")" 200
	is "and reads why it was refused" \
		"$(jq -c 'select(.type == "rest-error") |
			[.status, .body.code]' "$T/chromium")" '[403,"not_admin"]'
}

# curl: streams. Debian's has no WebSocket of its own, but can be upgraded.
one_token curl
stream() {
	curl -sS -N -m 100 -H "Authorization: Bearer $TOKEN" "$@"
}
stream "$URL/api/groups/dev/stream?after_seq=2" >"$T/ndjson" 2>"$T/curl.err" &
ours $!
lines=$!
stream -H 'Accept: text/event-stream' "$URL/api/groups/dev/stream?after_seq=2" \
	>"$T/sse" 2>"$T/curl.err" &
ours $!
events=$!
stream --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
	-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Protocol: groupfs.v1' \
	-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -D "$T/upgrade" \
	"$URL/api/ws" >"$T/upgraded" 2>"$T/curl.err" &
ours $!
# The events that came whole.
whole_events() {
	awk '{ b = b $0 "\n" } $0 == "" { printf "%s", b; b = "" }'
}
last_id() {
	sed -n 's/^id: //p' "$T/cut" | tail -n 1
}
: >"$T/cut"
(seq -f 'flow %.0f' 800 | while read -r line; do
	echo "$line" >>"$M/dev/messages"
done) &
ours $!
cuts=0
until grep -q 'flow 800' "$T/cut" || [ $cuts -ge 500 ]; do
	cuts=$((cuts + 1))
	timeout "$(printf '0.%02d' $((2 + cuts * 7 % 19)))" curl -sS -N \
		-H "Authorization: Bearer $TOKEN" -H 'Accept: text/event-stream' \
		-H "Last-Event-ID: $(last_id | grep . || echo 0)" \
		"$URL/api/groups/dev/stream" 2>/dev/null | whole_events >>"$T/cut"
done
is "curl, cut again and again, resumes with each event once" \
	"$(sed -n 's/^id: //p' "$T/cut" | xargs)" "$(seq "$(last_id)" | xargs)"
ok "up to the last ($cuts cuts)" grep -q 'flow 800' "$T/cut"
ok "curl streams lines" wait_for 10 grep -q restarted "$T/ndjson"
ok "and events" wait_for 10 grep -q 'event: live' "$T/sse"
ok "and is upgraded" wait_for 10 grep -qa '{"type":"hello","user":"curl"' \
	"$T/upgraded"
like "as RFC 6455 asks" "$(cat "$T/upgrade")" \
	'^[Ss]ec-[Ww]eb[Ss]ocket-[Aa]ccept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo='

# Pings come each 25 s; who answers two of them and stays is there after 75 s.
[ "$LOAD" != full ] || {
	left=$((began + 80 - $(date +%s)))
	[ $left -le 0 ] || sleep $left
	for name in $clients; do
		is "$name answers pings" "$(count "$name" '.type == "closed"')" 0
	done
	[ ! -e "$T/node" ] ||
		ok "and there were some" test "$(count node '.type == "pinged"')" -ge 2
	ok "who answers none is closed" wait_gone 20 "$silent"
	is "after two of them, with 3012, in the bye too" \
		"$(xargs <"$T/silent")" "pings 2 code 3012 3012"
}

# groupd is stopped, and starts again.
ok "groupd is stopped" stop_groupd
for name in $clients; do
	ok "$name is told" wait_for 10 log_has "$name" '.type == "closed"'
	is "in a bye that says when to come back, and by the close code" \
		"$(jq -c 'select(.type == "bye" or .type == "closed") |
			[.type, .code, .retry_after_ms < 5000]' "$T/$name" |
			head -n 2 | xargs)" "[bye,3001,true] [closed,3001,true]"
done
ok "curl's streams end" wait_gone 10 "$lines"
ok "both" wait_gone 10 "$events"
start_groupd -c "$T/groupd.conf"
ok "the last message" sh -c "echo 'the end' >>'$M/dev/messages'"
last=$(wc -l <"$M/dev/messages")
seq "$last" >"$T/wanted"
for name in $clients; do
	ok "$name is back" wait_for 20 log_has "$name" '.content == "the end"'
	jq -r 'select(.type == "message" and .group == "dev").sequence_number' \
		"$T/$name" >"$T/numbers"
	same "and has each message once, in order" "$T/numbers" "$T/wanted"
done
id=$(sed -n 's/^id: //p' "$T/sse" | tail -n 1)
stream -H 'Accept: text/event-stream' -H "Last-Event-ID: $id" \
	"$URL/api/groups/dev/stream" >>"$T/sse" 2>"$T/curl.err" &
ours $!
ok "curl resumes with the last event's id" wait_for 10 grep -q 'the end' "$T/sse"
is "and has each once" "$(sed -n 's/^id: //p' "$T/sse" | xargs)" \
	"$(seq 3 "$last" | xargs)"
done_testing
