#!/bin/sh
# SPDX-License-Identifier: MIT
# A group's metadata and the caller's mentions over REST: what settings.json,
# description and .me/mentions are in the mount, in the same words.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev" "$M/ops"
ok "users" ctl user add ann ben
ok "members" sh -c "echo ann >> '$M/dev/members' && echo ann >> '$M/ops/members'"
TOKEN=$(token "$ME")
mine=$TOKEN
J='Content-Type: application/json'
group() {
	rest GET /api/groups/dev | head -n 1 | jq -c "$1"
}
patch() {
	rest PATCH /api/groups/dev -H "$J" -d "$1"
}

is "a new group's metadata" "$(group '[.name, .description, .avatar_url,
	.created_by, .max_members, .settings, .member_count, .role]')" \
	"[\"dev\",\"\",\"\",\"$ME\",1000000,{},2,\"admin\"]"
is "an admin changes it" "$(patch '{"description": "what we do",
	"settings": {"colour": "red", "n": [1, {"x": null}]}}' | tail -n 1)" 200
is "the answer is the group as it is now" \
	"$(patch '{"avatar_url": "https://x/a.png"}' | head -n 1 |
		jq -c '[.name, .description, .avatar_url, .settings]')" \
	'["dev","what we do","https://x/a.png",{"colour":"red","n":[1,{"x":null}]}]'
is "the mount shows it" "$(cat "$M/dev/description")" "what we do"
is "all of it" "$(jq -c .settings "$M/dev/settings.json")" \
	'{"colour":"red","n":[1,{"x":null}]}'
ok "what the mount writes" sh -c "echo 'by echo' > '$M/dev/description'"
is "REST shows" "$(group .description)" '"by echo"'
is "what may stand there as it is" "$(patch '{"name": "dev",
	"max_members": 5}' | tail -n 1)" 200
# refused BODY STATUS CODE WORDS
refused() {
	answer=$(patch "$1")
	is "refused: $(echo "$1" | cut -c1-40)" "$(echo "$answer" | tail -n 1)" "$2"
	is "as $3" "$(echo "$answer" | head -n 1 | jq -r .code)" "$3"
	like "in words" "$(echo "$answer" | head -n 1 | jq -r .detail)" "$4"
}
refused '{"name": "other"}' 400 bad_request 'cannot be changed'
refused '{"created_by": "ann"}' 400 bad_request 'cannot be changed'
refused '{"colour": "blue"}' 400 bad_request 'no "colour"'
refused '{"settings": []}' 400 bad_request '"settings" must be an object'
refused '{"max_members": 1}' 400 bad_request members
refused '{"max_members": 0}' 400 bad_request members
refused "{\"description\": \"$(head -c 5000 /dev/zero | tr '\0' x)\"}" 400 \
	bad_request description
refused 'nonsense' 400 bad_request JSON
TOKEN=$(token ann)
refused '{"description": "by a member"}' 403 not_admin admin
TOKEN=$(token ben)
is "to a stranger there is no such group" \
	"$(patch '{"description": "x"}' | tail -n 1)" 404
TOKEN=$mine
is "none of that changed anything" "$(group '[.description, .max_members]')" \
	'["by echo",5]'
is "an empty object changes nothing" "$(patch '{}' | tail -n 1)" 200

# Mentions.
for i in 1 2 3; do
	echo "@ann number $i" >>"$M/ops/messages"
done
echo "hello @everyone" >>"$M/dev/messages"
echo "nobody" >>"$M/dev/messages"
TOKEN=$(token ann)
mentions() {
	rest GET "/api/mentions$1" | head -n 1
}
is "all mentions, of all groups" "$(mentions '' |
	jq -c '[.mentions[] | [.group, .sequence_number, .content, .sender]], .complete')" \
	"[[\"dev\",1,\"hello @everyone\",\"$ME\"],[\"ops\",1,\"@ann number 1\",\"$ME\"],[\"ops\",2,\"@ann number 2\",\"$ME\"],[\"ops\",3,\"@ann number 3\",\"$ME\"]]
true"
page=$(mentions '?limit=2')
is "by pages" "$(echo "$page" | jq -c '[.mentions[].content], .complete, .next_after')" \
	'["hello @everyone","@ann number 1"]
false
"ops/1"'
is "which go on where the last one ended" "$(mentions \
	"?limit=2&after=$(echo "$page" | jq -r .next_after)" |
	jq -c '[.mentions[].content], .complete')" \
	'["@ann number 2","@ann number 3"]
true'
is "a place that is none" "$(rest_status GET '/api/mentions?after=ops')" 400
is "what is read is not there" "$(rest_status PUT /api/groups/ops/read -H "$J" \
	-d '{"last_read_seq": 2}') $(mentions '' | jq -c '[.mentions[].content]')" \
	'200 ["hello @everyone","@ann number 3"]'
TOKEN=$mine
is "the sender has none" "$(mentions '' | jq -c '[.mentions, .next_after]')" '[[],""]'
is "without a token there is nothing" \
	"$(curl -sS -o /dev/null -w '%{http_code}' "$URL/api/mentions")" 401
done_testing
