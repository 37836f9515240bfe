#!/bin/sh
# SPDX-License-Identifier: MIT
# Who is removed on A reads nothing more on B, by a descriptor or a WebSocket
# that was open; who is added on A is told on B; who is online is counted over
# both; a token revoked on A is none on B. With Redis, and without it.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
need_users gfs-carol
start_groupd
mount_fs
mount_b
ALICE=$(token gfs-alice)
BOB=$(token gfs-bob)
CAROL=$(token gfs-carol)
export URL
on_b() {
	as_user "$1" "M='$MOUNT_B'; $2"
}
online() {
	TOKEN=$ALICE URL=$2 rest GET "/api/groups/$1" | head -n 1 | jq .online
}
online_is() {
	[ "$(online "$1" "$2")" = "$3" ]
}

# members WHAT GROUP: bob is on B, alice removes him on A.
members() {
	ok "$1: alice makes a group with bob, on A" as_user gfs-alice \
		"mkdir '$M/$2' && echo +gfs-bob >> '$M/$2/members' &&
		echo before >> '$M/$2/messages'"
	ok "bob has it on B" wait_for 5 on_b gfs-bob "test -d \"\$M/$2\""
	: >"$T/$2.read"
	chmod 666 "$T/$2.read"
	on_b gfs-bob "exec 3<\"\$M/$2/messages\"; read -r line <&3
		until [ -e '$T/$2.go' ]; do sleep 0.05; done
		head -c 1 <&3 >'$T/$2.read' 2>&1; echo rc \$? >>'$T/$2.read'" &
	ours $!
	TOKEN=$BOB $PY "$HERE/peer.py" follow "$2" >"$T/$2.bob" \
		2>"$T/$2.bob.err" &
	ours $!
	ok "bob's WebSocket on B is live" \
		wait_for 10 grep -q '"live"' "$T/$2.bob.err"
	TOKEN=$ALICE URL=$URL_A $PY "$HERE/peer.py" follow "$2" \
		>"$T/$2.alice" 2>"$T/$2.alice.err" &
	ours $!
	ok "alice's on A, too" wait_for 10 grep -q '"live"' "$T/$2.alice.err"

	ok "alice removes bob on A" \
		as_user gfs-alice "echo -gfs-bob >> '$M/$2/members'"
	ok "bob's WebSocket on B is told" \
		wait_for 5 grep -q '"removed"' "$T/$2.bob.err"
	ok "alice goes on, on A" \
		as_user gfs-alice "echo secret >> '$M/$2/messages'"
	touch "$T/$2.go"
	ok "bob's descriptor on B ends" wait_for 10 grep -q '^rc' "$T/$2.read"
	like "with EACCES" "$(cat "$T/$2.read")" 'Permission denied'
	is "and had nothing of it" "$(grep -c secret "$T/$2.read" "$T/$2.bob" |
		tr '\n' ' ')" "$T/$2.read:0 $T/$2.bob:0 "
	is "he cannot send on B" "$(TOKEN=$BOB rest_status POST \
		"/api/groups/$2/messages" --json '{"content":"x"}')" 404

	TOKEN=$CAROL $PY "$HERE_CLUSTER/told.py" \
		>"$T/$2.carol" 2>&1 &
	_carol=$!
	ours $_carol
	ok "carol listens on B" wait_for 10 grep -q hello "$T/$2.carol"
	ok "alice adds carol on A" \
		as_user gfs-alice "echo gfs-carol >> '$M/$2/members'"
	ok "carol is told on B" wait_for 5 grep -q '^added' "$T/$2.carol"
	ok "and gets what there is" wait_for 5 grep -q secret "$T/$2.carol"
}
members "with Redis" one
ok "on A two are online" wait_for 10 online_is one "$URL_A" 2
ok "and on B" wait_for 10 online_is one "$URL" 2
redis_kill
members "without Redis" two
redis_start "$T/redis"
ok "Redis is back: two are online on A" wait_for 20 online_is two "$URL_A" 2

id=$(ctl token list | awk '$2 == "gfs-bob" { print $1 }')
ok "a token is revoked on A" ctl token revoke "$id"
revoked() {
	[ "$(TOKEN=$BOB rest_status GET /api/groups)" = 401 ]
}
ok "it is none on B" wait_for 5 revoked
ok "and bob's connection on B ends" wait_for 5 grep -q '^closed' "$T/one.bob.err"

# It takes longer than a client waits for a store that has gone.
sql "$POSTGRES" "insert into users(name, created_ms)
		select 'many-' || n, 1 from generate_series(1, 2000) n;
	create function wait() returns trigger language plpgsql as
		'begin perform pg_sleep(0.001); return new; end';
	create trigger slow before insert on members
		for each row execute function wait()" "$(basename "$T")"
jq -cn '{name: "crowd", member_ids: [range(1; 2001) | "many-\(.)"]}' >"$T/crowd"
is "a group of 2,000 is made, and who asked is told" "$(TOKEN=$ALICE rest_status \
	POST /api/groups --json @"$T/crowd")" 201
done_testing
