#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts groupd on SQLite, mounts, says what to type, waits for Ctrl-C, and
# stops both. run.sh BUILD
#
# root: one mount for all users of this machine. Anybody else: his own.
# Moved by $GROUPFS_DATA, $GROUPFS_SOCKET, $GROUPFS_MOUNT, $GROUPFS_LISTEN.
set -u
bin=$(cd "$1" && pwd) || exit 1

if [ "$(id -u)" = 0 ]; then
	data=${GROUPFS_DATA:-/var/lib/groupd}
	socket=${GROUPFS_SOCKET:-/run/groupd/groupd.sock}
	mount=${GROUPFS_MOUNT:-/mnt/groups}
	options=,allow_other
else
	data=${GROUPFS_DATA:-${XDG_STATE_HOME:-$HOME/.local/state}/groupd}
	socket=${GROUPFS_SOCKET:-${XDG_RUNTIME_DIR:-$data}/groupd.sock}
	mount=${GROUPFS_MOUNT:-$HOME/groups}
	options=
fi
listen=${GROUPFS_LISTEN:-127.0.0.1:7480}
groupd=
groupfs=

# The kernel lists mount points with blanks and the like in octal.
is_mounted() {
	awk -v point="$mount" '$2 == point { found = 1 } END { exit !found }' \
		/proc/mounts
}

say() {
	echo "run: $*" >&2
}

# Asks with SIGTERM, waits 10 s, then insists.
stop_process() {
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null || return 0
	tries=100
	while kill -0 "$1" 2>/dev/null && [ $tries -gt 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	kill -KILL "$1" 2>/dev/null && say "process $1 did not stop, killed"
	wait "$1" 2>/dev/null
}

stop() {
	trap '' INT TERM HUP
	stop_process "$groupfs"
	if is_mounted; then
		fusermount3 -uz "$mount" 2>/dev/null || umount -l "$mount"
	fi
	stop_process "$groupd"
	[ "$1" = 0 ] && echo "Stopped and unmounted."
	exit "$1"
}

wait_for() {
	tries=100
	until "$@" 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		kill -0 "$groupd" 2>/dev/null || return 1
		sleep 0.1
	done
}

answers() {
	"$bin/groupctl" --socket "$socket" status >/dev/null
}

mount_answers() {
	kill -0 "$groupfs" && is_mounted && read -r state <"$mount/.me/state" &&
		[ "$state" = online ]
}

if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
	say "you may not open /dev/fuse; let root type: chmod 666 /dev/fuse"
	exit 1
fi
# A mount whose groupfs died answers every access with an error.
if is_mounted; then
	if stat "$mount" >/dev/null 2>&1; then
		say "$mount is mounted already; is \`make run\` running twice?"
		exit 1
	fi
	say "cleaning up the dead mount at $mount"
	fusermount3 -uz "$mount" 2>/dev/null || umount -l "$mount" || exit 1
fi
mkdir -p "$mount" "$data" "$(dirname "$socket")" || exit 1

trap 'stop 0' INT TERM HUP
# Own sessions, so that the terminal's Ctrl-C comes to this script alone and
# the mount goes before the daemon.
setsid "$bin/groupd" --data "$data" --socket "$socket" --listen "$listen" &
groupd=$!
wait_for answers || {
	say "groupd did not start"
	stop 1
}
setsid "$bin/groupfs" -f -o "socket=$socket$options" "$mount" &
groupfs=$!
wait_for mount_answers || {
	say "the mount did not come up at $mount"
	stop 1
}

cat <<END
groupfs is mounted at $mount. In another terminal, type:
  export PATH="$bin:\$PATH" GROUPD_SOCKET="$socket"; cd "$mount"
  mkdir dev; cat dev/live &
  echo 'Hello, world' >> dev/messages
  groupctl token create "$(id -un)"
With it sign in at http://$listen/ in a browser. README.md goes on. Ctrl-C stops.
END

# Ends with whichever ends first; Ctrl-C comes through the trap.
while kill -0 "$groupd" 2>/dev/null && kill -0 "$groupfs" 2>/dev/null; do
	sleep 1 &
	wait $!
done
say "a process ended by itself"
stop 1
