#!/bin/sh
# SPDX-License-Identifier: MIT
# groupd is away for some seconds: twenty writers, readers, stat and ls wait,
# and each ends once, well, when it is back. Away for longer: each fails in
# words, after its time and not later. .me/state answers all the while.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
writers=20
start_groupd
mount_fs
mkdir "$M/dev" "$T/out"
echo first >>"$M/dev/messages"
ctl user add gfs-rest

# run NAME COMMAND: in the background; its status is in $T/out/NAME.rc.
run() {
	name=$1
	(
		sh -c "$2" >"$T/out/$name" 2>"$T/out/$name.err"
		echo $? >"$T/out/$name.rc"
	) &
	ours $!
	names="$names $name"
}
calls_of_each_kind() {
	run stat "stat -c %s '$M/dev/messages'"
	run ls "ls '$M'"
	run ls-group "ls -l '$M/dev' | wc -l"
	run cat "cut -f4 '$M/dev/messages' | head -n 1"
	run tail "tail -n +1 '$M/dev/messages' | head -n 1 | cut -f4"
	run members "cat '$M/dev/members'"
	run groups "cut -f1 '$M/.me/groups'"
	run unread "cat '$M/dev/unread'"
	run test "test -w '$M/dev/messages'"
	run find "find '$M/dev' -name messages | wc -l"
}
all_ended() {
	[ "$(find "$T/out" -name '*.rc' | wc -l)" = "$(echo "$names" | wc -w)" ]
}
# Each writer holds a descriptor and has written, so a write is what waits.
writer() {
	exec 3>>"$M/dev/messages" 2>"$T/out/w$1.err"
	echo "before $1" >&3 || exit
	: >"$T/opened.$1"
	until [ -e "$T/go$2" ]; do sleep 0.02; done
	: >"$T/begun.$1"
	rc=0
	echo "during $1" >&3 || rc=1
	echo $rc >"$T/out/w$1.rc"
}
start_writers() {
	writing=
	for i in $(seq $writers); do
		writer "$i" "$1" &
		ours $!
		writing="$writing $!"
		names="$names w$i"
	done
}
there_are() {
	[ "$(find "$T" -maxdepth 1 -name "$1.*" | wc -l)" = $writers ]
}

# Back in time.
names=
cat "$M/dev/live" >"$T/live" &
live=$!
ours $live
ok "live blocks" wait_for 10 reads_file $live "$M/dev/live"
start_writers 1
ok "$writers writers have the file open" wait_for 20 there_are opened
kill9_groupd
ok "groupd is away" wait_for 5 grep -q '^offline since ' "$M/.me/state"
began=$(date +%s%N)
calls_of_each_kind
run mkdir "mkdir '$M/new'"
run edit "echo gfs-rest >>'$M/dev/members'"
run post "seq 3 >'$M/dev/post'"
run rest "printf 'no newline' >>'$M/dev/messages'"
run pointer "echo all >'$M/dev/last_read'"
touch "$T/go1"
ok "they write while it is away" wait_for 10 there_are begun
run early "cat '$M/.me/state'"
ok "the state answers beside them" wait_for 2 test -e "$T/out/early.rc"
like "and says since when, and why" "$(cat "$T/out/early")" \
	'^offline since 20[0-9T:.-]*Z: .'
for i in 1 2 3 4 5; do
	took=$(date +%s%N)
	cat "$M/.me/state" "$M/.me/error" >/dev/null
	took=$((($(date +%s%N) - took) / 1000000))
	[ $took -lt 500 ] || break
done
ok "each time at once ($took ms)" test $took -lt 500
until [ $((($(date +%s%N) - began) / 1000000)) -ge 3000 ]; do
	sleep 0.1
done
is "after three seconds all others wait" "$(find "$T/out" -name '*.rc')" \
	"$T/out/early.rc"
