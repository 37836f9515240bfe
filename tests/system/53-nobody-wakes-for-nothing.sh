#!/bin/sh
# SPDX-License-Identifier: MIT
# Where nobody says anything, groupd, its gateway and a mount sleep: in a second
# that is looked at, each of them is woken once at most, also while somebody
# reads what is to come. And they are there when something happens.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
cat "$M/dev/live" >"$T/live" &
ours $!
cat "$M/.me/live" >"$T/all" &
ours $!
ctl follow dev >"$T/follow" 2>/dev/null &
ours $!
echo first >>"$M/dev/messages"
everybody_has() {
	grep -q "$1" "$T/live" && grep -q "$1" "$T/all" &&
		grep -q "$1" "$T/follow"
}
wait_for 10 everybody_has first

# How often threads of each went to sleep.
sleeps() {
	for pid in "$GROUPD" "$GATEWAY" "$GROUPFS"; do
		cat "/proc/$pid"/task/*/status |
			awk '/^voluntary_ctxt_switches/ { n += $2 }
				END { print n }'
	done
}
# Another second is looked at when one had something left to be done.
all_sleep() {
	sleeps >"$T/before"
	sleep 1
	sleeps | paste "$T/before" - |
		awk '$2 - $1 > 1 { woken = 1 } END { exit woken }'
}
GATEWAY=$(gateways)
ok "who is idle sleeps" wait_for 20 all_sleep

echo second >>"$M/dev/messages"
ok "whoever listens is told all the same" wait_for 10 everybody_has second
curl -s "$URL/metrics" >"$T/metrics"
like "and what is counted goes on" "$(cat "$T/metrics")" \
	'^groupfs_messages_total 2'
done_testing
