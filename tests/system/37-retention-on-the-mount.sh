#!/bin/sh
# SPDX-License-Identifier: MIT
# What a group does not keep goes from the beginning of `messages`: who opens it
# then reads what is held from its position 0 on; who had it open keeps the
# positions that he had, and gets ESTALE for what is gone, and nothing else.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --retention_interval 1s
mount_fs
G=$M/dev
mkdir "$G"
seq -f 'number %g' 1 100 >>"$G/messages"
cp "$G/messages" "$T/whole"
cp "$G/messages.jsonl" "$T/whole.jsonl"
printf 'old file' >"$T/old.txt"
cp "$T/old.txt" "$G/media/old.txt"
cat "$G/messages" >"$T/whole"
inode=$(stat -c %i "$G/messages")
first_line() {
	head -n 1 "$G/messages" | cut -f1
}
begins_at() {
	[ "$(first_line)" = "$1" ]
}
keep() {
	printf '{"settings":{"retention":{"messages":%d}}}' "$1" \
		>"$G/settings.json"
}
# Reads at positions of a descriptor that was opened before, as it is asked:
# "OFFSET SIZE", or "size".
mkfifo "$T/fifo" "$T/fifo2"
$PY -u -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print("open", flush=True)
for line in sys.stdin:
    if line.strip() == "size":
        print(os.fstat(fd).st_size, os.fstat(fd).st_ino, flush=True)
        continue
    off, size = map(int, line.split())
    try:
        print(os.pread(fd, size, off).decode().rstrip("\n"), flush=True)
    except OSError as e:
        print(e.strerror, flush=True)
' "$G/messages" <"$T/fifo" >"$T/answers" 2>&1 &
old=$!
ours $old
exec 3>"$T/fifo"
answers() {
	[ "$(wc -l <"$T/answers")" -ge "$1" ]
}
ask() {
	n=$(($(wc -l <"$T/answers") + 1))
	echo "$*" >&3
	wait_for 10 answers $n
	sed -n "${n}p" "$T/answers"
}
wait_for 10 answers 1
tail -n 1 -f "$G/messages" >"$T/tail-f" 2>"$T/tail-f.err" &
ours $!
cat "$G/live" >"$T/live" 2>&1 &
live=$!
ours $live
wait_for 10 lines_at_least "$T/tail-f" 1

ok "an admin says how much is kept" keep 10
ok "and after a while the log begins later" wait_for 20 begins_at 92
tail -n +92 "$T/whole" >"$T/held"
same "what is held is what it was" "$G/messages" "$T/held"
same "and in JSON" "$G/messages.jsonl" - <<E2
$(tail -n +92 "$T/whole.jsonl"; tail -n 1 "$G/messages.jsonl")
E2
is "the size is that of what is held" "$(stat -c %s "$G/messages")" \
	"$(wc -c <"$T/held" | tr -d ' ')"
is "wc counts what is held" "$(wc -l <"$G/messages" | tr -d ' ')" 10
is "grep finds what is held" "$(grep -c number "$G/messages")" 9
is "and tac the last" "$(tac "$G/messages" | sed -n 2p | cut -f1)" 100
off=$(head -n 91 "$T/whole" | wc -c | tr -d ' ')
is "settings.json says where it begins" \
	"$(jq .first_off "$G/settings.json")" "$off"
ok "which hinders no edit" sh -c "jq '.description=\"x\"' '$G/settings.json' >'$T/s' &&
	cat '$T/s' >'$G/settings.json' && grep -qx x '$G/description'"
[ "$(stat -c %i "$G/messages")" != "$inode" ]
pass_or_fail $? "it is another inode"
is "which ls -i shows, too" "$(ls -i "$G" | awk '$2 == "messages" { print $1 }')" \
	"$(stat -c %i "$G/messages")"
is "the old descriptor has its size and inode" "$(ask size)" \
	"$(wc -c <"$T/whole" | tr -d ' ') $inode"
is "what is held is where it was" "$(ask "$off" 3)" "92	"
is "what is gone is ESTALE" "$(ask 0 10)" "Stale file handle"
is "to its last byte" "$(ask $((off - 1)) 1)" "Stale file handle"
like ".me/error says so in words" "$(cat "$M/.me/error")" \
	'messages of dev: The messages before 92 are not kept any more'
