#!/bin/sh
# SPDX-License-Identifier: MIT
# rate_messages_per_second: one limit for a user on every surface, a refusal
# that says when to come again, and nothing stored of what was refused.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
echo 'rate_messages_per_second = 5' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
mount_fs
mkdir "$M/dev"
ok "a user" ctl user add ann
ok "is a member" sh -c "echo ann >> '$M/dev/members'"
TOKEN=$(token "$ME")
export URL TOKEN

lines() {
	wc -l <"$M/dev/messages"
}
# post ARGS...: the answer's head and body, as $TOKEN.
post() {
	curl -sS -m 30 -i -H "Authorization: Bearer $TOKEN" "$@" \
		-H 'Content-Type: text/plain' "$URL/api/groups/dev/messages"
}
field() {
	tr -d '\r' | sed -n "s/^$1: //p"
}

# Before anything is owed.
post -d first >"$T/answer"
like "a send is answered as ever" "$(head -n 1 "$T/answer")" ' 201 '
is "with the limit" "$(field RateLimit-Limit <"$T/answer")" 5
like "what is left of it" "$(field RateLimit-Remaining <"$T/answer")" '^[34]$'
is "and when it is whole again" "$(field RateLimit-Reset <"$T/answer")" 1
post -d known -H 'Idempotency-Key: k1' >"$T/answer"
like "one with a key" "$(head -n 1 "$T/answer")" ' 201 '

# More than a second's worth in one write is possible, when nothing is owed.
long() {
	seq 1000 >>"$M/dev/messages"
}
ok "a long file can be appended" wait_for 10 long
is "and is there, once" "$(lines)" 1002
# 995 are owed now, so all below is refused for some minutes.
before=$(lines)
fails "then the next line is not taken" sh -c "/bin/echo more >> '$M/dev/messages'"
like "the error is EDQUOT" "$(cat "$T/ok.out")" 'Disk quota exceeded'
like "the reason names the limit and the wait" "$(cat "$M/.me/error")" \
	'messages of dev: You may send 5 messages a second \(rate_messages_per_second\): the next one in 19[0-9]\.[0-9] s'
fails "nor a JSON line" sh -c "echo '{\"content\":\"x\"}' >> '$M/dev/messages.jsonl'"
echo x >"$T/x.txt"
fails "nor a post" dd "if=$T/x.txt" "of=$M/dev/post" status=none
like "which fails at its close" "$(cat "$T/ok.out")" 'Disk quota exceeded'
fails "nor a file in media" cp "$T/x.txt" "$M/dev/media/x.txt"
like "which does too" "$(cat "$T/ok.out")" 'Disk quota exceeded'
like "for the same reason" "$(cat "$M/.me/error")" 'You may send 5 messages'
post -d more >"$T/answer"
like "REST says 429" "$(head -n 1 "$T/answer")" ' 429 '
like "and when to come again" "$(field Retry-After <"$T/answer")" '^19[0-9]$|^200$'
is "the limit" "$(field RateLimit-Limit <"$T/answer")" 5
is "that nothing is left" "$(field RateLimit-Remaining <"$T/answer")" 0
like "until when" "$(field RateLimit-Reset <"$T/answer")" '^19[0-9]$|^200$'
is "as a problem" "$(tail -n 1 "$T/answer" | jq -r '"\(.status) \(.code)"')" \
	"429 rate_limited"
like "with the same sentence" "$(tail -n 1 "$T/answer" | jq -r .detail)" \
	'^You may send 5 messages a second'
$PY "$HERE/limits.py" send dev one two >"$T/ws"
is "WebSocket says so for each, and stays open" \
	"$(jq -r '"\(.type) \(.id) \(.code)"' "$T/ws")" \
	"error 0 rate_limited
error 1 rate_limited"
like "with the wait" "$(jq .retry_after_ms "$T/ws" | head -n 1)" '^19[0-9]{4}$|^200000$'
is "nothing of it is stored" "$(lines)" "$before"
like "reading goes on" "$(tail -n 1 "$M/dev/messages" | cut -f4)" '^1000$'

# What was stored before is answered as it was then.
post -d known -H 'Idempotency-Key: k1' >"$T/answer"
like "a key that was used is no new message" "$(head -n 1 "$T/answer")" ' 201 '
is "but the one there is" "$(tail -n 1 "$T/answer" |
	jq -c '[.duplicate, .sequence_number]')" '[true,2]'
post -d other -H 'Idempotency-Key: k2' >"$T/answer"
like "another key is" "$(head -n 1 "$T/answer")" ' 429 '
# Each user has his own.
mine=$TOKEN
TOKEN=$(token ann)
post -d hello >"$T/answer"
like "ann sends" "$(head -n 1 "$T/answer")" ' 201 '
TOKEN=$mine
is "which is all that came" "$(lines)" $((before + 1))

# SIGHUP.
hup() {
	before=$(grep -c 'configuration' "$T/groupd.log")
	kill -HUP "$GROUPD"
	wait_for 10 read_again "$before"
}
read_again() {
	[ "$(grep -c 'configuration' "$T/groupd.log")" -gt "$1" ]
}
say() {
	echo "$1" >>"$M/dev/messages"
}
echo 'rate_messages_per_second = 100000' >"$T/groupd.conf"
ok "SIGHUP is heard" hup
ok "another limit holds at once: the debt is soon paid" wait_for 10 say again
echo 'rate_messages_per_second = 1' >"$T/groupd.conf"
ok "and once more" hup
ok "a debt" wait_for 10 long
fails "is a debt" say more
echo '# none' >"$T/groupd.conf"
ok "SIGHUP takes the limit away" hup
ok "which ends it" say more
post -d free >"$T/answer"
like "all goes" "$(head -n 1 "$T/answer")" ' 201 '
is "and no limit is told" "$(grep -ci ratelimit "$T/answer")" 0
done_testing
