#!/bin/sh
# SPDX-License-Identifier: MIT
# One mount by root for all: each user sees his groups and nothing of others.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs

ok "alice makes a group" as_user gfs-alice 'mkdir "$M/a-only"'
ok "and one that she shares" as_user gfs-alice \
	'mkdir "$M/shared" && echo +gfs-bob >> "$M/shared/members"'
ok "bob makes a group" as_user gfs-bob 'mkdir "$M/b-only"'
ok "alice writes to both" as_user gfs-alice \
	'echo one >> "$M/shared/messages" && echo two >> "$M/a-only/messages"'

is "alice is alice" "$(as_user gfs-alice 'cat "$M/.me/name"')" gfs-alice
is "bob is bob" "$(as_user gfs-bob 'cat "$M/.me/name"')" gfs-bob
is "root is root" "$(cat "$M/.me/name")" root
is "alice sees hers" "$(as_user gfs-alice 'ls "$M"')" "a-only
shared"
is "bob sees his" "$(as_user gfs-bob 'ls "$M"')" "b-only
shared"
is "root, a member of nothing, sees nothing" "$(ls "$M")" ""
is "alice's list has her roles and counts" \
	"$(as_user gfs-alice 'cut -f1-4 "$M/.me/groups"')" "a-only	admin	1	0
shared	admin	1	0"
is "bob's list has his" "$(as_user gfs-bob 'cut -f1-4 "$M/.me/groups"')" \
	"b-only	admin	0	0
shared	member	1	1"
is "bob reads what alice wrote" \
	"$(as_user gfs-bob 'cut -f3- "$M/shared/messages"')" "gfs-alice	one"

for command in 'cat "$M/a-only/messages"' 'ls "$M/a-only"' \
	'stat "$M/a-only"' 'stat "$M/a-only/messages"' \
	'echo x >> "$M/a-only/messages"' 'cat "$M/a-only/members"' \
	'echo +gfs-bob >> "$M/a-only/members"'; do
	fails "bob may not: $command" as_user gfs-bob "$command"
	like "it does not exist for him" "$(cat "$T/ok.out")" \
		'No such file|nonexistent|cannot create'
done
fails "root may not read it either" cat "$M/a-only/messages"
# What one user has looked up is not shown to the next.
as_user gfs-alice 'ls -l "$M/a-only"; cat "$M/a-only/messages"' >/dev/null
fails "bob may not stat it after alice has" as_user gfs-bob \
	'stat "$M/a-only/messages"'

TOKEN=$(token gfs-bob)
is "bob's token does not find it" \
	"$(rest_status GET '/api/groups/a-only/messages?after_seq=0')" 404
is "bob's token finds his" \
	"$(rest_status GET '/api/groups/shared/messages?after_seq=0')" 200
is "the group has alice's message only" \
	"$(as_user gfs-alice 'cut -f1,3- "$M/a-only/messages"')" \
	"1	gfs-alice	two"
done_testing
