#!/bin/sh
# SPDX-License-Identifier: MIT
# All of node A's connections to PostgreSQL are reset, and new ones too: as when
# something between the two is restarted. Its senders are told in time, node B's
# notice nothing, and nothing acknowledged is lost.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
proxy_start
NODE_STORE=$STORE_PROXY
start_node_a
NODE_STORE=
wait_for_node a $GROUPD "$SOCKET"
start_node_b
wait_for_node b $GROUPD_B "$SOCKET_B"
mount_fs
mount_b
TOKEN=$(token "$ME")
export TOKEN URL
mkdir "$M/dev"
ok "the group is on B" wait_for 5 test -d "$MOUNT_B/dev"

reset_for() {
	_b=$(acks_of b)
	touch "$T/network/reset"
	sleep "$1"
	[ "$(acks_of b)" -gt "$_b" ] || stuck="$stuck B, too"
	rm "$T/network/reset"
}
stuck=
begin_load dev 2
ok "the load runs" more_acks 5
for round in $(seq "$ROUNDS"); do
	fault reset reset_for 1
	ok "both store, and are read, after a reset (round $round)" recovers 30
done
is "meanwhile B goes on" "$stuck" ""
ok "A's senders were told" grep -q '^a	.*	\(unavailable\|outcome_unknown\)$' \
	"$RECORD/attempts"
is "B's noticed nothing" "$(grep '^b	' "$RECORD/attempts" |
	grep -cv 'sent$')" 0
end_load
check_load
done_testing
