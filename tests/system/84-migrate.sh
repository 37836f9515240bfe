#!/bin/sh
# SPDX-License-Identifier: MIT
# A store is moved, killed on the way again and again: what is there in the end
# is what was there, tokens work, a retry is known, and a mount goes on.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" = small ] && skip_all "it is moved without sanitizers"
FROM=sqlite:$T/data/groupd.db
NEW=$T/new
TO=sqlite:$NEW/groupd.db
mkdir -m 700 "$NEW"

start_groupd
mount_fs
ctl user add carol dave erin
TOKEN=$(token carol)
ENDED=$(token dave)
ctl token revoke "$(ctl token list dave | cut -f1)"
mkdir "$M/dev" "$M/ops" "$M/gone" "$M/last"
printf 'carol\ndave admin\nerin\n' >"$M/dev/members"
echo carol >"$M/ops/members"
seq 1 12000 | sed 's/^/line of some length, number /' >>"$M/dev/messages"
printf '>3 a reply\n@carol look\n@everyone too\n' >>"$M/dev/messages"
printf -- '-dave\n' >"$M/dev/members"
printf 'two\nlines' >"$M/ops/post"
echo 'what it is for' >"$M/ops/description"
head -c 100000 /dev/urandom >"$T/file"
cp "$T/file" "$M/dev/media/f1"
echo other >"$M/ops/media/f2"
echo nobodys >"$M/gone/media/f3"
ctl delete last
ctl delete gone
echo 11990 >"$M/dev/last_read"
rest PUT /api/groups/dev/read -d '{"last_read_seq":77}' \
	-H 'Content-Type: application/json' >/dev/null
keyed() {
	rest POST /api/groups/dev/messages -H 'Idempotency-Key: k-1' \
		-H 'Content-Type: application/json' -d '{"content":"once"}'
}
keyed >"$T/first"
exec 7<"$M/dev/messages"
head -n 1 <&7 >/dev/null
for f in dev/messages dev/messages.jsonl dev/members ops/settings.json \
	.me/groups .me/mentions; do
	cat "$M/$f"
done >"$T/before"

fails "a store in use is not moved" ctl migrate "$FROM" "$TO"
like "and it says why" "$(cat "$T/ok.out")" 'old store: Another groupd is writ'
# An import that is under way when groupd dies.
$PY "$HERE/big_export.py" 3000 >"$T/big.jsonl"
mkfifo "$T/fifo"
ctl import --add-users <"$T/fifo" >"$T/import.out" 2>&1 &
ours $!
exec 5>"$T/fifo"
head -n 2500 "$T/big.jsonl" >&5
wait_for 10 sh -c "$PY -c 'import sqlite3, sys
db = sqlite3.connect(\"file:$T/data/groupd.db?mode=ro\", uri=True)
sys.exit(not db.execute(\"SELECT 1 FROM meta WHERE k>?\", (\"import/\",)).fetchone())'"
kill9_groupd
exec 5>&-

fails "what is not there is not moved" ctl migrate "sqlite:$T/none.db" "$TO"
fails "nor made" test -e "$T/none.db"
fails "nor is a store moved into itself" ctl migrate "$FROM" "$FROM"
fails "nor without the media that --data is to have" \
	ctl migrate --data "$NEW" "$FROM" "$TO"
like "it says how many are missing" "$(cat "$T/ok.out")" \
	"new/media does not have 2 of 2 media files"
cp -a "$T/data/media" "$NEW/media"

# At a random moment of it, ten times or more.
kills=$($PY "$HERE/kill_migrate.py" "$NEW" \
	"$BUILD/groupctl" migrate --data "$NEW" "$FROM" "$TO")
ok "it is killed ten times" test "$kills" -ge 10
fails "groupd does not start on what is not complete" \
	timeout 20 "$BUILD/groupd" --data "$NEW" --socket "$T/run/new.sock" \
	--listen "$LISTEN"
like "and says why" "$(cat "$T/ok.out")" "store is not complete"
ok "called again, it comes to its end" ctl migrate --data "$NEW" "$FROM" "$TO"
like "and says what it moved" "$(cat "$T/ok.out")" \
	'moved: 2 groups, 12,0[0-9]* messages, [0-9]* users, 2 media files'
is "all rows are what they were" \
	"$($PY "$HERE/same_store.py" "$T/data/groupd.db" "$NEW/groupd.db")" ""
fails "what is complete is not moved into again" ctl migrate "$FROM" "$TO"
like "and it says why" "$(cat "$T/ok.out")" 'is not empty'

mv "$T/data" "$T/old"
mv "$NEW" "$T/data"
start_groupd
ok "the mount is there again" wait_for 10 is_online
for f in dev/messages dev/messages.jsonl dev/members ops/settings.json \
	.me/groups .me/mentions; do
	cat "$M/$f"
done >"$T/after"
same "each file is what it was" "$T/before" "$T/after"
is "what was open goes on" "$(head -n 1 <&7 | grep -c .)" 1
same "media too" "$T/file" "$M/dev/media/f1"
keyed >"$T/again"
is "a retry over the move is known" \
	"$(head -n 1 "$T/again" | jq -c '[.sequence_number,.duplicate]')" \
	"$(head -n 1 "$T/first" | jq -c '[.sequence_number,true]')"
is "a token works on" "$(rest_status GET /api/groups)" 200
TOKEN=$ENDED
is "one that was revoked does not" "$(rest_status GET /api/groups)" 401
mkdir "$M/next"
like "verify finds nothing wrong" "$(ctl verify)" ' 0 problems$'
done_testing
