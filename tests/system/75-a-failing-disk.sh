#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 200
# groupd's disk is full, and fails: each surface says so in words, all can be
# read, nothing acknowledged is lost. The short form of `make torture-disk`.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
TORTURE=$TOP/tests/torture
export BUILD

# begin PART COMMAND...: beside the others.
begin() {
	_part=$1
	shift
	(
		"$@" >"$T/$_part" 2>"$T/$_part.log"
		echo $? >"$T/$_part.rc"
	) &
	ours $!
}

# came PART: what it has found.
came() {
	wait_for 120 test -e "$T/$1.rc"
	case $(cat "$T/$1.rc") in
	77)
		TESTS=$((TESTS + 1))
		echo "ok $TESTS - $1 # SKIP $(sed -n 's/^skip //p' "$T/$1")"
		;;
	0 | 1)
		results "$T/$1"
		grep -q "^\(not \)*ok " "$T/$1" ||
			pass_or_fail 1 "$1 has a result" ||
			diag "$(tail -n 5 "$T/$1.log")"
		;;
	*) pass_or_fail 1 "$1 comes to an end" ;;
	esac
}

begin sync env COUNT=3 CALLS=sync ERRORS=EIO TIMES=once JOBS=1 \
	$PY "$TORTURE/calls.py" wal
begin write env COUNT=3 CALLS=write ERRORS=ENOSPC TIMES=always JOBS=1 \
	$PY "$TORTURE/calls.py" wal
begin powercut $PY "$TORTURE/powercut.py" ext4=3
begin lie $PY "$TORTURE/powercut.py" --lie ext4=3
begin badsync $PY "$TORTURE/badsync.py" 2
begin fulldisk $PY "$TORTURE/fulldisk.py" 2
for part in sync write powercut lie badsync fulldisk; do
	came $part
done

# By all surfaces.
[ "$(id -u)" = 0 ] || {
	diag "needs root, to mount a small disk"
	done_testing
}
mkdir "$T/data"
mount -t tmpfs -o size=8m none "$T/data" || {
	diag "cannot mount a tmpfs"
	done_testing
}
MOUNTS="$MOUNTS $T/data"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
echo before >>"$M/dev/messages"
fill() {
	head -c 8000000 /dev/zero >"$T/data/ballast"
	# What is there already may hold some.
	head -c 60000 /dev/zero | tr '\0' x >"$T/big"
	# A tmpfs counts in each processor.
	in_a_row=0
	while [ $in_a_row -lt 5 ]; do
		in_a_row=$((in_a_row + 1))
		cp "$T/big" "$M/dev/post" && in_a_row=0
	done
} 2>/dev/null
fill
n=$(wc -l <"$M/dev/messages")
fails "a write to a full disk fails" cp "$T/big" "$M/dev/post"
like "as cp says" "$(cat "$T/ok.out")" 'No space left on device'
like ".me/error says what to do" "$(cat "$M/.me/error")" 'makes room on groupd'
is "by REST it is 507" "$(send_rest dev "$(cat "$T/big")" | tail -n 1)" 507
is "with its code" "$(send_rest dev "$(cat "$T/big")" | head -n 1 |
	jq -r .code)" out_of_space
is "all can be read" "$(head -n 1 "$M/dev/messages" | cut -f4)" before
is "by REST, too" "$(rest GET '/api/groups/dev/messages?limit=1' | head -n 1 |
	jq -r '.messages[0].content')" before
ok "the log says what to do" grep -q 'error: the store has no space left.*make room' \
	"$T/groupd.log"
ok "once, not for each that it refuses" test \
	"$(grep -c 'no space left' "$T/groupd.log")" -le 2
rm "$T/data/ballast"
ok "with room it is written, and groupd is the same" sh -c \
	"cp '$T/big' '$M/dev/post' && kill -0 $GROUPD"
is "and nothing else was" "$(($(wc -l <"$M/dev/messages") - n))" 1
ok "verify finds nothing wrong" ctl verify
done_testing
