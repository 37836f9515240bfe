#!/bin/sh
# SPDX-License-Identifier: MIT
# By mount(8) and fstab, several at once, a mount of one group alone, dead
# ones, and unmounting while somebody reads.
# shellcheck source=tests/system/lib.sh
# In a mount namespace of its own, where the groupfs under test is the one
# that mount(8) finds, for that asks no PATH of ours, and where /dev/fuse may
# be opened by all, as udev has it on a real machine.
[ "$(id -u)" != 0 ] || [ -n "${OWN_MOUNTS:-}" ] ||
	exec unshare --mount --propagation private \
		env OWN_MOUNTS=1 sh "$0" "$@"
. "$(dirname "$0")/lib.sh"
need_users
mkdir "$T/bin" "$T/dev" "$M" "$T/bound" "$T/out"
MOUNTS="$M $T/bound $T/dev"
cp "$BUILD/groupfs" "$T/bin" && mount --bind "$T/bin" /usr/local/bin &&
	mount -t tmpfs tmpfs "$T/dev" && mknod -m 666 "$T/dev/fuse" c 10 229 &&
	mount --bind "$T/dev/fuse" /dev/fuse ||
	skip_all "cannot mount in a namespace of its own"
start_groupd
mounted() {
	grep -q " $1 fuse.groupfs " /proc/mounts
}
# The groupfs that serves a mountpoint.
server_of() {
	for pid in $(marked_pids); do
		tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$1" &&
			[ "$(cat "/proc/$pid/comm")" = groupfs ] &&
			echo "$pid"
	done
}
# alice_reads NAME: by cat live, which hears Ctrl-C, into $T/out/NAME; its pid
# is in $reader.
alice_reads() {
	as_user gfs-alice 'echo $$; exec env --default-signal=INT \
		cat "$M/dev/live"' >"$T/out/$1" 2>"$T/out/$1.err" &
	ours $!
	wait_for 10 test -s "$T/out/$1"
	reader=$(head -n 1 "$T/out/$1")
	wait_for 10 reads_file "$reader" "$M/dev/live"
}

ok "mount -t fuse.groupfs" mount -t fuse.groupfs groupd "$M" \
	-o "allow_other,socket=$SOCKET"
is "it can be used when mount returns" "$(cat "$M/.me/state")" online
like "it is in the table of mounts" "$(cat /proc/mounts)" \
	"^groupd $M fuse.groupfs rw,.*allow_other"
is "findmnt finds it" "$(findmnt -n -o SOURCE,FSTYPE -M "$M" | xargs)" \
	"groupd fuse.groupfs"
fails "a second one on it is refused" mount -t fuse.groupfs groupd "$M" \
	-o "allow_other,socket=$SOCKET"
like "in words" "$(cat "$T/ok.out")" 'mounted already'
server=$(server_of "$M")
ok "umount" umount "$M"
ok "ends its groupfs" wait_gone 10 "$server"
fails "on a folder that is not there" mount -t fuse.groupfs groupd \
	"$T/nothing" -o "socket=$SOCKET"
fails "with an option that nobody knows" mount -t fuse.groupfs groupd "$M" \
	-o "socket=$SOCKET,colour=blue"
fails "nothing is mounted then" mounted "$M"
ok "mount -t fuse, the old form" mount -t fuse "groupfs#groupd" "$M" \
	-o "allow_other,socket=$SOCKET"
ok "mounts" mounted "$M"
ok "umount again" umount "$M"

echo "groupd $M fuse.groupfs" \
	"allow_other,_netdev,nofail,x-systemd.automount,socket=$SOCKET 0 0" \
	>"$T/fstab"
ok "by a line of fstab" mount -T "$T/fstab" "$M"
is "it can be used" "$(cat "$M/.me/name")" root
ok "mount -a, when it is there already" mount -a -T "$T/fstab"
is "mounts it no second time" "$(grep -c " $M " /proc/mounts)" 1
ok "alice has a group with bob" as_user gfs-alice 'mkdir "$M/dev" &&
	echo +gfs-bob >>"$M/dev/members" && echo one >>"$M/dev/messages"'

# Killed: what was mounted stays, and is dead.
server=$(server_of "$M")
ok "alice reads live" alice_reads dead
kill -KILL "$server"
ok "a killed groupfs ends its readers" wait_gone 10 $reader
fails "its mount is dead" ls "$M"
ok "and still there" mounted "$M"
ok "the next start cleans it" mount -T "$T/fstab" "$M"
is "and mounts once" "$(grep -c " $M " /proc/mounts)" 1
is "alice goes on" "$(as_user gfs-alice 'cut -f4 "$M/dev/messages"')" one

