#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Sends that wait at the same time are stored by one commit; a write(2) of
# 1 MiB of lines is one transaction.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
senders=64
each=30
n=$((senders * each))

# The kernel lets one appending write(2) at a time into one file of a mount
# (fs/fuse/file.c: fuse_dio_wr_exclusive_lock). So the shells that append have
# a group each; those that post, where the close sends, share one, and so do
# the WebSockets.
shares() {
	after=$(figure commits)
	commits=$((after - before))
	diag "$1: $n messages of $senders senders in $commits commits:" \
		"$(awk "BEGIN { printf \"%.3f\", $commits / $n }")" \
		"commits a message"
	ok "$1: there were commits" test $commits -gt 0
	ok "$1: at least $2 messages share a commit" \
		test $((commits * $2)) -le $n
}

none_fails() {
	failed=0
	for pid in $pids; do
		wait "$pid" || failed=$((failed + 1))
	done
	is "no shell failed" $failed 0
}

for w in $(seq $senders); do
	mkdir "$M/g$w"
done
before=$(figure commits)
like "groupctl status counts commits" "$before" '^[0-9]+$'
pids=
for w in $(seq $senders); do
	(for i in $(seq $each); do
		echo "$w $i" || exit 1
	done >>"$M/g$w/messages") &
	pids="$pids $!"
done
none_fails
is "all messages are there" "$(cat "$M"/g*/messages | wc -l)" $n
shares "64 shells that append" 2

mkdir "$M/posts"
before=$(figure commits)
pids=
for w in $(seq $senders); do
	(for i in $(seq $each); do
		echo "$w $i" >"$M/posts/post" || exit 1
	done) &
	pids="$pids $!"
done
none_fails
is "all messages are there" "$(wc -l <"$M/posts/messages")" $n
# A post is several requests, so fewer of them wait for the disk at a time.
shares "64 shells that post" 1
ok "64 shells that post: some share a commit" test $commits -lt $n

TOKEN=$(token "$ME")
GO=$T/go
export TOKEN URL GO
: >"$GO"
before=$(figure commits)
ok "64 WebSockets send at once" $PY "$HERE/peer.py" crowd dev $senders $each
is "all messages are there" "$(wc -l <"$M/dev/messages")" $n
# How many wait at a time is up to how fast one Python sends for all of them.
shares "64 WebSockets" 2

# All of them wait, for certain, when groupd comes to it.
rm "$GO"
$PY "$HERE/peer.py" crowd dev $senders 1 >"$T/crowd" 2>&1 &
crowd=$!
ours $crowd
ok "64 are connected" wait_for 30 grep -q connected "$T/crowd"
before=$(figure commits)
kill -STOP "$GROUPD"
: >"$GO"
ok "and have sent while groupd sleeps" wait_for 30 grep -q asked "$T/crowd"
kill -CONT "$GROUPD"
ok "all are answered" wait $crowd
n=$senders
shares "64 that wait" 8

mkdir "$M/bulk"
lines=16384
awk "BEGIN { for (i = 0; i < $lines; i++) printf \"%063d\\n\", i }" >"$T/mib"
is "the input is 1 MiB" "$(wc -c <"$T/mib")" 1048576
before=$(figure commits)
ok "one write of 1 MiB" dd if="$T/mib" of="$M/bulk/messages" bs=1M count=1 \
	oflag=append conv=notrunc
is "is one commit" $(($(figure commits) - before)) 1
is "of all lines" "$(wc -l <"$M/bulk/messages")" $lines
cut -f4 "$M/bulk/messages" >"$T/out"
same "in order" "$T/out" "$T/mib"
done_testing
