#!/bin/sh
# SPDX-License-Identifier: MIT
# /metrics: the same from whichever gateway answers, in Prometheus' format to
# the letter; each figure moves with what it counts; nobody's name is in it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --gateways 2
mount_fs
GROUP=quincunx
mkdir "$M/$GROUP"
ok "a user" ctl user add zaphod
ok "is a member" sh -c "echo zaphod >> '$M/$GROUP/members'"
TOKEN=$(token zaphod)
export URL TOKEN

scrape() {
	curl -sS -m 20 -f "$URL/metrics" >"$T/scrape"
}
# metric NAME [LABEL=VALUE...]: now, over all gateways that are not named.
metric() {
	scrape && $PY "$HERE/metrics.py" get "$@" <"$T/scrape"
}
# is_metric VALUE NAME [LABEL=VALUE...]: what another gateway counts is up to
# a second old.
is_metric() {
	_wanted=$1
	shift
	[ "$(metric "$@")" = "$_wanted" ]
}
at_least() {
	_wanted=$1
	shift
	[ "$(metric "$@")" -ge "$_wanted" ]
}
both_told() {
	scrape && $PY "$HERE/metrics.py" get groupfs_gateway_deliveries_total \
		gateway=0 <"$T/scrape" &&
		$PY "$HERE/metrics.py" get groupfs_gateway_deliveries_total \
			gateway=1 <"$T/scrape"
}
add() {
	echo $(($1 + $2))
}

# The format.
is "no token is needed" "$(curl -sS -o "$T/first" -D "$T/head" \
	-w '%{http_code}' "$URL/metrics")" 200
like "it is version 0.0.4" "$(tr -d '\r' <"$T/head")" \
	'^Content-Type: text/plain; version=0\.0\.4; charset=utf-8$'
ok "each gateway has told its figures" wait_for 10 both_told
ok "Prometheus' parser takes it, and no rule is broken" \
	sh -c "$PY '$HERE/metrics.py' check <'$T/scrape'"
is "another method is refused" "$(curl -sS -o /dev/null -w '%{http_code}' \
	-X POST -d '' "$URL/metrics")" 405
$PY "$HERE/metrics.py" families <"$T/scrape" | sort >"$T/families"
missing=$(cut -d' ' -f1 "$T/families" | while read -r name; do
	grep -qw "$name" "$TOP/man/groupd-api.7" || echo "$name"
done)
is "groupd-api(7) names each family" "$missing" ""
is "and none that there is not" "$(sed -n '/^.Sh METRICS/,/^.Sh EX/p' \
	"$TOP/man/groupd-api.7" | sed -n 's/^.It Va //p' | tr -s ' ,' '\n\n' |
	sort | tr '\n' ' ')" "$(cut -d' ' -f1 "$T/families" | sort |
	tr '\n' ' ')"

# What groupd counts.
sent=$(metric groupfs_messages_total)
commits=$(metric groupfs_commits_total)
for i in 1 2 3 4 5; do
	echo "line $i" >>"$M/$GROUP/messages"
done
is "5 messages are 5 more" "$(metric groupfs_messages_total)" $((sent + 5))
is "in 5 commits" "$(metric groupfs_commits_total)" $((commits + 5))
is "each with its duration" "$(metric groupfs_commit_seconds_count)" \
	$((commits + 5))
is "and its size" "$(metric groupfs_commit_messages_sum)" $((sent + 5))
seq 100 >>"$M/$GROUP/messages"
is "100 lines of one write share a commit" \
	"$(metric groupfs_commits_total)" $((commits + 6))
is "which is among the big ones" "$(add "$(metric \
	groupfs_commit_messages_bucket le=128)" -"$(metric \
	groupfs_commit_messages_bucket le=64)")" 1
is "groupctl status says the same" "$(figure messages)" \
	"$(metric groupfs_messages_total)"
is "of commits too" "$(figure commits)" "$(metric groupfs_commits_total)"
refused=$(metric groupfs_sends_refused_total)
fails "a reply to what is not there is refused" \
	sh -c "echo '>9999 what?' >>'$M/$GROUP/messages'"
is "and is a refused send" "$(metric groupfs_sends_refused_total)" \
	$((refused + 1))
is "under its code" \
	"$(metric groupfs_sends_refused_total code=bad_request)" 1
is "the mount is a session" "$(metric groupfs_sessions kind=mount)" 1
is "the gateways are two" "$(metric groupfs_sessions kind=gateway)" 2
is "the database has its size" \
	"$(metric groupfs_store_bytes file=database)" \
	"$(stat -c %s "$T/data/groupd.db")"
is "and its log" "$(metric groupfs_store_bytes file=wal)" \
	"$(stat -c %s "$T/data/groupd.db-wal")"
