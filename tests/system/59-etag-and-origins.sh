#!/bin/sh
# SPDX-License-Identifier: MIT
# Metadata has an ETag: who has it already is not sent it again, and who
# changes what another one has changed in the meantime is told so. Pages of an
# allowed origin may use REST, those of others may not.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/data"
echo 'allowed_origins = https://chat.example' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")

# ask METHOD PATH [HEADER]...: the head of the answer, then its body.
ask() {
	_method=$1
	_path=$2
	shift 2
	set -- "$@" "Authorization: Bearer $TOKEN"
	for _h; do
		shift
		set -- "$@" -H "$_h"
	done
	curl -s -m 10 -i -X "$_method" "$@" "$URL$_path" | tr -d '\r'
}
status() {
	sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p'
}
etag() {
	ask GET /api/groups/dev | sed -n 's/^ETag: //p'
}
patch() {
	curl -s -m 10 -o "$T/patched" -w '%{http_code}' -X PATCH \
		-H "Authorization: Bearer $TOKEN" \
		-H "Content-Type: application/json" -H "If-Match: $1" \
		-d "{\"description\":\"$2\"}" "$URL/api/groups/dev"
}

tag=$(etag)
like "metadata has a strong ETag" "$tag" '^"[0-9a-f]*-[0-9a-f]*"$'
is "which stays while nothing changes" "$(etag)" "$tag"
is "who has it gets 304" \
	"$(ask GET /api/groups/dev "If-None-Match: $tag" | status)" 304
is "also in a list, and weak" \
	"$(ask GET /api/groups/dev "If-None-Match: \"x\", W/$tag" | status)" 304
is "and no body" \
	"$(ask GET /api/groups/dev "If-None-Match: $tag" | sed '1,/^$/d')" ""
is "who has another gets all" \
	"$(ask GET /api/groups/dev 'If-None-Match: "x"' | status)" 200
is "HEAD has the same ETag" \
	"$(curl -s -m 10 -I -H "Authorization: Bearer $TOKEN" \
		"$URL/api/groups/dev" | tr -d '\r' | sed -n 's/^ETag: //p')" "$tag"

echo hi >>"$M/dev/messages"
ok "a message changes it" test "$(etag)" != "$tag"
is "but is no change of the metadata: it may be changed" \
	"$(patch "$tag" one)" 200
is "and was" "$(cat "$M/dev/description")" one
is "with the old tag not again" "$(patch "$tag" two)" 412
like "in words" "$(cat "$T/patched")" '"code":"precondition_failed"'
is "and nothing was changed" "$(cat "$M/dev/description")" one
tag=$(etag)
echo three >"$M/dev/description"
is "what the mount changed counts" "$(patch "$tag" four)" 412
is "a star stands for any" "$(patch '*' five)" 200
is "a weak tag is none" "$(patch "W/$(etag)" six)" 412
is "nor is rubbish" "$(patch 'x' six)" 412
# Of many that start from the same one, one wins.
tag=$(etag)
for i in 1 2 3 4 5 6 7 8; do
	curl -s -m 10 -o /dev/null -w '%{http_code}\n' -X PATCH \
		-H "Authorization: Bearer $TOKEN" -H "If-Match: $tag" \
		-H "Content-Type: application/json" \
		-d "{\"description\":\"racer $i\"}" \
		"$URL/api/groups/dev" >"$T/race.$i" &
done
wait_for 10 sh -c "test \"\$(cat $T/race.* | wc -l)\" = 8"
is "of eight at once one wins" "$(cat "$T"/race.* | sort | uniq -c | tr -s ' ')" \
	" 1 200
 7 412"

good="Origin: https://chat.example"
evil="Origin: https://evil.example"
is "OPTIONS says what a path knows" \
	"$(ask OPTIONS /api/groups/dev | sed -n 's/^Allow: //p')" \
	"GET, PATCH, DELETE, HEAD, OPTIONS"
is "without a token" \
	"$(curl -s -m 10 -o /dev/null -w '%{http_code}' -X OPTIONS "$URL/api/groups")" \
	204
is "to an allowed page what it may send" \
	"$(ask OPTIONS /api/groups "$good" | grep -c '^Access-Control-Allow-')" 3
is "and to another nothing" \
	"$(ask OPTIONS /api/groups "$evil" | grep -c '^Access-Control-')" 0
like "an answer may be read by the allowed page" \
	"$(ask GET /api/groups "$good")" \
	'^Access-Control-Allow-Origin: https://chat.example$'
is "and not by the other" \
	"$(ask GET /api/groups "$evil" | grep -c '^Access-Control-')" 0
is "which may send nothing" "$(ask DELETE /api/groups/dev "$evil" | status)" 403
is "the group is there still" "$(ask GET /api/groups/dev | status)" 200
is "405 says what would be right" \
	"$(ask PUT /api/groups | sed -n 's/^Allow: //p')" \
	"GET, POST, HEAD, OPTIONS"
done_testing
