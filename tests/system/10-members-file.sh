#!/bin/sh
# SPDX-License-Identifier: MIT
# members: each line a command, a write applied whole or not at all.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
cd "$M/dev" || exit 1
is "who makes a group is its admin" "$(cat members)" "$ME admin"
ok "users are added from stdin" sh -c \
	"printf 'ann\nben\ncy\n' | '$BUILD/groupctl' --socket '$SOCKET' user add -"

ok "adding by >>" sh -c 'echo ann >> members'
ok "adding with a plus and a role" sh -c 'printf "+ben\ncy admin\n" > members'
all="ann member
ben member
cy admin
$ME admin"
is "sorted by name" "$(cat members)" "$(echo "$all" | sort)"
ok "adding again is no error" sh -c 'echo ann >> members'
ok ": > changes nothing" sh -c ': > members'
ok "nor do blank lines and comments" sh -c 'printf "\n# note\n  \n" > members'
is "all are still there" "$(cat members)" "$(echo "$all" | sort)"
ok "promote, demote and remove at once" \
	sh -c 'printf "ben admin\ncy member\n-ann\n" > members'
is "it is done" "$(cat members)" "$(printf '%s\n' "ben admin" "cy member" \
	"$ME admin" | sort)"
before=$(cat members)
fails "one bad line" sh -c 'printf "ann\n-nobody-here\n" | tee members'
is "and nothing of it is done" "$(cat members)" "$before"
like "the sentence names it" "$(cat "$M/.me/error")" nobody-here
ok "an editor's save: read, change, write back" sh -c \
	'sed "s/^cy member/cy admin/" members > "'"$T"'/edit" &&
	cat "'"$T"'/edit" > members'
is "changes what it changed" "$(grep -c '^cy admin$' members)" 1
ok "cp saves, too" sh -c 'echo ann > "'"$T"'/edit" && cp "'"$T"'/edit" members'
is "and leaves the rest" "$(wc -l <members)" 4
is "the size is exact" "$(stat -c %s members)" "$(cat members | wc -c)"

TOKEN=$(token ann)
is "a member sees the group" \
	"$(rest_status GET '/api/groups/dev/messages?after_seq=0')" 200
is "but may not add" "$(rest_status PUT /api/groups/dev/members/root)" 403
TOKEN=$(token cy)
ok "one more user" ctl user add dan
is "an admin may" "$(rest_status PUT /api/groups/dev/members/dan \
	-H 'Content-Type: application/json' -d '{}')" 200
is "and again, with the same answer" \
	"$(rest_status PUT /api/groups/dev/members/dan)" 200
is "dan is there" "$(grep dan members)" "dan member"

ok "I leave" sh -c "echo '-$ME' > members"
fails "and see it no more" cat "$M/dev/members"
cd /
is "my folder is empty" "$(ls "$M")" ""
mkdir "$M/mine"
fails "the last admin stays" sh -c "echo '-$ME' | tee -a '$M/mine/members'"
like "and is told why" "$(cat "$M/.me/error")" 'last admin'
done_testing
