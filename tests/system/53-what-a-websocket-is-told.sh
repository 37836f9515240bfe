#!/bin/sh
# SPDX-License-Identifier: MIT
# What a WebSocket is told beside messages: mentions, read pointers, members
# that come and go, bye; each to whom it concerns, once, in its place. And who
# is online.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --gateways 2
mount_fs
export URL M
export TOKENS="$T/tokens"
ctl user add ann bob cat dan eve >"$T/ok.out" 2>&1
for user in ann ann/2 bob cat dan eve; do
	printf '%s\t%s\n' "$user" "$(token "${user%/2}")"
done >"$TOKENS"
TOKEN=$(token "$ME")
# new_group NAME MEMBER...
new_group() {
	mkdir "$M/$1"
	name=$1
	shift
	printf '%s\n' "$@" >>"$M/$name/members"
}
events() {
	timeout 120 "$PY" "$HERE/events.py" "$@" 2>&1
}

# Mentions.
new_group talk "ann admin" bob eve
is "mentions come behind their message, and by name to who is not subscribed" \
	"$(events mentions talk)" \
	"ann: message 1, message 2, message 3, message 4, message 5
bob: message 1, mention 1 ann, message 2, mention 2 ann, message 3, message 4, mention 4 ann, message 5
bob, not subscribed: mention 1 ann, mention 4 ann
eve: message 1, message 2, mention 2 ann, message 3, mention 3 bob, message 4, mention 4 ann, message 5
bob, late: message 1 +, mention 1 ann +, message 2 +, mention 2 ann +, message 3 +, message 4 +, mention 4 ann +, message 5 +, live 5
bob, unsubscribed: mention 6 ann
bob, removed: removed"
new_group full ann bob
count=600
[ "$LOAD" = small ] && count=200
is "and none is lost or doubled where the socket was full" \
	"$(events slow full "$count" 20000)" "$((count + 1)) $((count - (count + 2) / 3))"

# Read pointers.
new_group books "ann admin" eve
seq 9 >>"$M/books/messages"
is "a read pointer is told to the others of its user, when it moved" \
	"$(events read books)" \
	"who asked: read 2 #a, read 2 #b, read 2 #c, read 3, read 10 #d
another: read 2, read 3
another: read 2, read 3
another: read 2, read 3
another: read 2, read 3
eve: message 10"
if [ "$(id -u)" = 0 ]; then
	need_users
	ctl user add gfs-alice >"$T/ok.out" 2>&1
	echo gfs-alice >>"$M/books/members"
	printf 'gfs-alice\t%s\n' "$(token gfs-alice)" >>"$TOKENS"
	is "whatever moved it, the mount too" "$(events pointer gfs-alice books \
		setpriv --reuid=gfs-alice --clear-groups \
		sh -c "echo 7 >'$M/books/last_read'")" "read 7"
fi

# Members.
new_group crew "ann admin" eve
seq 100 >>"$M/crew/messages"
is "who came and went, where it happened, to those who read" \
	"$(events members crew)" \
	"added crew and 50 from 51 to 100 {True} live 100
eve: member bob added member ann, message 101, member bob role admin ann, message 102, member cat added admin bob, message 103, member bob removed cat, member cat removed cat, message 104
bob: message 101, member bob role admin ann, message 102, member cat added admin bob, message 103, removed
bob, not subscribed: unsubscribed, removed
bob, gone and back: removed, added, live
deleted: removed removed"
new_group flow "ann admin" bob eve
rounds=30
[ "$LOAD" = small ] && rounds=10
like "all see one order of messages and changes, one who is slow too" \
	"$(events order flow "$rounds")" "^the same $((rounds * 4)) "

# Who is online.
online() {
	rest GET /api/groups/busy | head -n 1 | jq -r .online
}
online_is() {
	[ "$(online)" = "$1" ]
}
new_group busy ann eve
for _ in 1 2 3 4 5 6; do
	stat "$M/busy/messages" >"$T/ok.out"
	cat "$M/busy/messages"
done
is "nobody is online, though a mount knows of the group" "$(online)" 0
"$PY" "$HERE/events.py" watch ann busy >"$T/ann" 2>&1 &
ann=$!
ours $ann
"$PY" "$HERE/events.py" watch ann busy >"$T/ann2" 2>&1 &
ann2=$!
ours $ann2
ok "one user has two WebSockets" wait_for 20 test -s "$T/ann" -a -s "$T/ann2"
is "and is online once" "$(online)" 1
curl -sS -N -H "Authorization: Bearer $(sed -n 's/^eve	//p' "$TOKENS")" \
	"$URL/api/groups/busy/stream" >"$T/stream" 2>&1 &
stream=$!
ours $stream
ok "a stream counts" wait_for 20 online_is 2
cat "$M/busy/live" >"$T/live" &
live=$!
ours $live
ok "a blocked cat live does" wait_for 20 online_is 3
stat "$M/busy/messages" >"$T/ok.out"
kill $live
ok "until it ends, and the mount still knows" wait_for 20 online_is 2
kill $ann
ok "one of her two ends" wait_gone 20 $ann
rest GET /healthz >"$T/ok.out"
is "she still is" "$(online)" 2
kill $ann2
ok "and the other" wait_for 20 online_is 1
ok "eve is removed" sh -c "echo -eve >>'$M/busy/members'"
is "and is not online at once" "$(online)" 0
is "settings.json says nothing of it" "$(jq .online "$M/busy/settings.json")" null

# The end.
is "who is nobody is not invited back" "$(events stranger)" \
	"unauthenticated bye 3500 0 3500"
events leave 40 >"$T/leave" &
leave=$!
ours $leave
ok "many are connected" wait_for 30 grep -q connected "$T/leave"
stop_groupd
GROUPD=
wait $leave
is "when a gateway goes, all are told to come back, each at another time" \
	"$(tail -n 1 "$T/leave")" "{3001} {3001} True True"
done_testing
