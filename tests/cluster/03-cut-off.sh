#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Node A loses PostgreSQL, which is behind a router: nothing comes through any
# more, or no answers do, and nobody says so. A's senders are told in time, node
# B's notice nothing, and nothing acknowledged is lost. Who reads on A is told in
# time, too.
# shellcheck source=tests/cluster/lib.sh
if [ -z "${GROUPFS_TEST_INNER:-}" ] && [ "$(id -u)" = 0 ] && unshare -n true; then
	GROUPFS_TEST_INNER=1 exec unshare -n sh "$0"
fi
. "$(dirname "$0")/lib.sh"
# By the network; node B goes by the Unix socket. Who may not make one goes by
# a process that passes nothing on.
if [ -n "${GROUPFS_TEST_INNER:-}" ]; then
	# shellcheck source=tests/cluster/network.sh
	. "$HERE_CLUSTER/network.sh"
	network_start ||
		skip_all "may not make a network: $(tail -n 1 "$T/network.log")"
	POSTGRES_IN="nsenter --net=/proc/$SERVER_SIDE/ns/net"
	need_engines listen_addresses=$SERVER_ADDRESS
	echo "host all groupfs $NODE_ADDRESS/32 trust" \
		>>"$POSTGRES/data/pg_hba.conf"
	sql "$POSTGRES" 'select pg_reload_conf()' >/dev/null
	BY_NETWORK=postgresql://groupfs@$SERVER_ADDRESS/$(basename "$T")
else
	proxy_start
	BY_NETWORK=$STORE_PROXY
	network_cut() {
		echo "${1:-all}" >"$T/network/cut"
	}
	network_heal() {
		rm "$T/network/cut"
	}
fi
ok "PostgreSQL is there, by the network" pg_isready -q -d "$BY_NETWORK"
start_nodes "$BY_NETWORK"
# Or the locks of a machine that is cut off would stay for two hours.
looks_soon() {
	nsenter --net="/proc/$SERVER_SIDE/ns/net" ss -Htno 'sport = :5432' \
		>"$T/timers"
	grep -q 'keepalive,[^)]*sec,' "$T/timers" &&
		! grep -q 'keepalive,[^)]*min' "$T/timers"
}
[ -z "${SERVER_SIDE:-}" ] ||
	ok "PostgreSQL looks soon whether A is still there" wait_for 5 looks_soon

# cut_for SECONDS [answers]
cut_for() {
	_b=$(acks_of b)
	network_cut "${2:-}"
	! timeout 1 pg_isready -q -d "$BY_NETWORK" || stuck="$stuck it is not cut"
	sleep "$1"
	[ "$(acks_of b)" -gt "$_b" ] || stuck="$stuck B, too"
	network_heal
}
# The network is cut meanwhile: each of many kinds of readers asks once on A.
read_on_a() {
	network_cut
	for path in /api/groups '/api/groups/dev/messages?after_seq=0' \
		/api/groups/dev /api/groups/dev/members /api/mentions; do
		curl -s -o /dev/null -w '%{http_code} ' -m "$LATE" \
			-H "Authorization: Bearer $TOKEN" "$URL_A$path" \
			>"$T/read.$(echo "$path" | tr -c 'a-z\n' _)" &
		ours $!
		asking="${asking:-} $!"
	done
	for pid in $asking; do
		wait "$pid"
	done
	network_heal
}
stuck=
begin_load dev 2
ok "the load runs" more_acks 5
for round in $(seq "$ROUNDS"); do
	fault cut cut_for 3
	ok "both store, and are read, after a cut (round $round)" recovers 30
	[ $((round % 2)) = 1 ] || continue
	# The server has what A sent, and A never hears of it.
	fault answers_cut cut_for 3 answers
	ok "and after one of the answers" recovers 30
done
is "meanwhile B goes on" "$stuck" ""
read_on_a
is "who reads on A when it is cut off is told in time" "$(cat "$T"/read.*)" \
	"503 503 503 503 503 "
ok "and both store again" more_acks 5 30
only_a_noticed
end_load
check_load
done_testing
