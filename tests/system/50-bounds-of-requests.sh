#!/bin/sh
# SPDX-License-Identifier: MIT
# What a request and a WebSocket message may be: the last that is taken, the
# first that is not, and that the next request is answered as ever.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --max_message_bytes 1000
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export URL TOKEN

limits() {
	$PY "$HERE/limits.py" "$@"
}
# A body is six bytes a byte of content, as JSON may escape it, and 64 KiB.
max=$((1000 * 6 + 65536))
# body BYTES: a message in JSON, with blanks up to so many bytes.
body() {
	printf '{"content":"x"}%*s' $(($1 - 15)) ''
}
post() {
	curl -sS -m 30 -w '\n%{http_code}' -H "Authorization: Bearer $TOKEN" \
		-H 'Content-Type: application/json' "$@" \
		"$URL/api/groups/dev/messages"
}
answers() {
	is "and the next one is answered" "$(post -d '{"content":"y"}' |
		tail -n 1)" 201
}
body $max >"$T/largest"
body $((max + 1)) >"$T/larger"
is "the largest body" "$(post --data-binary "@$T/largest" | tail -n 1)" 201
is "one byte more is too large" "$(post --data-binary "@$T/larger" |
	tail -n 1)" 413
is "in words" "$(post --data-binary "@$T/larger" | head -n 1 | jq -r .code)" \
	too_large
is "16 GiB are, before they are sent" "$(post -H 'Content-Length: 17179869184' \
	-d x | tail -n 1)" 413
answers
long=$(head -c 1000 /dev/zero | tr '\0' x)
is "the largest content" "$(post -d "{\"content\":\"$long\"}" | tail -n 1)" 201
is "one byte more is too large" "$(post -d "{\"content\":\"x$long\"}" |
	tail -n 1)" 413

# A request line and headers of 8 KiB in all; what is in them is taken whole.
is "a header of 7,000 bytes" "$(limits header Accept 7000)" 200
is "a token of 7,000 is none" "$(limits header Authorization 7000)" 401
is "an argument of 7,000 bytes" "$(limits header query 7000)" 200
is "a header of 8,192 is too long" "$(limits header Accept 8192)" 431
is "so is a token" "$(limits header Authorization 8192)" 431
is "and an argument" "$(limits header query 8192)" 431
is "an upgrade from far away is refused as one from abroad" \
	"$(limits upgrade Origin 7000)" 403
is "until it is too long" "$(limits upgrade Origin 8192)" 431
is "a key of 64 bytes" "$(post -d '{"content":"k"}' \
	-H "Idempotency-Key: $(printf '%064d' 1)" | tail -n 1)" 201
is "one of 65 is too long" "$(post -d '{"content":"k"}' \
	-H "Idempotency-Key: $(printf '%065d' 1)" | tail -n 1)" 400
is "and one of 7,000 not taken for none" "$(post -d '{"content":"k"}' \
	-H "Idempotency-Key: $(printf '%07000d' 1)" | tail -n 1)" 400
answers

# WebSocket.
is "a message of 1 MiB" "$(limits size 1048576)" pong
is "one byte more closes with 1009" "$(limits size 1048577)" "closed	1009"
before=$(wc -l <"$M/dev/messages")
limits pipeline dev 500 >"$T/pipeline"
is "500 sends at once wait, and all are answered" \
	"$(grep -c '^sent' "$T/pipeline")" 500
seq 0 499 >"$T/wanted"
cut -f2 "$T/pipeline" >"$T/ids"
same "each in its turn" "$T/ids" "$T/wanted"
seq $((before + 1)) $((before + 500)) >"$T/wanted"
cut -f3 "$T/pipeline" >"$T/seqs"
same "with the numbers that follow" "$T/seqs" "$T/wanted"
answers
done_testing