memory=$(metric process_resident_memory_bytes)
rss=$(($(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' \
	"/proc/$GROUPD/status") * 1024))
ok "groupd's memory is what the kernel says, to a tenth" \
	test $((memory * 10)) -gt $((rss * 9)) -a \
	$((memory * 9)) -lt $((rss * 10))

# What the gateways count, over both.
mkfifo "$T/stay"
$PY "$HERE/metrics.py" idle "$GROUP" 6 <"$T/stay" >"$T/idle" 2>&1 &
ours $!
exec 8>"$T/stay"
ok "6 WebSockets are open" wait_for 20 grep -q live "$T/idle"
ok "they are counted" wait_for 10 is_metric 6 groupfs_gateway_connections \
	kind=websocket
is "as answers of HTTP" "$(metric groupfs_http_requests_total \
	method=read status=1xx)" 6
is "with a subscription each" "$(metric groupfs_gateway_subscriptions)" 6
ok "groupd has a watch of each gateway that has some" \
	at_least 1 groupfs_watches
# All of the past was a replay.
delivered=$(metric groupfs_gateway_deliveries_total)
is "what was there before is no fan-out" "$(metric \
	groupfs_fanout_seconds_count)" 0
for i in 1 2 3; do
	echo "more $i" >>"$M/$GROUP/messages"
done
ok "3 messages are 18 deliveries" wait_for 10 is_metric \
	$((delivered + 18)) groupfs_gateway_deliveries_total
is "and 18 latencies" "$(metric groupfs_fanout_seconds_count)" 18
ok "which is no time at all" test \
	"$(metric groupfs_fanout_seconds_bucket le=10)" = 18
curl -sS -N -H "Authorization: Bearer $TOKEN" \
	"$URL/api/groups/$GROUP/stream" >"$T/stream" 2>&1 8>&- &
stream=$!
ours $stream
ok "a stream is counted" wait_for 10 is_metric 1 \
	groupfs_gateway_connections kind=stream
echo "for the stream too" >>"$M/$GROUP/messages"
ok "and is given messages" wait_for 10 is_metric 25 \
	groupfs_fanout_seconds_count

# The same from both: nothing goes on now, so that each scrape is as the last.
reads=$(metric groupfs_http_requests_total gateway=0 status=2xx)
others=$(metric groupfs_http_requests_total gateway=1 status=2xx)
settled() {
	scrape && $PY "$HERE/metrics.py" stable <"$T/scrape" >"$T/stable.1" &&
		sleep 1.2 && scrape &&
		$PY "$HERE/metrics.py" stable <"$T/scrape" >"$T/stable.2" &&
		cmp "$T/stable.1" "$T/stable.2"
}
ok "the figures come to rest" wait_for 30 settled
for i in $(seq 24); do
	scrape
	$PY "$HERE/metrics.py" stable <"$T/scrape"
	echo --
done >"$T/all"
is "24 scrapes are the same" "$($PY -c 'import sys
print(len(set(sys.stdin.read().split("--\n")[:-1])))' <"$T/all")" 1
ok "though one gateway" wait_for 10 at_least $((reads + 1)) \
	groupfs_http_requests_total gateway=0 status=2xx
ok "and the other have answered" wait_for 10 at_least $((others + 1)) \
	groupfs_http_requests_total gateway=1 status=2xx
is "the sockets are with both or one" \
	"$(add "$(metric groupfs_gateway_connections gateway=0 kind=websocket)" \
		"$(metric groupfs_gateway_connections gateway=1 kind=websocket)")" 6
exec 8>&-
ok "closed ones are counted no more" wait_for 10 is_metric 0 \
	groupfs_gateway_connections kind=websocket
is "nor their subscriptions" "$(metric groupfs_gateway_subscriptions)" 0

# Sends that a gateway refuses, and those that groupd refuses through it.
$PY -c 'import json; print(json.dumps({"content": "x" * 70000}))' >"$T/big"
is "a message that is too large" "$(rest_status POST \
	"/api/groups/$GROUP/messages" -H 'Content-Type: application/json' \
	-d "@$T/big")" 413
ok "is counted where it came" wait_for 10 is_metric 1 \
	groupfs_gateway_sends_refused_total code=too_large
is "which did not ask groupd" \
	"$(metric groupfs_sends_refused_total code=too_large)" 0
is "a reply to what is not there" "$(rest_status POST \
	"/api/groups/$GROUP/messages" -H 'Content-Type: application/json' \
	-d '{"content":"what?","reply_to_seq":9999}')" 400
ok "is counted in the gateway" wait_for 10 is_metric 1 \
	groupfs_gateway_sends_refused_total code=bad_request
is "and in groupd" "$(metric groupfs_sends_refused_total code=bad_request)" 2
echo hello | $PY "$HERE/peer.py" send-ws no-such-group x >"$T/ok.out" 2>&1
like "a WebSocket's send to no group" "$(cat "$T/ok.out")" no_such_group
ok "is counted, too" wait_for 10 is_metric 1 \
	groupfs_gateway_sends_refused_total code=no_such_group

# HTTP requests by what they do and how they end.
seen=$(metric groupfs_http_requests_total method=read status=4xx)
for path in /nothing /api/groups /api/ws; do
	curl -sS -o /dev/null "$URL$path"
done
ok "3 refused requests are counted" wait_for 10 is_metric $((seen + 3)) \
	groupfs_http_requests_total method=read status=4xx
seen=$(metric groupfs_http_requests_total method=write status=2xx)
send_rest $GROUP "by POST" >/dev/null
ok "and one that writes" wait_for 10 is_metric $((seen + 1)) \
	groupfs_http_requests_total method=write status=2xx
is "refused upgrades are, too" "$(curl -sS -o /dev/null -w '%{http_code}' \
	-H 'Connection: Upgrade' -H 'Upgrade: websocket' \
	-H 'Sec-WebSocket-Version: 13' -H 'Origin: http://evil.example' \
	-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
	-H 'Sec-WebSocket-Protocol: groupfs.v1' "$URL/api/ws")" 403
ok "with the others" wait_for 10 is_metric $((seen + 1)) \
	groupfs_http_requests_total method=write status=2xx

# Who does not read.
is "nobody lags" "$(metric groupfs_gateway_lagging_subscribers)" 0
$PY "$HERE/peer.py" follow "$GROUP" 0 >"$T/slow" 2>"$T/slow.err" &
slow=$!
ours $slow
ok "a follower" wait_for 10 grep -q "by POST" "$T/slow"
kill -STOP $slow $stream
$PY -c 'import sys
for i in range(150): sys.stdout.write("big %d " % i + "x" * 60000 + "\n")' \
	>>"$M/$GROUP/messages"
ok "that sleeps lags, as the stream does" wait_for 20 is_metric 2 \
	groupfs_gateway_lagging_subscribers
kill -CONT $slow $stream
ok "has all when it wakes" wait_for 30 grep -q "big 149" "$T/slow"
ok "and nobody lags any more" wait_for 20 is_metric 0 \
	groupfs_gateway_lagging_subscribers
# That a stream's client has gone is seen when there is something for him.
no_stream() {
	echo "anybody?" >>"$M/$GROUP/messages"
	is_metric 0 groupfs_gateway_connections kind=stream
}
kill $stream
ok "a stream that ends is counted no more" wait_for 20 no_stream
is "nobody was closed for it" "$(metric groupfs_gateway_closed_total)" 0
mkfifo "$T/hold"
$PY "$HERE/metrics.py" greedy "$GROUP" 130 <"$T/hold" 2>"$T/greedy.err" &
greedy=$!
ours $greedy
exec 9>"$T/hold"
ok "who asks for more than he takes is closed" wait_for 20 is_metric 1 \
	groupfs_gateway_closed_total code=3008
exec 9>&-
ok "so he ends" wait_gone 30 $greedy
is "nobody was silent" "$(metric groupfs_gateway_closed_total code=3012)" 0

# Nobody's name.
fails "no name of a group or a user, and no token is in it" \
	grep -iE "$GROUP|zaphod|gfs_|=\"$ME\"" "$T/scrape"
ok "a whole one, still" sh -c "$PY '$HERE/metrics.py' check <'$T/scrape'"

# A gateway that dies.
pid=$(for pid in $(marked_pids); do
	tr '\0' ' ' <"/proc/$pid/cmdline" |
		grep -q 'groupd-gateway.*--slot 1 ' && echo "$pid"
done)
started=$(metric groupfs_gateway_start_time_seconds gateway=1)
kill -KILL "$pid"
new_one() {
	now=$(metric groupfs_gateway_start_time_seconds gateway=1) &&
		[ "$now" != "$started" ]
}
ok "one that was killed is back" wait_for 20 new_one
is "that is a restart" "$(metric groupfs_gateway_restarts_total)" 1
is "its figures begin anew" "$(metric groupfs_gateway_deliveries_total \
	gateway=1)" 0
is "those of both are there" "$(metric groupfs_gateways)" 2

# groupd away.
started=$(metric groupfs_gateway_start_time_seconds gateway=0)
delivered=$(metric groupfs_gateway_deliveries_total gateway=0)
kill9_groupd
away() {
	[ "$(curl -sS -o "$T/body" -D "$T/head" -w '%{http_code}' \
		"$URL/metrics")" = 503 ]
}
ok "without groupd it is 503" wait_for 10 away
like "a problem" "$(cat "$T/head")" 'application/problem\+json'
is "with its code" "$(jq -r .code "$T/body")" unavailable
start_groupd --gateways 2
ok "with groupd back both tell their figures again" wait_for 20 both_told
is "groupd counts from 0" "$(metric groupfs_messages_total)" 0
is "the gateways go on" "$(metric groupfs_gateway_start_time_seconds \
	gateway=0)" "$started"
is "and so do their figures" "$(metric groupfs_gateway_deliveries_total \
	gateway=0)" "$delivered"
done_testing
