#!/bin/sh
# SPDX-License-Identifier: MIT
# A store of one machine is moved into PostgreSQL, killed on its way again and
# again: groupd goes on there, and mounts, tokens and retries with it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" = small ] && skip_all "it is moved without sanitizers"
D=${GROUPFS_TEST_POSTGRES:-$T/pg}
[ "$D" = "$T/pg" ] && mkdir "$D"
sh "$TOP/tests/support/postgres.sh" start "$D" $$ || skip_all "no PostgreSQL"
base=move_$$
sql() {
	psql -qAtX -h "$D" -U groupfs "$1" -c "$2"
}
trap 'drop; cleanup' EXIT
# Who owns a database may not end an autovacuum, which may be at it.
drop() {
	psql -qAtX -h "$D" -U postgres postgres \
		-c "DROP DATABASE IF EXISTS $base WITH (FORCE)"
}
renew() {
	drop && sql postgres "CREATE DATABASE $base TEMPLATE template0"
}
ok "there is a database" wait_for 30 renew
FROM=sqlite:$T/data/groupd.db
TO="postgresql://groupfs@/$base?host=$D"

start_groupd
mount_fs
ctl user add carol dave
TOKEN=$(token carol)
mkdir "$M/dev" "$M/ops"
printf 'carol\ndave admin\n' >"$M/dev/members"
seq 1 8000 | sed 's/^/line of some length, number /' >>"$M/dev/messages"
printf '>3 a reply\n@carol look\n@everyone too\n' >>"$M/dev/messages"
printf -- '-dave\n' >"$M/dev/members"
i=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	mkdir "$M/small$i"
	echo "in $i" >>"$M/small$i/messages"
done
ctl delete small7
echo 'what it is for' >"$M/ops/description"
echo bytes >"$M/dev/media/f1"
echo 7990 >"$M/dev/last_read"
keyed() {
	rest POST /api/groups/dev/messages -H 'Idempotency-Key: k-1' \
		-H 'Content-Type: application/json' -d '{"content":"once"}'
}
keyed >"$T/first"
exec 7<"$M/dev/messages"
head -n 1 <&7 >/dev/null
all() {
	for f in dev/messages dev/messages.jsonl dev/members ops/settings.json \
		small20/messages .me/groups .me/mentions; do
		cat "$M/$f"
	done
}
all >"$T/before"
stop_groupd

migrate() {
	"$BUILD/groupctl" migrate --data "$T/data" "$FROM" "$TO"
}
# The killed ones are children of the shell that says so. How long it takes is
# the machine's affair: killed later and later until it comes to its end, then
# sooner again.
kills=0
cut=100
is_begun() {
	[ "$(sql "$base" "SELECT 1 FROM meta WHERE k='moved_from'" 2>&1)" = 1 ]
}
while [ $kills -lt 10 ] || ! is_begun; do
	timeout -s KILL "$(printf '0.%03d' $cut)" "$BUILD/groupctl" migrate \
		--data "$T/data" "$FROM" "$TO" >"$T/killed.out" 2>&1
	status=$?
	# Killed behind its last commit, it has ended, too.
	if [ $status = 0 ] || grep -q 'is not empty' "$T/killed.out"; then
		wait_for 30 renew || break
		cut=$((cut / 2 + 1))
	elif [ $status = 137 ]; then
		kills=$((kills + 1))
		[ $cut -gt 700 ] || cut=$((cut * 4 / 3))
	else
		break
	fi
done 2>/dev/null
ok "it was killed on its way, and never failed: $(tail -n 1 "$T/killed.out")" \
	is_begun
fails "groupd does not start on what is not complete" \
	timeout 20 "$BUILD/groupd" --data "$T/data" --socket "$T/run/new.sock" \
	--listen "$LISTEN" --store "$TO"
like "and says why" "$(cat "$T/ok.out")" 'store is not complete'
ok "called again, it comes to its end" migrate
like "and says what it moved" "$(cat "$T/ok.out")" \
	'moved: 21 groups, 8,0[0-9]* messages, 3 users, 1 media files'
fails "what is complete is not moved into again" migrate
like "and it says why" "$(cat "$T/ok.out")" 'is not empty'

start_groupd --store "$TO"
ok "the mount is there again" wait_for 10 is_online
all >"$T/after"
same "each file is what it was" "$T/before" "$T/after"
is "what was open goes on" "$(head -n 1 <&7 | grep -c .)" 1
is "media too" "$(cat "$M/dev/media/f1")" bytes
keyed >"$T/again"
is "a retry over the move is known" \
	"$(head -n 1 "$T/again" | jq -c '[.sequence_number,.duplicate]')" \
	"$(head -n 1 "$T/first" | jq -c '[.sequence_number,true]')"
is "a token works on" "$(rest_status GET /api/groups)" 200
ok "groups are made" mkdir "$M/next"
ok "messages go on" sh -c "echo next >>'$M/dev/messages'"
is "behind the last" "$(tail -n 1 "$M/dev/messages" | cut -f1,4)" "8006	next"
like "verify finds nothing wrong" "$(ctl verify)" ' 0 problems$'
done_testing
