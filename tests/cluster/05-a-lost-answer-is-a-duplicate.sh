#!/bin/sh
# SPDX-License-Identifier: MIT
# A commit whose answer was lost on the way: the sender hears that nobody knows,
# in time, and who sends again is told the number of the first, as a duplicate.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
proxy_start
STORE=$STORE_PROXY
start_groupd
mount_fs
TOKEN=$(token "$ME")
export TOKEN URL
mkdir "$M/dev"
# The function that appends, by any name that it has.
APPENDS='(?i)(select|call|execute).*append'

lose() {
	echo "$APPENDS $1" >"$T/network/lose"
}
lost() {
	cat "$T/network/lost" 2>/dev/null | wc -l
}
is_stored() {
	[ "$(tail -n 1 "$M/dev/messages" | cut -f4)" = "$1" ]
}
# send ID TEXT: status and what was said, of node B.
send() {
	rest POST /api/groups/dev/messages -H "Idempotency-Key: $1" \
		--json "{\"content\": \"$2\"}" >"$T/answer"
	status=$(tail -n 1 "$T/answer")
}

for round in $(seq "$ROUNDS"); do
	lose 1
	began=$(date +%s%N)
	send "id-$round" "text $round"
	took=$((($(date +%s%N) - began) / 1000000))
	is "an answer was lost (round $round)" "$(lost)" "$round"
	is "nobody knows" "$status $(head -n 1 "$T/answer" | jq -r .code)" \
		"503 outcome_unknown"
	ok "which is said in $took ms: at most $LATE_MS" test $took -le "$LATE_MS"
	# Nobody knew, so nobody was told: each node looks by itself.
	ok "it is stored" wait_for 5 is_stored "text $round"
	send "id-$round" "text $round"
	is "sent again it is a duplicate" "$(head -n 1 "$T/answer" |
		jq -c '[.sequence_number, .duplicate]')" "[$round,true]"
	is "and is stored once" "$(cut -f4 "$M/dev/messages" |
		grep -c "^text $round$")" 1
done

# timed WHAT ID TEXT: sends, and is told within the time that it does not go.
timed() {
	began=$(date +%s%N)
	send "$2" "$3"
	took=$((($(date +%s%N) - began) / 1000000))
	like "$1: it is told" "$status $(head -n 1 "$T/answer" | jq -r .code)" \
		'^503 (unavailable|outcome_unknown)$'
	ok "in $took ms: at most $LATE_MS" test $took -le "$LATE_MS"
}
kill9_node_b
timed "who sends to a node without its groupd" id-dead "text of nobody"
start_node_b
wait_for_node b $GROUPD_B "$SOCKET_B"
send id-dead "text of nobody"
is "and sends it again" "$status" 201

# A mount sends again by itself: the shell sees a success.
n=$(wc -l <"$M/dev/messages")
lost=$(lost)
lose 1
ok "a shell's echo" sh -c "echo 'of a shell' >> '$M/dev/messages'"
is "whose answer was lost" "$(lost)" $((lost + 1))
is "is stored once" "$(tail -n +$((n + 1)) "$M/dev/messages" | cut -f1,4)" \
	"$((n + 1))	of a shell"
done_testing
