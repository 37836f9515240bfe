#!/bin/sh
# SPDX-License-Identifier: MIT
# The bounds of media/: a full disk, media_max_bytes as SIGHUP changes it, and
# how much one user may begin. Each is said in words and leaves nothing.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root, to mount a small disk"
mkdir "$T/data"
mount -t tmpfs -o size=12m none "$T/data" || skip_all "cannot mount a tmpfs"
MOUNTS="$MOUNTS $T/data"
echo 'media_max_bytes = 64M' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
mount_fs
mkdir "$M/dev"
media=$M/dev/media
incoming() {
	find "$T/data/media/incoming" -type f | wc -l
}
incoming_are() {
	[ "$(incoming)" = "$1" ]
}
said() {
	cat "$M/.me/error"
}

head -c 1000000 /dev/urandom >"$T/small"
head -c 30000000 /dev/zero >"$T/big"
fails "a file that the disk cannot hold is refused" cp "$T/big" "$media/big"
like "as cp says" "$(cat "$T/ok.out")" 'No space left on device'
like "and .me/error" "$(said)" 'no space left'
ok "its bytes go" wait_for 5 incoming_are 0
is "nothing was sent" "$(wc -c <"$M/dev/messages")" 0
ok "there is room again" cp "$T/small" "$media/small"
same "byte for byte" "$T/small" "$media/small"
ok "messages are still taken" sh -c "echo hello >> '$M/dev/messages'"
fails "a file may not be longer than a disk, either" \
	sh -c "head -c 100000000 /dev/zero > '$media/x'"
ok "and its bytes go" wait_for 5 incoming_are 0

echo 'media_max_bytes = 1000K' >"$T/groupd.conf"
kill -HUP "$GROUPD"
applied() {
	! truncate -s 1024001 "$media/probe"
}
ok "SIGHUP changes the bound" wait_for 10 applied
like "as is said" "$(said)" 'may have 1024000 bytes'
ok "up to it files are taken" truncate -s 1024000 "$media/exact"
is "and have that size" "$(stat -c %s "$media/exact")" 1024000

# One user, too many files, too many bytes.
$PY -c "
import errno, os
fds = [os.open('$media/f%d' % i, os.O_WRONLY | os.O_CREAT) for i in range(64)]
try:
    os.open('$media/f64', os.O_WRONLY | os.O_CREAT)
    raise SystemExit('was taken')
except OSError as e:
    assert e.errno == errno.EDQUOT, e
assert 'Too many files' in open('$M/.me/error').read()
for i in range(4):
    os.ftruncate(fds[i], 1000000)
try:
    os.ftruncate(fds[4], 1000000)
    raise SystemExit('was taken')
except OSError as e:
    assert e.errno == errno.EDQUOT, e
assert 'at most 4096000 bytes' in open('$M/.me/error').read()
os.kill(os.getpid(), 9)" >"$T/err" 2>&1
is "a user's files and bytes at once have bounds" $? 137 ||
	diag "$(cat "$T/err")"
ok "all go with their process" wait_for 10 incoming_are 0
ok "then a file is taken again" cp "$T/small" "$media/again"
done_testing
