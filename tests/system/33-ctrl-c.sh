#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# Ctrl-C, whenever it comes: who dies in the middle of a message has sent
# nothing of it, what was said to be sent is there once, and no request of the
# kernel is left waiting. Meanwhile groupd stops and starts.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
rounds=10
count=100
[ "$LOAD" = small ] && rounds=3 && count=40
start_groupd
mount_fs
ok "users are added" ctl user add ann ben
mkdir "$M/dev"
cd "$M/dev" || exit 1
count_messages() {
	wc -l <messages
}

# killed SIGNAL FILE TEXT: writes, then dies; ended: exits with 1.
killed() {
	$PY -c 'import os, sys, threading
signal, name, text = sys.argv[1:]
fd = os.open(name, os.O_WRONLY | os.O_APPEND)
os.write(fd, text.encode())
if signal == "0":
    os._exit(1)
wait = threading.Thread(target=threading.Event().wait, daemon=True)
wait.start()
os.kill(os.getpid(), int(signal))
threading.Event().wait()' "$@" 2>>"$T/killed.err"
}
echo first >>messages
echo what it is for >description
for signal in 2 9 15 11; do
	killed $signal messages "half of one"
	killed $signal post "half of two"
	killed $signal members "ann"
	killed $signal last_read "0"
	killed $signal messages.jsonl '{"content":"half of three"}'
	killed $signal description "lost"
	$PY -c "import os
os.open('description', os.O_WRONLY | os.O_TRUNC)
os.kill(os.getpid(), $signal)" 2>>"$T/killed.err"
	is "nothing is sent of who dies by signal $signal" \
		"$(cut -f4 messages)" first
	is "nor applied" "$(cat members description)" "$ME admin
what it is for"
done
killed 9 messages "a whole line
and a half"
is "the complete line is sent" "$(tail -n 1 messages | cut -f4)" "a whole line"
killed 0 messages "not told to close"
is "an exit sends" "$(tail -n 1 messages | cut -f4)" "not told to close"
killed 0 post "neither"
is "so does one of post" "$(tail -n 1 messages | cut -f4)" neither
killed 0 members ann
is "and of members" "$(head -n 1 members)" "ann member"
killed 0 description another
is "and of description" "$(tail -n 1 description)" another
# shellcheck disable=SC2016
sh -c '{ printf a; sh -c "kill -9 \$\$"; printf b; } >> messages' 2>/dev/null
is "a child that is killed cuts nothing" "$(tail -n 1 messages | cut -f4)" ab
n=$(count_messages)
# shellcheck disable=SC2016
sh -c 'exec > post; printf first
	(while kill -0 $$; do :; done; printf second; echo ended > "'"$T"'/late") &
	kill -9 $$' 2>/dev/null
ok "a child may outlive it" wait_for 10 test -s "$T/late"
is "but what it adds is not sent" "$(count_messages)" "$n"

# Python tries again what a signal interrupts.
$PY -c 'import os, signal, sys, time
folder = sys.argv[1]
signal.signal(signal.SIGINT, lambda *_: print("hit", flush=True))
fd = os.open("post", os.O_WRONLY)
os.write(fd, b"first, ")
open(folder + "/opened", "w").close()
while not os.path.exists(folder + "/go"):
    time.sleep(0.01)
os.write(fd, b"second")
os.close(fd)' "$T" >"$T/hits" 2>&1 &
writer=$!
ours $writer
ok "a writer is in the middle of a message" wait_for 10 test -e "$T/opened"
stop_groupd
touch "$T/go"
hit_often() {
	kill -INT $writer
	lines_at_least "$T/hits" 20
}
ok "it waits and is interrupted again and again" wait_for 10 hit_often
start_groupd
wait_gone 20 $writer || kill -KILL $writer
wait $writer
is "it succeeds in the end" "$? $(sort -u "$T/hits")" "0 hit"
is "and its message is there" "$(tail -n 1 messages | cut -f4)" "first, second"
is "once" "$(grep -c second messages)" 1
cd / || exit 1

# The storm. groupd is stopped for a while, or restarted, all the time.
mkdir "$M/storm"
began=$(date +%s)
round=0
while [ $round -lt $rounds ]; do
	round=$((round + 1))
	$PY "$HERE/storm.py" run "$M/storm" "r$round" $count "$T/results" &
	storm=$!
	ours $storm
	while ! is_ended $storm; do
		kill -STOP "$GROUPD"
		sleep 0.2
		kill -CONT "$GROUPD"
		sleep 0.1
		[ $((round % 2)) = 0 ] || continue
		stop_groupd
		sleep 0.1
		start_groupd
	done
	wait $storm || diag "the storm ended with $?"
done
is "all had their turn" "$(wc -l <"$T/results")" $((rounds * count))
$PY "$HERE/storm.py" check "$M/storm" "$T/results" >"$T/checks"
ok "it was checked" test -s "$T/checks"
grep '^#' "$T/checks"
grep -v '^#' "$T/checks" >"$T/sentences"
while read -r rc sentence; do
	pass_or_fail "$rc" "$sentence"
done <"$T/sentences"
diag "$((rounds * count)) processes in $(($(date +%s) - began)) s"
is "seq has no gap" "$(cut -f1 "$M/storm/messages" | tail -n 1)" \
	"$(wc -l <"$M/storm/messages")"

mkdir "$T/fusectl"
if [ "$(id -u)" = 0 ] && mount -t fusectl none "$T/fusectl"; then
	MOUNTS="$MOUNTS $T/fusectl"
	waiting=$T/fusectl/$($PY -c \
		"import os; print(os.minor(os.stat('$M').st_dev))")/waiting
	ok "the kernel knows how many requests wait" test -e "$waiting"
	ok "none" wait_for 20 grep -qx 0 "$waiting"
fi
kill -TERM "$GROUPFS"
wait "$GROUPFS"
is "groupfs ends cleanly" $? 0
GROUPFS=
ok "and left no mount" sh -c "! grep -qF '$M ' /proc/mounts"
ok "verify finds nothing wrong" ctl verify
done_testing
