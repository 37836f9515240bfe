#!/bin/sh
# SPDX-License-Identifier: MIT
# `make bench-cluster`: what a cluster takes, beside pgbench's plain update of
# one row, on the same server in the same run and in turn, since only their
# ratio means something on a shared machine; a message from node A to WebSockets
# on node B (cluster_online.sh); and what one of a thing takes, for the sheet in
# groupd-cluster(7) (cluster_sizes.sh).
#
#   sh tests/bench/cluster.sh [--json FILE]
#
# BENCH_ROUNDS (3), BENCH_SLICE_MS (2000), BENCH_GROUPS (10000), BENCH_THREADS
# (8), BENCH_MESSAGES (1000: of the latency), BENCH_SENDERS ("2 8 32": of each
# node); JSON=FILE is --json FILE.
#
# "ours" is messages a second, committed and on disk; "pgbench" transactions a
# second, with as many connections. Of the store's rows ours is a program with
# the store's handles, as the lanes of nodes have. Of the nodes' rows it is two
# nodes, with senders on both, who each wait for an answer before they send
# again; "A alone" is the same senders of A while B has none.
export GROUPFS_TEST_CLUSTER=1
. "$(dirname "$0")/../system/lib.sh"

JSON=${JSON:-}
[ "${1:-}" = --json ] && JSON=$2
ROUNDS=${BENCH_ROUNDS:-3}
SLICE=${BENCH_SLICE_MS:-2000}
GROUPS_=${BENCH_GROUPS:-10000}
THREADS=${BENCH_THREADS:-8}
BENCH=$BUILD/bench/nodesbench
SAMPLES=$T/samples

# plain NAME SCRIPT CONNECTIONS: pgbench's side of the row NAME.
plain() {
	_tps=$(pgbench -n -M prepared -h "$POSTGRES" -U postgres -c "$3" -j 2 \
		-T $((SLICE / 1000)) -f "$T/$2.sql" plain \
		2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
	printf '%s\tpgbench\t1/s\t%s\n' "$1" "$_tps" >>"$SAMPLES"
}

# by_node SOCKET SENDERS NAME SIDE
by_node() {
	"$BENCH" node "$STORE" "$GROUPS_" "$2" "$SLICE" "$1" "$3" "$4"
}

# nodes SENDERS: one node, and then both, with so many of each.
nodes() {
	_row="nodes, $1 senders each"
	# Of each node a connection a lane.
	plain "$_row" random 8
	by_node "$SOCKET" "$1" "$_row" "A alone" >>"$SAMPLES" || exit 1
	by_node "$SOCKET" "$1" "$_row" ours >"$T/by-a" &
	_a=$!
	by_node "$SOCKET_B" "$1" "$_row" ours >"$T/by-b" || exit 1
	wait $_a || exit 1
	cat "$T/by-a" "$T/by-b" | awk -F'\t' -v OFS='\t' \
		'{ sum += $4 } END { $4 = sum; print }' >>"$SAMPLES"
}

# wal COMMAND...: its bytes of log.
wal_now() {
	sql "$POSTGRES" "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
}

# The tests' server has less memory than a log needs that grows for minutes.
POSTGRES=$T/postgres
mkdir -p "$POSTGRES" && sh "$TOP/tests/support/postgres.sh" start "$POSTGRES" \
	$$ max_connections=400 shared_buffers=256MB max_wal_size=8GB || exit 1
. "$TOP/tests/bench/cluster_sizes.sh"
. "$TOP/tests/bench/cluster_online.sh"

need_engines
DB=$(basename "$T")
# groupd wants a database of its own.
sql "$POSTGRES" "create database plain"
sql "$POSTGRES" "create table plain(id int primary key, n bigint) with (fillfactor=50);
	insert into plain select i, 0 from generate_series(1, $GROUPS_) i" plain >/dev/null
printf '\\set id random(1, %s)\nupdate plain set n = n + 1 where id = :id;\n' \
	"$GROUPS_" >"$T/random.sql"
echo 'update plain set n = n + 1 where id = 1;' >"$T/hot.sql"
echo "bench-cluster: making $GROUPS_ groups" >&2
make_groups "$DB" "$GROUPS_" g "'$ME'" "'{}'::text[]"
start_groupd

for round in $(seq "$ROUNDS"); do
	echo "bench-cluster: round $round of $ROUNDS" >&2
	plain "random groups" random "$THREADS"
	"$BENCH" one "$STORE" "$GROUPS_" "$THREADS" "$SLICE" >>"$SAMPLES"
	plain "batches of groups" random "$THREADS"
	"$BENCH" batch "$STORE" "$GROUPS_" "$THREADS" "$SLICE" 64 >>"$SAMPLES"
	plain "one hot group" hot 1
	"$BENCH" hot "$STORE" 1 "$SLICE" >>"$SAMPLES"
	plain "batches of one group" hot 1
	_wal=$(wal_now)
	"$BENCH" lines "$STORE" 1 "$SLICE" 64 >"$T/lines"
	cat "$T/lines" >>"$SAMPLES"
	awk -F'\t' -v wal=$(($(wal_now) - _wal)) -v ms="$SLICE" \
		'$2 == "ours" { printf "log a message\tours\tbytes\t%.0f\n",
			wal / ($4 * ms / 1000) }' "$T/lines" >>"$SAMPLES"
	for senders in ${BENCH_SENDERS:-2 8 32}; do
		nodes "$senders"
	done
done
sql "$POSTGRES" "select 'bytes a message' || chr(9) || 'ours' || chr(9) || 'bytes' || chr(9) ||
	(select sum(pg_total_relation_size(c.oid)) from pg_class c
		where relname like 'messages%' and relkind = 'r') /
	(select count(*) from messages)" "$DB" >>"$SAMPLES"

sizes_of_messages
sizes_of_groups
sizes_at_rest
online_one
sizes_watched
online_many
sizes_hints
$PY "$TOP/tests/bench/report.py" "$SAMPLES" ${JSON:+"$JSON"}
