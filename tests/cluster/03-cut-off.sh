#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Node A loses PostgreSQL: nothing comes through any more, or all connections
# are reset. Its senders are told in time, node B's notice nothing, and nothing
# acknowledged is lost. Who reads on A is told in time, too.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
need_engines
mkdir "$T/network"
port=$(free_port)
$PY "$HERE_CLUSTER/pgproxy.py" "127.0.0.1:$port" \
	"$POSTGRES/.s.PGSQL.5432" "$T/network" 2>"$T/proxy.log" &
ours $!
proxy_answers() {
	pg_isready -q -h 127.0.0.1 -p "$port"
}
ok "there is a network" wait_for 10 proxy_answers
STORE_A="postgresql://groupfs@127.0.0.1:$port/$(basename "$T")"
start_a() {
	NODE_STORE=$STORE_A
	start_node_a
	NODE_STORE=
}
start_a
wait_for_node a $GROUPD "$SOCKET"
start_node_b
wait_for_node b $GROUPD_B "$SOCKET_B"
mount_fs
mount_b
TOKEN=$(token "$ME")
export TOKEN URL
mkdir "$M/dev"
ok "the group is on B" wait_for 5 test -d "$MOUNT_B/dev"

# network STATE SECONDS
network() {
	_b=$(acks_of b)
	touch "$T/network/$1"
	sleep "$2"
	[ "$(acks_of b)" -gt "$_b" ] || stuck="$stuck $1"
	rm "$T/network/$1"
}
# The network is cut meanwhile: each of many kinds of readers asks once on A.
read_on_a() {
	touch "$T/network/cut"
	for path in /api/groups '/api/groups/dev/messages?after_seq=0' \
		/api/groups/dev /api/groups/dev/members /api/mentions; do
		curl -s -o /dev/null -w '%{http_code} ' -m $LATE \
			-H "Authorization: Bearer $TOKEN" "$URL_A$path" \
			>"$T/read.$(echo "$path" | tr -c 'a-z\n' _)" &
		ours $!
		asking="${asking:-} $!"
	done
	for pid in $asking; do
		wait "$pid"
	done
	rm "$T/network/cut"
}
# Of seconds: two, and what the machine needs.
LATE=$((2 * ${GROUPFS_TEST_PATIENCE:-1})).5
stuck=
begin_load dev 2
ok "the load runs" more_acks 5
for round in $(seq "$ROUNDS"); do
	fault cut network cut 4
	ok "both store again after a cut (round $round)" more_acks 5 30
	fault reset network reset 1
	ok "and after a reset" more_acks 5 30
done
is "meanwhile B goes on" "$stuck" ""
read_on_a
is "who reads on A when it is cut off is told in time" "$(cat "$T"/read.*)" \
	"503 503 503 503 503 "
ok "and both store again" more_acks 5 30
ok "A's senders were told" grep -q '^a	.*	\(unavailable\|outcome_unknown\)$' \
	"$RECORD/attempts"
is "B's noticed nothing" "$(grep '^b	' "$RECORD/attempts" |
	grep -cv 'sent$')" 0
end_load
check_load
done_testing
