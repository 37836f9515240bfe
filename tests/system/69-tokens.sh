#!/bin/sh
# SPDX-License-Identifier: MIT
# Tokens are kept as hashes, expire, and are revoked at once, on what is open
# too; they are taken from no URL, and are in no log.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
export URL TOKEN
TOKENS=

# open_socket NAME: a WebSocket of $TOKEN, that is subscribed.
open_socket() {
	$PY "$HERE/tokens.py" dev >"$T/$1" 2>&1 &
	ours $!
	ok "a WebSocket of $1 is open" wait_for 10 grep -qx ready "$T/$1"
}
open_stream() {
	curl -sN -H "Authorization: Bearer $TOKEN" -H "Accept: text/event-stream" \
		"$URL/api/groups/dev/stream?after_seq=0" >"$T/$1" 2>&1 &
	ours $!
	ok "a stream of $1 is open" wait_for 10 grep -q '^event: live' "$T/$1"
}
token_id() {
	ctl token list "$ME" | sort -n | tail -n 1 | cut -f1
}

TOKEN=$(token "$ME")
TOKENS="$TOKENS $TOKEN"
like "a token is long" "$TOKEN" '^[A-Za-z0-9_-]{43,}$'
id=$(token_id)
open_socket revoked
open_stream stream
is "REST takes it" "$(rest_status GET /api/groups)" 200
ok "it is revoked" ctl token revoke "$id"
ok "the WebSocket is told so and closed" wait_for 5 grep -qx close:3500 "$T/revoked"
like "with the reason" "$(cat "$T/revoked")" '^error:unauthenticated$'
ok "and ended" wait_for 5 grep -qx end "$T/revoked"
ok "the stream ends, with the reason" \
	wait_for 5 grep -q '"code":"unauthenticated"' "$T/stream"
is "REST does not take it any more" "$(rest_status GET /api/groups)" 401
echo "not for him" >>"$M/dev/messages"
sleep 0.5
is "nothing more came to him" "$(grep -c message "$T/revoked")" 0

TOKEN=$(ctl token create "$ME" --expires 3s)
TOKENS="$TOKENS $TOKEN"
open_socket expired
is "a token that will expire is taken" "$(rest_status GET /api/groups)" 200
ok "its WebSocket ends with it" wait_for 10 grep -qx close:3500 "$T/expired"
is "and REST refuses it" "$(rest_status GET /api/groups)" 401

TOKEN=$(token "$ME")
TOKENS="$TOKENS $TOKEN"
other=$TOKEN
open_socket kept
TOKEN=$(token "$ME")
TOKENS="$TOKENS $TOKEN"
ok "another of the same user is revoked" ctl token revoke "$(token_id)"
echo "still here" >>"$M/dev/messages"
ok "which leaves the first as it was" wait_for 5 grep -qx message "$T/kept"
TOKEN=$other
kill9_groupd
start_groupd
ok "revoked means revoked over a restart, kept means kept" wait_for 10 sh -c \
	"[ \"\$(curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer $other' $URL/api/groups)\" = 200 ]"

for query in "token=$other" "access_token=$other" "authorization=Bearer%20$other"; do
	is "no token is taken from the URL: ${query%%=*}" \
		"$(curl -s -o /dev/null -w '%{http_code}' "$URL/api/groups?$query")" 401
done
is "nor from a cookie" "$(curl -s -o /dev/null -w '%{http_code}' \
	-H "Cookie: token=$other" "$URL/api/groups")" 401
is "nor from Basic" "$(curl -s -o /dev/null -w '%{http_code}' \
	-u "$ME:$other" "$URL/api/groups")" 401

for one in $TOKENS; do
	fails "the store has it not" grep -rqaF -- "$one" "$T/data"
	fails "the log has it not" grep -qaF -- "$one" "$T/groupd.log"
done
done_testing
