#!/bin/sh
# SPDX-License-Identifier: MIT
# Reading on in a log is answered from memory: the same bytes, however one
# reads, while the log grows, for many readers, and not without bound.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
readers=200
[ "$LOAD" = small ] && readers=40
start_groupd
mount_fs
mkdir "$M/dev"
$PY -c 'import random
random.seed(5)
for i in range(60000):
    print("line", i, "x" * random.randrange(200), "ä" * random.randrange(9))' \
	>"$T/in"
ok "a log of some megabytes" sh -c "cat '$T/in' >> '$M/dev/messages'"

cat >"$T/read.py" <<'END'
# read.py FILE: reads it in many ways and compares with what single reads at
# places far apart give, which nothing is read ahead for.
import os, random, sys
path = sys.argv[1]
random.seed(11)
size = os.stat(path).st_size
PIECE = 50000
places = list(range(0, size, PIECE))
random.shuffle(places)
whole = bytearray(size)
for at in places:
    fd = os.open(path, os.O_RDONLY)
    os.pread(fd, 1, (at + size // 2) % size)
    whole[at:at + PIECE] = os.pread(fd, PIECE, at)
    os.close(fd)
whole = bytes(whole)
def check(name, got, at, want):
    expected = whole[at:at + want]
    if got[:len(expected)] != expected:
        sys.exit("%s: other bytes at %d" % (name, at))
    if len(got) < len(expected):
        sys.exit("%s: %d bytes of %d at %d" % (name, len(got), want, at))
for step in (1 << 20, 131072, 65536, 4096, 70001, 999983):
    fd = os.open(path, os.O_RDONLY)
    at = 0
    while at < size:
        got = os.read(fd, step)
        check("read of %d" % step, got, at, step)
        at += len(got)
    os.close(fd)
fd = os.open(path, os.O_RDONLY)
at = 0
for _ in range(3000):   # on, back a little as bash does, and elsewhere
    kind = random.randrange(10)
    if kind == 0:
        at = random.randrange(size)
    elif kind < 3:
        at = max(0, at - random.randrange(5000))
    n = random.choice((1, 100, 4096, 65536, 131072))
    got = os.pread(fd, n, at)
    check("jump", got, at, n)
    at += len(got)
    if at >= size:
        at = 0
END
ok "messages: the same bytes in all ways" "$PY" "$T/read.py" "$M/dev/messages"
ok "messages.jsonl, too" "$PY" "$T/read.py" "$M/dev/messages.jsonl"
ok "what is read is what was sent" $PY -c '
import sys
sent = open(sys.argv[1], "rb").read().split(b"\n")[:-1]
got = [l.split(b"\t", 3)[3] for l in open(sys.argv[2], "rb").read().split(b"\n")[:-1]]
assert sent == got' "$T/in" "$M/dev/messages"

# A reader who is there while it grows has each line once.
(
	i=0
	while [ ! -e "$T/stop" ]; do
		i=$((i + 1))
		seq -f "grown $i %.0f" 50 >>"$M/dev/messages"
	done
) &
writer=$!
ours $writer
for i in 1 2 3 4 5; do
	cat "$M/dev/messages" >"$T/read.$i"
done
: >"$T/stop"
wait $writer
cat "$M/dev/messages" >"$T/all"
for i in 1 2 3 4 5; do
	ok "reading while it grows, $i" cmp -n "$(stat -c %s "$T/read.$i")" \
		"$T/read.$i" "$T/all"
	is "whole lines" "$(tail -c 1 "$T/read.$i" | od -An -c | tr -d ' ')" '\n'
done
is "their numbers are gapless" "$(cut -f1 "$T/all" | md5sum)" \
	"$(seq "$(wc -l <"$T/all")" | md5sum)"

# Many stop in the middle: what was read ahead for them is bounded.
rss() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$GROUPFS/status"
}
before=$(rss)
$PY - "$M/dev/messages" $readers >"$T/held" <<'END' &
import os, sys, time
fds = [os.open(sys.argv[1], os.O_RDONLY) for _ in range(int(sys.argv[2]))]
for fd in fds:
    for _ in range(4):
        os.read(fd, 131072)
print("all", flush=True)
time.sleep(60)
END
held=$!
ours $held
ok "many readers stop in the middle" wait_for 60 grep -q all "$T/held"
kb=$(($(rss) - before))
diag "$readers readers: $kb KiB more"
case $BUILD in
*build-*) ;; # sanitizers keep what is freed
*) ok "at most 64 MiB and what three pieces more take" test $kb -lt $((70 * 1024)) ;;
esac
is "others read as before" "$(tail -n 1 "$M/dev/messages")" \
	"$(tail -n 1 "$T/all")"
kill $held
wait $held 2>/dev/null
done_testing
