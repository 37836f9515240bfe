#!/bin/sh
# SPDX-License-Identifier: MIT
# A group that does not keep all of its messages: exported and imported with its
# numbers, followed, and found well after groupd was killed while it dropped.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --retention_interval 1s
mount_fs
api() {
	curl -sS --unix-socket "$SOCKET" -H 'Content-Type: application/json' \
		"$@"
}
keep() {
	api -X PATCH -d "{\"settings\":{\"retention\":{\"messages\":$2}}}" \
		"http://x/api/groups/$1" >/dev/null
}
first_seq() {
	api "http://x/api/groups/$1" | jq .first_seq
}
begins_at() {
	[ "$(first_seq "$1")" = "$2" ]
}
ctl create dev
seq 1 60 | ctl send --lines dev
keep dev 20
ok "old messages go" wait_for 20 begins_at dev 41
ok "a group is exported with what is held" ctl export dev "$T/dev.jsonl"
is "which begins where it begins" \
	"$(head -n 1 "$T/dev.jsonl" | jq -c '[.first_seq, .last_seq]')" "[41,60]"
is "with the messages that are held" \
	"$(grep -c '"type":"message"' "$T/dev.jsonl")" 20
ok "and imported" ctl import --as copy "$T/dev.jsonl"
same "it is the same file" "$M/dev/messages" "$M/copy/messages"
is "with the same numbers" "$(first_seq copy)" 41
is "and offsets" "$(jq .first_off "$M/copy/settings.json")" \
	"$(jq .first_off "$M/dev/settings.json")"
ok "it goes on" ctl send copy "and on"
is "with the next number" "$(tail -n 1 "$M/copy/messages" | cut -f1)" 61
is "follow from the start begins with what is held" \
	"$(ctl follow dev --after 0 --no-follow | head -n 1 | cut -f1)" 41
ok "all is well" ctl verify
seq 1 3000 | ctl send --lines dev
keep dev 100
dropping() {
	[ "$(first_seq dev)" -gt 42 ]
}
ok "many are dropped, step by step" wait_for 20 dropping
kill9_groupd
start_groupd --retention_interval 1s
ok "after a kill -9 they go on" wait_for 20 begins_at dev 2961
ok "and all is well" ctl verify
is "what is held is whole" "$(wc -l <"$M/dev/messages" | tr -d ' ')" 100
is "in its order" "$(cut -f4 "$M/dev/messages" | sed -n '1p;$p' | tr '\n' ' ')" \
	"2901 3000 "
ok "a backup is made" ctl backup "$T/backup.tar"
ok "and well" ctl verify "$T/backup.tar"
done_testing
