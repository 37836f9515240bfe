#!/bin/sh
# SPDX-License-Identifier: MIT
# media/ and two users of one mount: what one copies in is his until it is
# sent, the first who sends a name has it, and who is removed sees nothing.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
as_user gfs-alice 'mkdir $M/dev'
as_user gfs-bob 'true < $M/.me/name'
ok "alice adds bob" as_user gfs-alice 'echo gfs-bob > $M/dev/members'
export T
head -c 200000 /dev/urandom >"$T/a"
head -c 200000 /dev/urandom >"$T/b"
incoming() {
	find "$T/data/media/incoming" -type f | wc -l
}
none_incoming() {
	[ "$(incoming)" = 0 ]
}
incoming_are() {
	[ "$(incoming)" = "$1" ]
}

ok "alice copies in" as_user gfs-alice 'cp $T/a $M/dev/media/a'
ok "bob reads it" as_user gfs-bob 'cmp $T/a $M/dev/media/a'
is "it is shown as his to read" \
	"$(as_user gfs-bob 'stat -c %U:%A $M/dev/media/a')" \
	"gfs-bob:-r--------"
is "it is from alice" "$(as_user gfs-bob 'tail -n 1 $M/dev/messages' |
	cut -f3,4)" "gfs-alice	[media media/a] "

# Both copy the same new name.
mkfifo -m 666 "$T/fifo-a" "$T/fifo-b"
as_user gfs-alice 'cat $T/fifo-a > $M/dev/media/same' &
alice=$!
as_user gfs-bob 'cat $T/fifo-b > $M/dev/media/same ' &
bob=$!
ours $alice
ours $bob
exec 4>"$T/fifo-a" 5>"$T/fifo-b"
cat "$T/a" >&4
cat "$T/b" >&5
ok "both are being copied" wait_for 5 incoming_are 2
is "each sees his own" "$(as_user gfs-alice 'ls $M/dev/media')" "a
same"
is "to root there is no group" "$(ls "$M")" ""
fails "nobody reads another's" as_user gfs-bob 'cat $M/dev/media/same'
exec 4>&-
ok "the first close wins" wait $alice
exec 5>&-
wait $bob
ok "the other's copy goes" wait_for 5 none_incoming
like "and that is said" "$(as_user gfs-bob 'cat $M/.me/error')" \
	'media/same is there already and does not change'
ok "bob reads alice's now" as_user gfs-bob 'cmp $T/a $M/dev/media/same'
is "one message tells of it" \
	"$(as_user gfs-bob 'grep -c media/same $M/dev/messages')" 1
# Scratch files are private.
as_user gfs-alice 'cp $T/a $M/dev/media/.scratch'
ok "a scratch file is its user's" \
	as_user gfs-alice 'test -f $M/dev/media/.scratch'
fails "another does not see it" as_user gfs-bob 'test -e $M/dev/media/.scratch'
is "nor list it" "$(as_user gfs-bob 'ls -A $M/dev/media' | tr '\n' ' ')" \
	"a same "
fails "nor rename it" as_user gfs-bob \
	'mv $M/dev/media/.scratch $M/dev/media/stolen'
ok "he can have one of the same name" \
	as_user gfs-bob 'cp $T/b $M/dev/media/.scratch && rm $M/dev/media/.scratch'
ok "alice renames hers" \
	as_user gfs-alice 'mv $M/dev/media/.scratch $M/dev/media/done'
ok "and bob reads it" as_user gfs-bob 'cmp $T/a $M/dev/media/done'

# A descriptor gives nobody more than he has.
as_user gfs-bob 'exec 3<$M/dev/media/a; head -c 10 <&3 >/dev/null
	read line < $T/fifo-b
	head -c 10 <&3' >"$T/out" 2>"$T/err" &
bob=$!
ours $bob
as_user gfs-bob 'cat $T/fifo-a > $M/dev/media/late' 2>/dev/null &
late=$!
ours $late
exec 4>"$T/fifo-a"
cat "$T/b" >&4
ok "bob copies something" wait_for 5 incoming_are 1
ok "bob is removed" as_user gfs-alice 'echo -gfs-bob > $M/dev/members'
echo go >"$T/fifo-b"
wait $bob
is "the open file is not read on" "$(wc -c <"$T/out")" 0
like "but refused" "$(cat "$T/err")" 'Permission denied'
exec 4>&-
wait $late
ok "what he was copying goes" wait_for 5 none_incoming
is "and is not sent" \
	"$(as_user gfs-alice 'grep -c media/late $M/dev/messages')" 0
fails "the folder is gone for him" as_user gfs-bob 'ls $M/dev/media'
fails "and the files" as_user gfs-bob 'stat $M/dev/media/a'
fails "he copies nothing in" as_user gfs-bob 'cp $T/b $M/dev/media/new'
ok "alice still reads it" as_user gfs-alice 'cmp $T/a $M/dev/media/a'

# A mount that may not look into the processes of others: as of a user whom
# groupd trusts. There a shell's first close must not send an empty file, and
# a signal is still seen.
mkdir "$T/mnt2"
setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace \
	"$BUILD/groupfs" -f -o "socket=$SOCKET,allow_other" "$T/mnt2" \
	2>>"$T/groupfs.log" &
ours $!
MOUNTS="$MOUNTS $T/mnt2"
online2() {
	[ "$(cat "$T/mnt2/.me/state")" = online ]
}
ok "a second mount" wait_for 10 online2
ok "a shell writes there" \
	as_user gfs-alice 'echo text > $T/mnt2/dev/media/shell.txt'
is "the whole file is sent" \
	"$(as_user gfs-alice 'cat $M/dev/media/shell.txt')" text
ok "cp, too" as_user gfs-alice 'cp $T/b $T/mnt2/dev/media/b'
ok "byte for byte" as_user gfs-alice 'cmp $T/b $M/dev/media/b'
ok "an empty one" as_user gfs-alice ': > $T/mnt2/dev/media/empty'
ok "is sent after its last close" wait_for 5 \
	as_user gfs-alice 'test -f $M/dev/media/empty'
setpriv --reuid=gfs-alice --regid="$(id -g gfs-alice)" --init-groups \
	sh -c 'exec cat "$T/fifo-a" >"$T/mnt2/dev/media/cut"' &
cut=$!
ours $cut
exec 4>"$T/fifo-a"
cat "$T/b" >&4
ok "something is being copied" wait_for 5 incoming_are 1
kill -TERM $cut
exec 4>&-
wait $cut
ok "what a signal cuts goes" wait_for 5 none_incoming
fails "and is not there" as_user gfs-alice 'test -e $M/dev/media/cut'
done_testing
