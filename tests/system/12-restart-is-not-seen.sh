#!/bin/sh
# SPDX-License-Identifier: MIT
# groupd is away for a while: readers wait and go on, a writer waits and
# succeeds, and .me/state says what is the matter.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL
tail -n +1 -s 0.1 -f "$M/dev/messages" >"$T/tail" 2>&1 &
tail=$!
ours $tail
cat "$M/dev/live" >"$T/live" 2>&1 &
live=$!
ours $live
ok "cat live blocks" wait_for 10 reads_file $live "$M/dev/live"
echo one >>"$M/dev/messages"
ok "live reads before" wait_for 5 grep -q one "$T/live"

ok "SIGTERM stops groupd cleanly" stop_groupd
ok "state says offline" wait_for 5 grep -qE \
	'^offline since [0-9TZ:.-]+: .' "$M/.me/state"
is "and answers at once" "$(timeout 1 cat "$M/.me/state" | cut -c1-7)" offline
(echo two >>"$M/dev/messages") 2>"$T/write.err" &
writer=$!
(cat "$M/dev/members" >"$T/members") &
reader=$!
fails "both wait" wait_gone 1 $writer
start_groupd
ok "the write succeeds" wait $writer
ok "the read succeeds" wait $reader
is "with its answer" "$(cat "$T/members")" "$ME admin"
is "state says online" "$(cat "$M/.me/state")" online
echo three >>"$M/dev/messages"
is "each message is there once" "$(cut -f4 "$M/dev/messages")" "one
two
three"
for name in tail live; do
	ok "$name goes on" wait_for 10 lines_at_least "$T/$name" 3
done
ok "tail is the same process" kill -0 $tail
ok "live is the same process" kill -0 $live
kill $tail $live
is "live read each once" "$(cut -f4 "$T/live")" "one
two
three"
is "tail read each once" "$(cut -f4 "$T/tail")" "one
two
three"

# Longer than the 10 s that requests wait: then they fail, and say so.
kill9_groupd
began=$(date +%s)
fails "a write that nobody takes fails" \
	sh -c "echo four >> '$M/dev/messages'"
like "with EIO" "$(cat "$T/ok.out")" 'I/O error|Input/output error'
took=$(($(date +%s) - began))
ok "after about 10 s, not for ever ($took s)" test $took -ge 8 -a $took -le 15
start_groupd
echo five >>"$M/dev/messages"
is "and the mount goes on" "$(tail -n 1 "$M/dev/messages" | cut -f4)" five
fails "a second mount on the same folder is refused" \
	"$BUILD/groupfs" -f -o "socket=$SOCKET" "$M"
like "in words" "$(cat "$T/ok.out")" 'is mounted already'
done_testing
