#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# The primary dies and its synchronous standby takes over: the nodes find it by
# their URL of both, and nothing acknowledged is lost. Once; in many rounds a
# fifth as often as other faults come, what died being the next standby.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
need_engines
FIRST=$POSTGRES
SECOND=$T/second
ok "there is a synchronous standby" postgres_standby "$SECOND" "$FIRST"
STORE="postgresql://groupfs@/$(basename "$T")?host=$FIRST,$SECOND"
start_groupd
mount_nodes

begin_load dev 2
ok "the load runs" more_acks 5

# A standby that is away: commits wait for it, and nobody is told that they
# are done.
postgres_stop "$SECOND" immediate
sleep 1
before=$(acks)
sleep 2
is "without the standby nothing is acknowledged" "$(acks)" "$before"
postgres_again "$SECOND"
ok "with it, all goes on" more_acks 5 30

fails_over() {
	postgres_stop "$FIRST" immediate
	postgres_promote "$SECOND"
}
# What it knew is thrown away: it follows the other one from now on.
changes_places() {
	_dead=$FIRST
	FIRST=$SECOND
	SECOND=$_dead
	rm -rf "$SECOND/data"
	postgres_standby "$SECOND" "$FIRST"
}
rounds=$(((ROUNDS + 4) / 5))
for round in $(seq $rounds); do
	fault failover fails_over
	POSTGRES=$SECOND
	# It has no standby of its own yet.
	sql "$SECOND" 'alter system reset synchronous_standby_names'
	sql "$SECOND" 'select pg_reload_conf()' >/dev/null
	ok "both nodes store in the standby (round $round)" recovers 30
	[ "$round" = $rounds ] ||
		ok "what died is the standby" changes_places
done
end_load
check_load
ok "verify finds nothing wrong" ctl verify
done_testing
