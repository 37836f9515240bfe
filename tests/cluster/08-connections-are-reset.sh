#!/bin/sh
# SPDX-License-Identifier: MIT
# All of node A's connections to PostgreSQL are reset, and new ones too: as when
# something between the two is restarted. Its senders are told in time, node B's
# notice nothing, and nothing acknowledged is lost.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
proxy_start
start_nodes "$STORE_PROXY"

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
only_a_noticed
end_load
check_load
done_testing
