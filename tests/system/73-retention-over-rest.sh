#!/bin/sh
# SPDX-License-Identifier: MIT
# Who reads over HTTP from before what is kept is told so, with a code and the
# first that is; 0 is from the first that is kept on.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --retention_interval 1s
api() {
	curl -sS -m 10 --unix-socket "$SOCKET" \
		-H 'Content-Type: application/json' "$@"
}
D=http://x/api/groups/dev
ctl create dev
seq 1 30 | ctl send --lines dev
epoch=$(api $D | jq -r .epoch)
api -X PATCH -d '{"settings":{"retention":{"messages":10}}}' $D >/dev/null
begins() {
	[ "$(api $D | jq .first_seq)" = 21 ]
}
ok "old messages go" wait_for 20 begins
page() {
	api "$D/messages?$1" | jq -c "${2:-[.first_seq, (.messages |
		map(.sequence_number)), .next_after, .complete]}"
}
is "from the start: of what there is" "$(page 'after_seq=0&limit=2')" \
	"[21,[21,22],22,false]"
is "without a word: the same" "$(page 'limit=2')" "[21,[21,22],22,false]"
is "from just before it" "$(page 'after_seq=20&limit=1')" "[21,[21],21,false]"
is "one before that is refused" \
	"$(page after_seq=19 '[.status, .code, .first_seq]')" \
	'[410,"epoch_changed",21]'
is "in words" "$(page after_seq=19 .detail)" \
	'"The messages before 21 are not kept any more: start again from there"'
is "with the epoch, which is the same" "$(page after_seq=1 .epoch)" "\"$epoch\""
is "a part of a page is no page" \
	"$(page 'after_seq=5&before_seq=25' '.code')" '"epoch_changed"'
is "backwards it ends where it begins" "$(page 'before_seq=23')" \
	"[21,[21,22],22,true]"
is "and has nothing before" "$(page 'before_seq=21')" "[21,[],0,true]"
is "a stream from there begins" "$(api -N "$D/stream?after_seq=20" \
	--max-time 1 2>/dev/null | head -n 1 | jq .sequence_number)" 21
is "one from before does not" "$(api "$D/stream?after_seq=3" |
	jq -c '[.status, .code, .first_seq]')" '[410,"epoch_changed",21]'
is "with Last-Event-ID neither" "$(api -H 'Last-Event-ID: 3' \
	-H 'Accept: text/event-stream' "$D/stream" |
	jq -c '[.status, .code, .first_seq]')" '[410,"epoch_changed",21]'
is "a stream from the start begins with what there is" \
	"$(api -N "$D/stream?after_seq=0" --max-time 1 2>/dev/null | head -n 1 |
		jq .sequence_number)" 21
is "a reply to what is gone is refused" "$(api -d \
	'{"content":"x","reply_to_seq":3}' $D/messages | jq -c '[.code, .detail]')" \
	'["bad_request","There is no message 3 to reply to"]'
is "a bad retention, too" "$(api -X PATCH -d \
	'{"settings":{"retention":{"days":0}}}' $D | jq -r .detail)" \
	'retention: "days" must be a whole number from 1 to 36500'
is "the pointer is not below what is kept" "$(api -X PUT -d \
	'{"last_read_seq":2}' $D/read | jq .last_read_seq)" 30
done_testing
