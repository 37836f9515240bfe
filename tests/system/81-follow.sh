#!/bin/sh
# SPDX-License-Identifier: MIT
# groupctl follow: each message once and in order while groupd is killed under
# load; a reader that stops, one that goes, a member who is removed, Ctrl-C.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
COUNT=3000
[ "$LOAD" = small ] && COUNT=600

# as NAME ARG...: groupctl of a user.
as() {
	_user=$1
	shift
	setpriv --reuid="$_user" --regid="$(id -g "$_user")" --init-groups \
		"$BUILD/groupctl" --socket "$SOCKET" "$@"
}
# following NAME FILE ARG...: in the background, its pid in $pid.
following() {
	_user=$1
	_file=$2
	shift 2
	setpriv --reuid="$_user" --regid="$(id -g "$_user")" --init-groups \
		"$BUILD/groupctl" --socket "$SOCKET" follow "$@" >"$_file" \
		2>"$_file.err" &
	pid=$!
	ours $pid
}
online() {
	[ "$(as gfs-alice info "$1" --json | jq .online)" = "$2" ]
}

as gfs-alice create dev gfs-bob
as gfs-alice create ops gfs-bob
following gfs-bob "$T/lines" dev
first=$pid
following gfs-bob "$T/all"
following gfs-bob "$T/json" --json dev ops
following gfs-alice "$T/people" --color always dev
ok "who follows is online" wait_for 20 online dev 2

# Two writers, and a groupd that is killed three times.
$PY -c '
import sys, time
for i in range(1, int(sys.argv[1]) + 1):
    print(i, flush=i % 50 == 0)
    if i % 50 == 0: time.sleep(0.03)
' $COUNT >"$T/feed.fifo.txt"
slowly() {
	$PY -c '
import sys, time
for i, line in enumerate(sys.stdin):
    sys.stdout.write(line)
    if i % 50 == 49:
        sys.stdout.flush()
        time.sleep(0.03)
' <"$T/feed.fifo.txt"
}
slowly | as gfs-alice send --lines dev 2>"$T/send.err" &
sender=$!
ours $sender
slowly | as gfs-bob send --lines ops 2>>"$T/send.err" &
other=$!
ours $other
for i in 1 2 3; do
	ok "messages come ($i)" wait_for 20 lines_at_least "$T/lines" \
		$((COUNT * i / 5))
	kill9_groupd
	start_groupd
done
wait $sender
is "the sender saw none of it" "$?" 0
wait $other
is "nor the other one" "$?" 0
seq $COUNT >"$T/wanted"
for form in lines people; do
	ok "all came: $form" wait_for 30 lines_at_least "$T/$form" $COUNT
done
for form in all json; do
	ok "all came of both: $form" wait_for 30 lines_at_least "$T/$form" \
		$((2 * COUNT))
done
cut -f4 "$T/lines" >"$T/got"
same "one group: each once, in order" "$T/wanted" "$T/got"
cut -f1 "$T/lines" >"$T/got"
same "with its number" "$T/wanted" "$T/got"
for group in dev ops; do
	awk -F '\t' -v g=$group '$1 == g { print $5 }' "$T/all" >"$T/got"
	same "all groups: $group" "$T/wanted" "$T/got"
	jq -r "select(.group == \"$group\").content" "$T/json" >"$T/got"
	same "JSON: $group" "$T/wanted" "$T/got"
done
sed 's/\x1b\[[0-9;]*m//g' "$T/people" | grep -v '^-- ' |
	awk '{ print $4 }' >"$T/got"
same "the page for people" "$T/wanted" "$T/got"
ok "with few words on stderr" test ! -s "$T/lines.err"
is "the pointer is where it was" "$(as gfs-bob read dev)" 0
is "as following is no reading" "$(as gfs-bob groups | head -n 1 | cut -f4)" \
	"$COUNT"

# A reader that stops: nothing is held for him, nothing is lost.
mkfifo "$T/fifo"
following gfs-bob "$T/fifo" dev --tail 1
follower=$pid
exec 8<"$T/fifo"
ok "it follows" wait_for 20 online dev 2
rss() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}
before=$(rss $follower)
$PY -c '
for i in range(12000): print(i, "x" * 1000)' | as gfs-alice send --lines dev
as gfs-alice send dev last
ok "12 MB later it holds 4 MB more at most" \
	test "$(rss $follower)" -lt $((before + 4096))
is "he misses nothing" "$(head -n 12002 <&8 | cut -f4 | cut -d' ' -f1 |
	sed 1d | md5sum)" "$({ seq 0 11999; echo last; } | md5sum)"
exec 8<&-
ok "and when he has gone, it ends though nobody writes" \
	wait_gone 10 $follower
is "quietly" "$(cat "$T/fifo.err")" ""
setpriv --reuid=gfs-bob --regid="$(id -g gfs-bob)" --init-groups bash -c "
	'$BUILD/groupctl' --socket '$SOCKET' follow dev | head -n 1 | cut -f4
	echo \${PIPESTATUS[0]}" >"$T/out" 2>&1
is "follow | head ends by itself, as by SIGPIPE" "$(cat "$T/out")" "1
141"

