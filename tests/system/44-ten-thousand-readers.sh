#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 240
# Ten thousand block in read(2) on one live, then ten thousand wait for it by
# epoll: a message reaches them all, a reader costs no thread and little
# memory, and the mount answers beside them.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
readers=10000
[ "$LOAD" = small ] && readers=500
# Descriptors of the readers; groupfs has one a mount.
# shellcheck disable=SC3045
ulimit -n $((readers + 500)) 2>/dev/null || {
	readers=$(($(ulimit -n) - 500))
	diag "only $readers readers: this user may open no more files"
}
${CC:-cc} -std=c17 -O2 -pthread -o "$T/readers" "$HERE/readers.c" || exit 1
start_groupd
mount_fs
mkdir "$M/dev"
echo first >>"$M/dev/messages"

of_groupfs() {
	sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$GROUPFS/status"
}
# threads_block PID N: that many threads of it sleep in their read.
threads_block() {
	blocked=$(cat "/proc/$1"/task/*/syscall 2>/dev/null | grep -c '^0 ')
	[ "$blocked" -ge "$2" ]
}
# in_ms COMMAND...: how long it takes.
in_ms() {
	from=$(date +%s%N)
	"$@" >/dev/null || return
	echo $((($(date +%s%N) - from) / 1000000))
}

# round NAME THREADS POLLED
round() {
	before=$(of_groupfs VmRSS)
	threads=$(of_groupfs Threads)
	: >"$T/out"
	"$T/readers" "$M/dev/live" "$2" "$3" >"$T/out" 2>"$T/readers.err" &
	pid=$!
	ours $pid
	ok "$readers readers start, $1" wait_for 60 grep -q ready "$T/out"
	[ "$2" = 0 ] || ok "all block in read(2)" wait_for 60 \
		threads_block $pid "$2"
	kb=$(($(of_groupfs VmRSS) - before))
	each=$((kb * 1024 / readers))
	diag "$1: groupfs has $kb KiB more: $each bytes a reader"
	# An address sanitizer keeps what is freed, and more.
	[ -n "${ASAN_OPTIONS:-}${TSAN_OPTIONS:-}" ] ||
		case $BUILD in
		*build-*) ;;
		# The first megabyte is for what is not a reader's.
		*) ok "at most 4 KiB a reader" \
			test $kb -le $((readers * 4 + 1024)) ;;
		esac
	is "and not one thread more" "$(of_groupfs Threads)" "$threads"
	for command in "ls -l $M" "ls -l $M/dev" "stat $M/dev/messages" \
		"cat $M/dev/messages" "df $M"; do
		took=$(in_ms $command)
		ok "$(echo "$command" | sed "s#$T##") answers at once (${took:-?} ms)" \
			test "${took:-9999}" -lt 2000
	done
	from=$(date +%s%N)
	took=$(in_ms sh -c "echo hello >>'$M/dev/messages'")
	diag "the write took ${took:-?} ms"
	ok "it returns soon" test "${took:-99999}" -lt 5000
	ok "all get the message" wait_for 60 grep -qx "got $2 $3" "$T/out" ||
		diag "$(cat "$T/out" "$T/readers.err")"
	diag "all had it after $((($(date +%s%N) - from) / 1000000)) ms"
	took=$(in_ms ls "$M/dev")
	ok "ls answers after it (${took:-?} ms)" test "${took:-9999}" -lt 2000
	kill -KILL $pid
	wait $pid 2>/dev/null
	ok "the readers end" wait_gone 30 $pid
}

round "blocked in read(2)" $readers 0
ok "it is unmounted" fusermount3 -u "$M"
ok "and groupfs ends" wait_gone 30 "$GROUPFS"
mount_fs
round "waiting by epoll" 0 $readers
# Killed while all of them wait.
"$T/readers" "$M/dev/live" $readers 0 >"$T/out" 2>"$T/readers.err" &
pid=$!
ours $pid
ok "once more" wait_for 60 threads_block $pid $readers
kill -KILL $pid
wait $pid 2>/dev/null
ok "killed while they wait, they end" wait_gone 30 $pid
ok "and the mount goes on" sh -c "echo last >>'$M/dev/messages'"
is "with each message once" "$(cut -f4 "$M/dev/messages" | xargs)" \
	"first hello hello last"
done_testing
