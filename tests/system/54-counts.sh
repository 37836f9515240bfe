#!/bin/sh
# SPDX-License-Identifier: MIT
# What is unread, and what of it mentions me: the same number in .me/groups, by
# REST and by WebSocket, after joins, own posts, @everyone and restarts.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
export URL M
export TOKENS="$T/tokens"
crowd=$(seq -f 'u%g' 110)
# shellcheck disable=SC2086
ctl user add gfs-alice gfs-bob $crowd >"$T/ok.out" 2>&1
for user in gfs-alice gfs-bob u1 u2; do
	printf '%s\t%s\n' "$user" "$(token "$user")"
done >"$TOKENS"
# counts USER GROUP: "UNREAD MENTIONS" by REST and by WebSocket, which both must
# be the same, and of the mount where that is his.
counts() {
	TOKEN=$(sed -n "s/^$1	//p" "$TOKENS")
	listed=$(rest GET /api/groups | head -n 1 | jq -r --arg g "$2" \
		'.groups[] | select(.name == $g) | "\(.unread) \(.mentions)"')
	one=$(rest GET "/api/groups/$2" | head -n 1 |
		jq -r '"\(.unread) \(.mentions)"')
	socket=$(timeout 60 "$PY" "$HERE/events.py" unread "$1" "$2" 2>&1)
	mount=$listed
	case $1 in
	gfs-*) mount=$(as_user "$1" 'cat "$M/.me/groups"' |
		awk -F'\t' -v g="$2" '$1 == g { print $4, $5 }') ;;
	esac
	if [ "$listed" = "$one" ] && [ "$listed" = "$socket" ] &&
		[ "$listed" = "$mount" ]; then
		echo "$listed"
	else
		echo "list $listed, group $one, socket $socket, mount $mount"
	fi
}
alice() {
	as_user gfs-alice "$1"
}

# Joins.
ok "a group with a past" alice 'mkdir "$M/old" && cd "$M/old" &&
	seq 40 >>messages && echo "@everyone early" >>messages && seq 58 >>messages &&
	echo "@everyone late, @gfs-bob" >>messages'
ok "bob joins" alice 'echo gfs-bob >>"$M/old/members"'
is "he finds the last 50 unread, and everyone mentioned there" \
	"$(counts gfs-bob old)" "50 1"
is "who wrote it all has read it" "$(counts gfs-alice old)" "0 0"
ok "he is mentioned" alice 'echo "@gfs-bob" >>"$M/old/messages" &&
	echo "(@gfs-bob and @everyone)" >>"$M/old/messages"'
is "each message counts once" "$(counts gfs-bob old)" "52 3"
ok "he reads some" as_user gfs-bob 'echo 101 >"$M/old/last_read"'
is "the rest is left" "$(counts gfs-bob old)" "1 1"

# Posts of one's own.
ok "he writes" as_user gfs-bob 'echo "@gfs-alice @gfs-bob @everyone" >>"$M/old/messages"'
is "and has read all" "$(counts gfs-bob old)" "0 0"
is "alice has not" "$(counts gfs-alice old)" "1 1"
TOKEN=$(sed -n 's/^gfs-alice	//p' "$TOKENS")
is "she writes by REST" "$(send_rest old "no more" | tail -n 1)" 201
is "and has" "$(counts gfs-alice old)" "0 0"
ok "both say everyone" as_user gfs-bob 'seq 48 >>"$M/old/messages" &&
	echo "@everyone by bob" >>"$M/old/messages"'
ok "one after the other" alice 'echo "@everyone by alice" >>"$M/old/messages"'
ok "he leaves, and comes back" alice 'echo -gfs-bob >>"$M/old/members" &&
	echo gfs-bob >>"$M/old/members"'
is "to the last 50; what he said himself is no mention" \
	"$(counts gfs-bob old)" "50 1"

# Everyone, in a group of over 100.
ok "a group of 101" alice 'mkdir "$M/big" && { echo gfs-bob; seq -f "u%g" 99; } \
	>>"$M/big/members"'
is "has so many" "$(rest GET /api/groups/big | head -n 1 | jq .member_count)" 101
say() {
	TOKEN=$(sed -n "s/^$1	//p" "$TOKENS")
	send_rest big "$2" | head -n 1 | jq -c '[.sequence_number, .warnings]'
}
is "a member says everyone" "$(say gfs-bob '@everyone hello')" \
	'[1,["mention_dropped"]]'
is "which is sent, and mentions nobody" "$(counts u1 big) $(counts gfs-alice big)" \
	"1 0 1 0"
is "who is named is, all the same" "$(say gfs-bob '@everyone and @u1')" \
	'[2,["mention_dropped"]]'
is "and only he" "$(counts u1 big) $(counts u2 big)" "2 1 2 0"
is "an admin says it" "$(say gfs-alice 'hello @everyone')" '[3,null]'
is "to everyone" "$(counts u1 big) $(counts u2 big) $(counts gfs-bob big)" \
	"3 2 3 1 1 1"
ok "100 are left" alice 'echo -u99 >>"$M/big/members"'
is "now a member may" "$(say gfs-bob '@everyone again')" '[4,null]'
is "and does" "$(counts u1 big) $(counts gfs-alice big)" "4 3 1 1"

# Restarts.
before=$(for user in gfs-alice gfs-bob u1 u2; do counts $user big; done)
kill9_groupd
start_groupd
is "a crash changes nothing" \
	"$(for user in gfs-alice gfs-bob u1 u2; do counts $user big; done)" "$before"
ok "bob reads all" as_user gfs-bob 'echo all >"$M/old/last_read"'
stop_groupd
start_groupd
is "nor does a restart" "$(counts gfs-bob old) $(counts u1 big)" "0 0 4 3"
done_testing