# Removed.
following gfs-bob "$T/two" dev ops
two=$pid
following gfs-bob "$T/mine"
mine=$pid
ok "bob follows both" wait_for 20 lines_at_least "$T/two" $COUNT
as gfs-alice remove dev gfs-bob
ok "a removed member's follow ends" wait_gone 10 $first
wait $first
is "with status 1" $? 1
is "and says why" "$(cat "$T/lines.err")" \
	"groupctl: dev: You are not a member of this group any more"
as gfs-alice send dev 'not for bob'
as gfs-alice send ops 'still for bob'
ok "the other group goes on" wait_for 10 grep -q 'still for bob' "$T/two"
ok "in all groups, too" wait_for 10 grep -q 'still for bob' "$T/mine"
fails "nothing of the first one comes" grep -q 'not for bob' "$T/two" \
	"$T/mine"
as gfs-alice add dev gfs-bob
as gfs-alice send dev 'welcome back'
ok "who is added again reads on, where all are followed" \
	wait_for 10 grep -q '^dev.*welcome back$' "$T/mine"
as gfs-bob create new
as gfs-bob send new 'a new one'
ok "a new group joins" wait_for 10 grep -q '^new.*a new one$' "$T/mine"
as gfs-alice delete ops
ok "with the last group gone, it ends" wait_gone 10 $two
wait $two
is "with status 1" $? 1
like "and says why" "$(tail -n 1 "$T/two.err")" 'ops: There is no such group'
kill -0 $mine 2>/dev/null
is "all groups are followed still" $? 0

# Signals.
ctl create mine
root_is_online() {
	[ "$(ctl info mine --json | jq .online)" = 1 ]
}
for row in "INT 130" "TERM 143"; do
	env --default-signal=INT "$BUILD/groupctl" --socket "$SOCKET" \
		follow mine >"$T/root" 2>&1 &
	pid=$!
	ours $pid
	ok "root follows" wait_for 10 root_is_online
	kill -"${row% *}" $pid
	wait $pid
	is "SIG${row% *} ends it, as a signal does" $? "${row#* }"
	is "without a word" "$(cat "$T/root")" ""
done

# groupd away.
stop_groupd
as gfs-alice follow dev >"$T/out" 2>"$T/err"
is "without groupd it does not begin" $? 3
kill -0 $mine 2>/dev/null
is "but one that has begun waits" $? 0
start_groupd
as gfs-bob send new 'after the restart'
ok "and goes on" wait_for 20 grep -q 'after the restart' "$T/mine"

# A pointer that is told to a groupd that is killed before it reads that: told
# to the next one.
as gfs-alice create marks gfs-bob
following gfs-bob "$T/marks" --mark marks
marker=$pid
as gfs-alice send marks 'the first'
pointer_is() {
	[ "$(as gfs-bob read marks)" = "$1" ]
}
ok "--mark moves the pointer" wait_for 10 pointer_is 1
kill -STOP $marker
as gfs-alice send marks 'the second'
kill -STOP "$GROUPD"
# It is in the socket: it prints it, and tells within a second.
kill -CONT $marker
ok "the next is printed" wait_for 10 lines_at_least "$T/marks" 2
told() {
	[ "$(ss -xpH | awk -v pid="pid=$GROUPD," '$3 > 0 && index($0, pid)' |
		wc -l)" -gt 0 ]
}
ok "and told to a groupd that is stopped" wait_for 10 told
kill9_groupd
start_groupd
ok "and again to the next one" wait_for 10 pointer_is 2
kill $marker

# A log that is another one: the group of the same id in another store, as a
# restored one has it.
ctl send mine 'of the first log'
ctl send mine 'lost by the restore'
other_id=$(ctl info mine --json | jq .group_id)
stop_groupd
mv "$T/data" "$T/data.first"
start_groupd
for i in $(seq "$other_id"); do
	ctl create "filler-$i" 2>"$T/ok.out"
done
stop_groupd
store_sql "UPDATE groups SET name='mine' WHERE
	group_id=$other_id" 2>"$T/ok.out"
mv "$T/data" "$T/data.second"
mv "$T/data.first" "$T/data"
start_groupd
"$BUILD/groupctl" --socket "$SOCKET" follow mine --after 0 >"$T/epoch" \
	2>"$T/epoch.err" &
named=$!
ours $named
"$BUILD/groupctl" --socket "$SOCKET" follow >"$T/epoch.all" 2>&1 &
ours $!
ok "one follows" wait_for 10 grep -q 'lost by the restore' "$T/epoch"
stop_groupd
mv "$T/data" "$T/data.first"
mv "$T/data.second" "$T/data"
start_groupd
wait "$named"
is "who named it is told that the log is another one" \
	"$? $(cat "$T/epoch.err")" \
	"1 groupctl: mine: groupd restored a backup: follow it again"
# Until he does, he has read what he sends.
goes_on() {
	ctl send mine 'of the other log'
	grep -q '^mine	.*of the other log$' "$T/epoch.all"
}
ok "who follows all of his goes on with that" wait_for 10 goes_on
done_testing