# Two users' own mounts beside it.
for name in alice bob; do
	install -d -o gfs-$name -m 700 "$T/$name"
	MOUNTS="$MOUNTS $T/$name"
	ok "$name mounts for himself" as_user gfs-$name \
		"'$BUILD/groupfs' -o 'socket=$SOCKET' '$T/$name'"
done
ok "alice writes by hers" as_user gfs-alice \
	"echo two >>'$T/alice/dev/messages'"
ok "bob by his" as_user gfs-bob "echo three >>'$T/bob/dev/messages'"
ok "alice by all's" as_user gfs-alice "echo four >>'$M/dev/messages'"
for path in "$T/alice" "$T/bob" "$M"; do
	user=gfs-alice
	[ "$path" = "$T/bob" ] && user=gfs-bob
	as_user $user "cat '$path/dev/messages'" >"$T/out/log"
	is "all is in $(basename "$path")" \
		"$(cut -f3,4 "$T/out/log" | tr '\t\n' ': ')" \
		"gfs-alice:one gfs-alice:two gfs-bob:three gfs-alice:four "
	cp "$T/out/log" "$T/out/log.$(basename "$path")"
done
same "the same bytes" "$T/out/log.alice" "$T/out/log.bob"
same "on all of them" "$T/out/log.alice" "$T/out/log.mnt"
fails "bob is not let into alice's" as_user gfs-bob "ls '$T/alice'"
fails "nor is root" ls "$T/alice"
as_user gfs-bob "exec cat '$T/bob/dev/live'" >"$T/out/bob" &
ours $!
ok "bob's live has what alice sent by all's" wait_for 10 \
	grep -q four "$T/out/bob"
ok "he unmounts his own" as_user gfs-bob "fusermount3 -uz '$T/bob'"

# One group alone, where else one likes.
ok "mount --bind of a group" as_user gfs-alice \
	"echo +root >>'$M/dev/members'"
ok "by a member who may mount" mount --bind "$M/dev" "$T/bound"
is "it is read" "$(tail -n 1 "$T/bound/messages" | cut -f4)" four
tail -s 0.05 -n 1 -f "$T/bound/messages" >"$T/out/tail" &
ours $!
ok "tail -f begins" wait_for 10 grep -q four "$T/out/tail"
ok "it is written" sh -c "echo five >>'$T/bound/messages'"
ok "tail -f goes on" wait_for 10 grep -q five "$T/out/tail"
is "it is the group" \
	"$(as_user gfs-alice 'tail -n 1 "$M/dev/messages" | cut -f4')" five
fails "who is no member reads nothing there" \
	setpriv --reuid=65534 --clear-groups cat "$T/bound/messages"
fails "nor does he see names" \
	setpriv --reuid=65534 --clear-groups ls "$T/bound"
server=$(server_of "$M")
ok "the whole is unmounted" umount "$M"
is "the group stays" "$(tail -n 1 "$T/bound/messages" | cut -f4)" five
kill $!
wait $! 2>/dev/null
ok "and is unmounted" umount "$T/bound"
ok "then groupfs ends" wait_gone 10 "$server"

# Unmounting while somebody reads.
mount -T "$T/fstab" "$M"
server=$(server_of "$M")
ok "alice reads live again" alice_reads busy
fails "fusermount3 -u" fusermount3 -u "$M"
like "is refused while she does" "$(cat "$T/ok.out")" 'busy'
ok "fusermount3 -uz is not" fusermount3 -uz "$M"
fails "the mount is gone" mounted "$M"
ok "her reader is not" kill -0 $reader
ok "a message by another mount" as_user gfs-alice \
	"echo six >>'$T/alice/dev/messages'"
ok "still reaches it" wait_for 10 grep -q six "$T/out/busy"
ok "groupfs goes on for it" kill -0 "$server"
kill -INT $reader
ok "Ctrl-C ends the reader" wait_gone 5 $reader
ok "and then groupfs ends" wait_gone 10 "$server"

# SIGTERM while readers block.
mount -T "$T/fstab" "$M"
server=$(server_of "$M")
ok "alice reads live once more" alice_reads term
kill -TERM "$server"
ok "SIGTERM ends groupfs" wait_gone 10 "$server"
ok "and the reader" wait_gone 5 $reader
like "who is told" "$(cat "$T/out/term.err")" '.'
fails "nothing is left mounted" mounted "$M"

# groupd restarts while nothing is mounted, or comes later than the mount.
stop_groupd
ok "a mount without groupd" mount -T "$T/fstab" "$M"
like "says that it is offline" "$(cat "$M/.me/state")" '^offline since '
start_groupd
ok "and is online when groupd comes" wait_for 20 is_online
is "alice's group is there" \
	"$(as_user gfs-alice 'tail -n 1 "$M/dev/messages" | cut -f4')" six
ok "it is unmounted" umount "$M"
ok "alice unmounts hers" as_user gfs-alice "fusermount3 -u '$T/alice'"
done_testing
