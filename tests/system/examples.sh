# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
# What the tests of examples/ share, behind lib.sh: a groupd, a mount, three
# users who are not root.
# With sanitizers they would only repeat what the other tests ask of our code.
[ "$LOAD" != small ] || skip_all "the programs are tested by the others"
need_users gfs-carol
EX=$TOP/examples
export EX
start_groupd
mount_fs
for user in gfs-alice gfs-bob gfs-carol; do
	mkdir "$T/home-$user"
	chown "$user" "$T/home-$user"
done

# group NAME MEMBER...: carol's group.
group() {
	name=$1
	shift
	as_user gfs-carol "mkdir '$M/$name'"
	for member in "$@"; do
		echo "$member"
	done >"$T/members"
	as_user gfs-carol "cat >> '$M/$name/members'" <"$T/members"
}
# say USER GROUP LINE...
say() {
	user=$1
	to=$2
	shift 2
	printf '%s\n' "$@" >"$T/said"
	as_user "$user" "cat >> '$M/$to/messages'" <"$T/said"
}
log() {
	as_user gfs-carol "cut -f1,3- '$M/$1/messages'"
}
has() {
	log "$1" | grep -qxF -- "$2"
}
# How many messages are the one that is named.
count() {
	log "$1" | cut -f2- | grep -cxF -- "$2"
}
# background USER COMMAND: sets PID.
background() {
	# No function in between: the pid is that of the command.
	setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups \
		env HOME="$T/home-$1" USER="$1" M="$M" sh -c "exec $2" \
		>>"$T/background.log" 2>&1 </dev/null &
	PID=$!
	ours $PID
}
# inline NAME: that block of the README, for the mount of this test.
inline() {
	awk -v want="\`\`\`sh $1" '$0 == want { on = 1; next }
		/^```$/ { on = 0 } on' "$EX/README.md" |
		sed "s| /groups/| $M/|g; s|/run/groupd/groupd.sock|$SOCKET|"
}
stop() {
	kill "-${2:-TERM}" "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}
# Who has that file open, other than the test itself.
opened() {
	[ -n "$(find /proc/[0-9]*/fd -lname "$1" -print -quit 2>/dev/null)" ]
}

