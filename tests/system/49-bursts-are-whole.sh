#!/bin/sh
# SPDX-License-Identifier: MIT
# What is written at once goes to a WebSocket at once, and is still a frame for
# each message, once and in order: to who reads, who sleeps, and who comes and
# goes. So does what comes from many groups at the same time.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
ok "a group of three" as_user gfs-alice \
	'mkdir "$M/dev" && echo +gfs-bob >> "$M/dev/members" &&
	echo "+'"$ME"'" >> "$M/dev/members"'
export URL
READS=$(token gfs-bob) SLEEPS=$(token gfs-alice) JOINS=$(token "$ME") \
	timeout 120 "$PY" "$HERE/bursts.py" dev "$M/dev/messages" \
	>"$T/bursts" 2>"$T/bursts.err"
is "each gets each message" "$?" 0
[ -s "$T/bursts.err" ] && diag "$(tail -n 5 "$T/bursts.err")"
is "as many as there are" "$(cat "$T/bursts")" "$(wc -l <"$M/dev/messages")"

ok "many groups" as_user gfs-alice 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	mkdir "$M/many$i" && echo +gfs-bob >> "$M/many$i/members" &&
	echo "+'"$ME"'" >> "$M/many$i/members" || exit 1; done'
set --
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	set -- "$@" "many$i" "$M/many$i/messages"
done
READS=$(token gfs-bob) SLEEPS=$(token gfs-alice) timeout 120 "$PY" \
	"$HERE/bursts.py" "$@" >"$T/bursts" 2>"$T/bursts.err"
is "each gets each message of each group" "$?" 0
[ -s "$T/bursts.err" ] && diag "$(tail -n 5 "$T/bursts.err")"
is "as many as there are in all" "$(cat "$T/bursts")" \
	"$(cat "$M"/many*/messages | wc -l)"
done_testing