echo "after the cut" >>"$G/messages"
has() {
	grep -q "$1" "$2"
}
ok "tail -f goes on" wait_for 10 has 'after the cut' "$T/tail-f"
is "and was told nothing" "$(cat "$T/tail-f.err")" ""
is "it printed each line once" "$(cut -f1 "$T/tail-f" | tr '\n' ' ')" "101 102 "
ok "live goes on" wait_for 10 has 'after the cut' "$T/live"
ok "its reader is the same" kill -0 $live
fails "a media file of a message that is gone is gone" \
	cat "$G/media/none.txt"
is "one that is held is there" "$(cat "$G/media/old.txt")" "old file"
ok "less is kept" keep 1
ok "and the rest goes" wait_for 20 begins_at 102
fails "with its media file" cat "$G/media/old.txt"
content_is_gone() {
	[ -z "$(find "$T/data/media" -type f -size 8c)" ]
}
ok "whose bytes go, too" wait_for 20 content_is_gone
is "unread is what is held" "$(wc -l <"$G/unread" | tr -d ' ')" 0
fails "nobody replies to what is gone" sh -c "echo '>5 yes' >>'$G/messages'"
like "and is told why" "$(cat "$M/.me/error")" 'no message 5'
ok "to what is held he does" sh -c "echo '>102 yes' >>'$G/messages'"
echo '{"settings":{"retention":{"weeks":1}}}' >"$T/bad"
fails "a bad retention is refused" cp "$T/bad" "$G/settings.json"
like "in words" "$(cat "$M/.me/error")" 'retention has "days", "messages"'
ok "all is well in the store" ctl verify

# More than one answer of groupd holds: it is read ahead, and a read waits for
# what is coming.
mkdir "$M/big"
$PY -c 'for i in range(5000): print(i, "x" * 1000)' | ctl send --lines big
cp "$M/big/messages" "$T/big"
cp "$M/big/messages.jsonl" "$T/big.jsonl"
echo '{"settings":{"retention":{"messages":4500}}}' >"$M/big/settings.json"
big_begins() {
	[ "$(head -n 1 "$M/big/messages" | cut -f1)" = 501 ]
}
ok "a big log is cut" wait_for 20 big_begins
tail -n +501 "$T/big" >"$T/big.held"
tail -n +501 "$T/big.jsonl" >"$T/big.held.jsonl"
ok "what it holds is read from its first byte to its last" \
	cmp "$T/big.held" "$M/big/messages"
ok "and in JSON" cmp "$T/big.held.jsonl" "$M/big/messages.jsonl"

# One who reads slowly, and whose next messages are gone: more than groupfs holds
# in memory. He is told once, and goes on with what is held.
keep 1000000
$PY -u -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print(os.read(fd, 65536).count(b"\n"), flush=True)
sys.stdin.readline()
told = 0
while True:
    try:
        data = os.read(fd, 65536)
    except OSError as e:
        print(e.strerror, flush=True)
        continue
    lines = data.decode().splitlines()
    if told == 0:
        print(lines[0].split("\t")[0], flush=True)
    told += len(lines)
    if lines[-1].endswith("the end"):
        break
' "$M/dev/live" <"$T/fifo2" >"$T/slow" 2>&1 &
slow=$!
ours $slow
exec 4>"$T/fifo2"
wait_for 10 reads_file $slow "$M/dev/live"
echo "wake up" >>"$G/messages"
ok "one reads live" wait_for 10 lines_at_least "$T/slow" 1
seq 1 6000 | ctl send --lines dev
echo "the end" >>"$G/messages"
last=$(tail -n 1 "$G/messages" | cut -f1)
keep 10
ok "and lags below what is kept" wait_for 20 begins_at $((last - 9))
echo go >&4
ok "he comes to the end" wait_gone 10 $slow
is "was told once, and then had what is held" \
	"$(sed 1d "$T/slow" | tr '\n' ' ')" "Stale file handle $((last - 9)) "
exec 4>&-
stop_groupd
start_groupd --retention_interval 1s --retention bytes=1
emptied() {
	[ ! -s "$G/messages" ]
}
ok "the most that is kept is groupd's" wait_for 20 emptied
is "an emptied log goes on with its numbers" \
	"$(echo on >>"$G/messages" && ctl info dev --json | jq .last_seq)" \
	$((last + 1))
ok "and is well" ctl verify
exec 3>&-

# A bound that came by SIGHUP does not wait for the end of a long interval.
stop_groupd
echo 'retention_interval = 365d' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
seq 1 5 | ctl send --lines dev
echo 'retention = messages=1' >>"$T/groupd.conf"
kill -HUP "$GROUPD"
ok "a bound that is reread holds soon" wait_for 20 begins_at $((last + 6))
done_testing
