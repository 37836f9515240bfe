#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make run` starts, by an ordinary user: it mounts, says what to type,
# and Ctrl-C leaves no process and no mount.
# shellcheck source=tests/system/lib.sh
if [ -z "${GROUPFS_TEST_INNER:-}" ] && [ "$(id -u)" = 0 ]; then
	# In a mount namespace of its own: there /dev/fuse may be opened by
	# all, as udev has it on a real machine.
	GROUPFS_TEST_INNER=1 exec unshare -m sh "$0"
fi
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" = 0 ]; then
	need_users
	mkdir "$T/dev" && mount -t tmpfs tmpfs "$T/dev" &&
		mknod -m 666 "$T/dev/fuse" c 10 229 &&
		mount --bind "$T/dev/fuse" /dev/fuse ||
		skip_all "cannot make a /dev/fuse for all"
	user=gfs-alice
else
	user=$ME
fi
home=$T/home-$user
mkdir -p "$home" && chown "$user" "$home"
port=$(free_port)
run=
start_run() {
	: >"$T/run.out"
	chmod 666 "$T/run.out"
	# A background job ignores SIGINT; this one is to hear it.
	if [ "$(id -u)" = 0 ]; then
		set -- setpriv "--reuid=$user" "--regid=$(id -g $user)" \
			--init-groups
	else
		set --
	fi
	HOME=$home GROUPFS_LISTEN=127.0.0.1:$port "$@" env \
		-u XDG_RUNTIME_DIR -u XDG_STATE_HOME --default-signal=INT \
		sh "$TOP/scripts/run.sh" "$BUILD" >"$T/run.out" 2>&1 &
	run=$!
	ours $run
	MOUNTS="$home/groups $T/dev"
}
as() {
	if [ "$(id -u)" = 0 ]; then
		as_user "$user" "$1"
	else
		HOME=$home sh -c "$1"
	fi
}
mounted() {
	grep -qF " $home/groups " /proc/mounts
}

start_run
ok "it says what to type" wait_for 20 grep -q 'Ctrl-C stops' "$T/run.out"
is "in a few lines" \
	"$(sed -n '/^groupfs is mounted/,$p' "$T/run.out" | wc -l)" 6
ok "the mount is there" mounted
is "it is the user's own" "$(as 'cat ~/groups/.me/name')" "$user"
ok "a group" as 'mkdir ~/groups/dev && echo hi >> ~/groups/dev/messages'
is "and a message" "$(as 'cut -f3- ~/groups/dev/messages')" "$user	hi"
TOKEN=$(as "$(grep -E '^  (export|groupctl)' "$T/run.out")")
URL=http://127.0.0.1:$port
is "the token command as printed opens REST" \
	"$(rest_status GET '/api/groups/dev/messages?after_seq=0')" 200
GROUPD=$(marked_pids | while read -r pid; do
	[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd" ] && echo "$pid"
done)
ok "groupd runs" test -n "$GROUPD"

kill -INT $run
ok "Ctrl-C ends it" wait_gone 15 $run
wait $run
is "with success" $? 0
like "and says so" "$(tail -n 1 "$T/run.out")" '^Stopped and unmounted'
fails "the mount is gone" mounted
no_process() {
	[ -z "$(marked_pids | while read -r pid; do
		[ "$pid" = $$ ] || readlink "/proc/$pid/exe" | grep "^$BUILD/"
	done)" ]
}
ok "no process is left" wait_for 5 no_process
GROUPD=

# What is there stays there; what is broken is cleaned up.
start_run
ok "it starts again" wait_for 20 grep -q 'Ctrl-C stops' "$T/run.out"
is "the message is still there" "$(as 'cut -f4 ~/groups/dev/messages')" hi
for pid in $(marked_pids); do
	[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupfs" ] &&
		kill -KILL "$pid"
done
ok "when groupfs dies it stops" wait_gone 15 $run
fails "and leaves no dead mount" mounted
ok "no process is left" wait_for 5 no_process
done_testing
