#!/bin/sh
# SPDX-License-Identifier: MIT
# Two users on one mount: who is no member of a group, or not any more, learns
# nothing of it: not by guessed names, not from what a member warmed, not by
# descriptors that he was given, inherited or kept.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
mkdir -m 777 "$T/out"
cycles=50
[ "$LOAD" = small ] && cycles=10
# Prints the checks of leaks.py as our own.
report() {
	while IFS='	' read -r rc what detail; do
		pass_or_fail "$rc" "$1: $what" || diag "$detail"
	done <"$T/out/$2"
	is "$1: all was tried" "$(cat "$T/out/$2.rc")" 0 ||
		diag "$(cat "$T/out/$2.err")"
}
# leaks NAME ARG...: leaks.py as root.
leaks() {
	name=$1
	shift
	$PY "$HERE/leaks.py" "$@" >"$T/out/$name" 2>"$T/out/$name.err"
	echo $? >"$T/out/$name.rc"
}
leaks_as() {
	as_user "$1" "$PY '$HERE/leaks.py' $3 >'$T/out/$2' 2>'$T/out/$2.err'"
	echo $? >"$T/out/$2.rc"
}

ok "alice has a group" as_user gfs-alice 'mkdir "$M/dev" &&
	seq 100 >>"$M/dev/messages" && echo "a post" >"$M/dev/post"'
ok "bob has another" as_user gfs-bob 'mkdir "$M/mine"'
look='stat -c "%n %h %s %Y %Z %i" "$M" "$M/.me" "$M/mine" "$M/mine/messages" "$M/.me/groups"
	ls -laR "$M"; cat "$M/.me/groups"'
as_user gfs-bob "$look" >"$T/out/before" 2>&1
ok "alice makes more, and writes" as_user gfs-alice 'mkdir "$M/second" &&
	echo more >>"$M/dev/messages" && echo more >>"$M/second/messages"'
ok "and has looked at all of it" as_user gfs-alice \
	'ls -laR "$M" >/dev/null; find "$M" -name messages -exec cat {} + |
	wc -l; stat "$M"/*/* >/dev/null'
as_user gfs-bob "$look" >"$T/out/after" 2>&1
same "bob sees no change" "$T/out/before" "$T/out/after"
like "and nothing of alice's" "$(grep -cE 'dev|second' "$T/out/after")" '^0$'

leaks_as gfs-bob guess "guess '$M' dev nope"
report "guessed" guess
leaks pass pass "$M" dev gfs-alice gfs-bob
report "passed" pass
leaks inherit inherit "$M" dev gfs-alice gfs-bob
report "inherited" inherit
is "alice's log is as it was" \
	"$(as_user gfs-alice 'wc -l <"$M/dev/messages"')" 102
is "and her members" "$(as_user gfs-alice 'cat "$M/dev/members"')" \
	"gfs-alice admin"

# By /proc, of a process of hers.
as_user gfs-alice 'exec 3<"$M/dev/messages"; echo $$; exec sleep 1000' \
	>"$T/out/pid" &
ours $!
ok "alice holds a descriptor" wait_for 10 test -s "$T/out/pid"
pid=$(cat "$T/out/pid")
fails "bob does not get it by /proc" as_user gfs-bob "cat /proc/$pid/fd/3"
fails "nor root, who is no member" cat "/proc/$pid/fd/3"
kill "$pid"

# Bob was a member, and is removed while he holds everything.
ok "alice adds bob" as_user gfs-alice 'echo +gfs-bob >>"$M/dev/members"'
leaks_as gfs-bob keep "keep '$M' dev '$T/out/ready' '$T/out/go'" &
keeper=$!
ours $keeper
ok "bob has all files open" wait_for 10 test -e "$T/out/ready"
as_user gfs-bob 'cd "$M/dev" && until [ -e "'"$T"'/out/go" ]; do :; done
	ls; ls .; cat messages; pwd -P' >"$T/out/shell" 2>&1 &
shell=$!
ours $shell
ok "alice removes him" as_user gfs-alice 'echo -gfs-bob >>"$M/dev/members"'
is "it is gone at once" "$(as_user gfs-bob 'ls "$M"')" mine
ok "alice writes" as_user gfs-alice 'echo secret >>"$M/dev/messages"'
touch "$T/out/go"
ok "bob tries all of it" wait_gone 30 $keeper
report "kept" keep
ok "a shell in the folder" wait_gone 10 $shell
is "sees nothing there" "$(grep -cE '^[0-9]|secret|^messages|^live' \
	"$T/out/shell")" 0
like "but errors" "$(cat "$T/out/shell")" 'No such file|Permission denied'
is "nothing that he had begun was sent" \
	"$(as_user gfs-alice 'tail -n 1 "$M/dev/messages" | cut -f3-')" \
	"gfs-alice	secret"
is "and the numbers go on" \
	"$(as_user gfs-alice 'wc -l <"$M/dev/messages"')" 103

# He comes and goes, under everything that walks and reads.
as_user gfs-bob 'until [ -e "'"$T"'/out/stop" ]; do
		find "$M" -ls; ls -laR "$M"; cat "$M"/*/messages "$M"/*/members
		timeout 0.02 cat "$M/dev/live"
		if [ -e "'"$T"'/out/last" ]; then
			touch "'"$T"'/out/seen"; cat "$M"/*/messages; ls -R "$M"
		fi >>"'"$T"'/out/end"
	done' >"$T/out/walk" 2>"$T/out/walk.err" &
walker=$!
ours $walker
as_user gfs-alice "for i in \$(seq $cycles); do"'
	echo +gfs-bob >>"$M/dev/members"; echo "in $i" >>"$M/dev/messages"
	tries=500
	until [ $i != 1 ] || grep -q dev "'"$T"'/out/walk" || [ $tries = 0 ]; do
		sleep 0.02; tries=$((tries - 1))
	done
	echo -gfs-bob >>"$M/dev/members"; echo "out $i" >>"$M/dev/messages"
done; echo final-secret >>"$M/dev/messages"' >"$T/out/cycles" 2>&1
is "alice adds and removes him $cycles times" "$(cat "$T/out/cycles")" ""
touch "$T/out/last"
ok "he walks on after the last removal" wait_for 20 test -e "$T/out/seen"
touch "$T/out/stop"
ok "and ends" wait_gone 20 $walker
is "he never saw what came after it" \
	"$(cat "$T/out/walk" "$T/out/end" | grep -c final-secret)" 0
is "nor, at the end, anything of the group" \
	"$(grep -cE 'dev|in [0-9]|out [0-9]' "$T/out/end")" 0
like "he did see it while he was in it" "$(grep -c dev "$T/out/walk")" '^[1-9]'
is "his errors are of two kinds" "$(grep -vE \
	'No such file|Permission denied|cannot open directory' \
	"$T/out/walk.err" | head -n 5)" ""
is "alice's log is whole" "$(as_user gfs-alice \
	'tail -n 1 "$M/dev/messages" | cut -f1,4')" "$((104 + cycles * 2))	final-secret"
done_testing
