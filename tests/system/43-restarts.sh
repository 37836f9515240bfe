#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# groupd is restarted 200 times, by SIGTERM and SIGKILL in turn, under tail -f,
# cat live and writers on two mounts: each line once, in order, and nobody
# notices.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
restarts=200
[ "$LOAD" = small ] && restarts=20
start_groupd
mount_fs
M2=$T/mnt2
mkdir "$M2" "$M/dev"
options=socket=$SOCKET
"$BUILD/groupfs" -f -o "$options" "$M2" 2>>"$T/groupfs2.log" &
fs2=$!
ours $fs2
MOUNTS="$MOUNTS $M2"
ok "a second mount" wait_for 10 test -e "$M2/dev/messages"

tail -n +1 -s 0.05 -f "$M/dev/messages" >"$T/tail1" 2>&1 &
tail1=$!
tail -n +1 -s 0.05 -f "$M2/dev/messages" >"$T/tail2" 2>&1 &
tail2=$!
cat "$M/dev/live" >"$T/live1" 2>&1 &
live1=$!
cat "$M2/dev/live" >"$T/live2" 2>&1 &
live2=$!
for reader in $tail1 $tail2 $live1 $live2; do
	ours "$reader"
done
ok "live blocks" wait_for 10 reads_file $live1 "$M/dev/live"
ok "on both" wait_for 10 reads_file $live2 "$M2/dev/live"

# writer NAME FILE: numbers its lines; writes down what failed.
writer() {
	n=0
	while [ ! -e "$T/stop" ]; do
		n=$((n + 1))
		echo "$1 $n" >>"$2" || echo "$1 $n" >>"$T/failed"
		echo $n >"$T/$1.at"
	done
}
writer a "$M/dev/messages" 2>>"$T/failed" &
a=$!
writer b "$M2/dev/messages" 2>>"$T/failed" &
b=$!
ours $a
ours $b

# A number is short, so it is whole or nothing.
at() {
	cat "$T/$1.at" 2>/dev/null
}
goes_on() {
	now=$(at "$1")
	[ -n "$now" ] && [ "$now" -gt "$2" ]
}
waits=0
began=$(date +%s)
for i in $(seq $restarts); do
	was_a=$(at a)
	was_b=$(at b)
	[ $((i % 2)) = 0 ] && stop_groupd
	[ $((i % 2)) = 1 ] && kill9_groupd
	start_groupd
	# Two lines on, so one that was begun after the start.
	wait_for 15 goes_on a $((${was_a:-0} + 1)) || waits=$((waits + 1))
	wait_for 15 goes_on b $((${was_b:-0} + 1)) || waits=$((waits + 1))
done
diag "$restarts restarts in $(($(date +%s) - began)) s"
is "the writers went on after each restart" $waits 0
touch "$T/stop"
ok "the one on the first mount ends" wait_gone 20 $a
ok "and the one on the second" wait_gone 20 $b
is "no write failed" "$(cat "$T/failed")" ""

cat "$M/dev/messages" >"$T/all"
total=$(wc -l <"$T/all")
diag "$total messages"
seq "$total" >"$T/count"
cut -f1 "$T/all" >"$T/got"
same "the numbers have no gap" "$T/got" "$T/count"
for name in a b; do
	seq "$(at $name)" | sed "s/^/$name /" >"$T/want"
	cut -f4 "$T/all" | grep "^$name " >"$T/got"
	same "each line of $name is there once, in order" "$T/got" "$T/want"
done
cat "$M2/dev/messages" >"$T/all2"
same "both mounts show the same" "$T/all" "$T/all2"
for name in tail1 tail2 live1 live2; do
	wait_for 20 lines_at_least "$T/$name" "$total"
	same "$name has each line once, in order" "$T/$name" "$T/all"
done
for pid in $tail1 $tail2 $live1 $live2; do
	ok "$(tr '\0' ' ' <"/proc/$pid/cmdline" | sed "s#$T##") lives" \
		kill -0 "$pid"
done
kill $tail1 $tail2 $live1 $live2
kill -TERM $fs2
ok "the second mount ends" wait_gone 10 $fs2
ok "the store is sound" ctl verify
done_testing
