#!/bin/sh
# SPDX-License-Identifier: MIT
# The tour in README.md works as it is typed: as root, and as two ordinary
# users on root's mount, each with groups of his own.
# shellcheck source=tests/system/lib.sh
if [ -z "${GROUPFS_TEST_INNER:-}" ] && [ "$(id -u)" = 0 ]; then
	# Own mounts and own network: so groupd has its default paths and
	# port, as the tour expects, beside one that may run on this machine.
	GROUPFS_TEST_INNER=1 exec unshare -m -n sh "$0"
fi
. "$(dirname "$0")/lib.sh"
awk '/^```sh tour$/ { on = 1; next } /^```$/ { on = 0 } on' \
	"$TOP/README.md" >"$T/tour"
ok "README.md has a tour" test -s "$T/tour"

if [ "$(id -u)" = 0 ]; then
	need_users
	for folder in /run /mnt /var/lib; do
		mount -t tmpfs -o mode=755 tmpfs $folder ||
			skip_all "cannot mount on $folder"
	done
	ip link set lo up || skip_all "cannot set the loopback up"
	users="root gfs-alice gfs-bob"
	groups=/mnt/groups
else
	export XDG_RUNTIME_DIR="$T" XDG_STATE_HOME="$T"
	users=$ME
	groups=$T/home-$ME/groups
fi
for user in $users; do
	mkdir "$T/home-$user"
done
HOME=$T/home-$ME sh "$TOP/scripts/run.sh" "$BUILD" >"$T/run.log" 2>&1 &
run=$!
ours $run
MOUNTS=$groups
ok "make run starts" wait_for 20 grep -q 'Ctrl-C stops' "$T/run.log"
grep '^  export' "$T/run.log" >"$T/first"
ok "and prints a first line to type" test -s "$T/first"
cat "$T/first" "$T/tour" >"$T/typed"

as() {
	if [ "$1" = "$ME" ]; then
		HOME=$T/home-$1 sh -c "$2"
	else
		as_user "$1" "$2"
	fi
}
for user in $users; do
	as "$user" "exec sh -e '$T/typed'" \
		>"$T/out-$user" 2>"$T/err-$user"
	is "the tour works for $user" $? 0
	is "and complains of nothing" "$(cat "$T/err-$user")" ""
	like "$user sees the first message" "$(cat "$T/out-$user")" \
		"^1	[^	]*	$user	Hello, world\$"
	like "the message of two lines" "$(cat "$T/out-$user")" 'two\\nlines$'
	like "the reply, in live too" "$(grep -c '>1 Hello yourself$' \
		"$T/out-$user")" '^[2-9]'
	like "the list of groups" "$(cat "$T/out-$user")" \
		"^$user-club	admin	3	0	0\$"
	like "the file, as JSON" "$(cat "$T/out-$user")" \
		'^{"sequence_number":4,.*"media_url":"media/LICENSE"'
	like "REST's answer" "$(cat "$T/out-$user")" '"content": ?"Hello, world"'
done
for user in $users; do
	is "$user sees his own group only" "$(as "$user" "ls '$groups'")" \
		"$user-club"
done
kill -TERM $run
wait $run
is "make run stops cleanly" $? 0
fails "the mount is gone" grep -qF " $groups " /proc/mounts
done_testing