start_groupd
ok "all end when it is back" wait_for 20 all_ended
diag "after $((($(date +%s%N) - began) / 1000000)) ms away and back"
is "and well" "$(grep -lv '^0$' "$T"/out/*.rc)" ""
is "without a word" "$(cat "$T"/out/*.err)" ""
is "ls" "$(cat "$T/out/ls" | grep -v new)" dev
is "cat" "$(cat "$T/out/cat")" first
is "tail" "$(cat "$T/out/tail")" first
is "groups" "$(grep -v new "$T/out/groups")" dev
like "stat" "$(cat "$T/out/stat")" '^[1-9][0-9]*$'
like "members" "$(cat "$T/out/members")" "^$ME admin"
is "mkdir is done" "$(ls "$M")" "dev
new"
is "the edit is done" "$(grep -c gfs-rest "$M/dev/members")" 1
cut -f4 "$M/dev/messages" | sort >"$T/got"
{
	echo first
	printf '1\\n2\\n3\nno newline\n'
	for i in $(seq $writers); do
		echo "before $i"
		echo "during $i"
	done
} | sort >"$T/want"
same "each message is stored once, none is lost" "$T/got" "$T/want"
ok "live has as many" wait_for 10 lines_at_least "$T/live" $((writers * 2 + 2))
kill $live
tail -n +2 "$M/dev/messages" >"$T/all"
same "in order" "$T/live" "$T/all"

# Stopped, not gone: it takes requests and answers none.
names=
rm -f "$T"/out/* "$T"/opened.* "$T"/begun.*
start_writers 2
ok "$writers writers again" wait_for 20 there_are opened
kill -STOP "$GROUPD"
touch "$T/go2"
ok "they write while it hangs" wait_for 10 there_are begun
calls_of_each_kind
began=$(date +%s%N)
until [ $((($(date +%s%N) - began) / 1000000)) -ge 2000 ]; do
	took=$(date +%s%N)
	cat "$M/.me/state" >/dev/null
	took=$((($(date +%s%N) - took) / 1000000))
	[ $took -lt 500 ] || break
	sleep 0.1
done
ok "the state answers ($took ms)" test $took -lt 500
is "the writers wait" "$(find "$T/out" -name 'w*.rc')" ""
kill -CONT "$GROUPD"
ok "all end when it goes on" wait_for 20 all_ended
is "and well, again" "$(grep -lv '^0$' "$T"/out/*.rc)" ""
is "each message is there once" "$(cut -f4 "$M/dev/messages" |
	grep '^during' | sort | uniq -c | awk '$1 != 2')" ""
is "all of them" "$(cut -f4 "$M/dev/messages" | grep -c '^during')" \
	$((writers * 2))

# Away for longer than calls wait.
names=
rm -f "$T"/out/* "$T"/opened.* "$T"/begun.*
start_writers 3
ok "$writers writers once more" wait_for 20 there_are opened
n=$(wc -l <"$M/dev/messages")
stop_groupd
ok "groupd is stopped" wait_for 5 grep -q '^offline since ' "$M/.me/state"
began=$(date +%s%N)
touch "$T/go3"
calls_of_each_kind
run df "df '$M'"
run root "stat '$M'"
run post "seq 3 >'$M/dev/post'"
run dd "echo x | dd of='$M/dev/messages' oflag=append conv=notrunc"
run python "$PY -c 'open(\"$M/dev/messages\", \"a\").write(\"x\\n\")'"
ok "all end, though it stays away" wait_for 40 all_ended
took=$((($(date +%s%N) - began) / 1000000))
diag "after $took ms"
ok "after the ten seconds, and not much later" test $took -ge 8000 \
	-a $took -lt 16000
is "the state still answers" "$(cut -c1-13 "$M/.me/state")" "offline since"
is "df and stat of the top need no groupd" \
	"$(cat "$T/out/df.rc" "$T/out/root.rc" | xargs)" "0 0"
for name in stat ls-group cat members groups unread test post dd python w1 \
	w$writers; do
	is "$name failed" "$(grep -c '^0$' "$T/out/$name.rc")" "$(
		case $name in cat | ls-group) echo 1 ;; *) echo 0 ;; esac
	)"
	[ $name = test ] ||
		like "and said so" "$(cat "$T/out/$name.err")" \
			'[Ii]nput/output error|I/O error'
done
like ".me/error says why" "$(cat "$M/.me/error")" \
	'groupd|answer|connect|away'
start_groupd
ok "it is back" wait_for 20 is_online
echo after >>"$M/dev/messages"
is "nothing of what failed was sent" \
	"$(tail -n +$((n + 1)) "$M/dev/messages" | cut -f4)" after
done_testing
