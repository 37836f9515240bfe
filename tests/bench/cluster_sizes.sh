# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Of `make bench-cluster`, sourced by cluster.sh: what one of a thing takes, of
# disk, of memory and of time, for the sheet in groupd-cluster(7).
#
#   sizes_of_messages  disk and log of messages to groups at random
#   sizes_of_groups    disk of groups and members, made by the store's functions
#   sizes_at_rest      memory of a node whose groups nobody reads
#   sizes_watched      10,000 groups that are watched on node B: memory, sweeps
#   sizes_hints        hints through Redis
#
# BENCH_SIZED (10000): groups, each of 20 members; a user is in 50. With seven
# times as many, which takes minutes, their bytes were the same within 5 %.

SIZED=${BENCH_SIZED:-10000}
SIZES="postgresql://groupfs@/sizes?host=$POSTGRES"

# row METRIC SIDE UNIT VALUE
row() {
	printf '%s\t%s\t%s\t%s\n' "$@" >>"$SAMPLES"
}

# rss PID: KiB.
rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

redis_memory() {
	redis "$T/redis" info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p'
}

# How many bytes those tables have, by the number of rows of the last.
bytes_by_rows() {
	sql "$POSTGRES" "select round(($(printf "pg_total_relation_size('%s') + " "$@")
		0.0) / count(*)) from $(eval "echo \${$#}")" sizes
}

# make_groups DATABASE COUNT NAME CREATOR OTHERS: by the store's own function, a
# commit for each hundredth of them. CREATOR and OTHERS, an array, are SQL, and
# know i, the number of the group. The function's notices are for groupd.
make_groups() {
	"$BENCH" make "postgresql://groupfs@/$1?host=$POSTGRES" 0 || exit 1
	PGOPTIONS='-c client_min_messages=warning' \
		sql "$POSTGRES" "do \$\$ begin for part in 0..99 loop
		perform create_group('$3' || i, $4, null, null, null, i, 100000,
			array_fill(0::bigint, array[cardinality($5)]), $5, 0)
			from generate_series(part * $2 / 100,
				(part + 1) * $2 / 100 - 1) i;
		commit; end loop; end \$\$" "$1"
	[ "$(sql "$POSTGRES" 'select count(*) from groups' "$1")" = "$2" ] || {
		echo "bench-cluster: the groups were not made" >&2
		exit 1
	}
}

sizes_of_groups() {
	_users=$((SIZED * 20 / 50))
	echo "bench-cluster: $SIZED groups of 20 members" >&2
	sql "$POSTGRES" "create database sizes owner groupfs template template0"
	"$BENCH" make "$SIZES" 0 || exit 1
	sql "$POSTGRES" "insert into users(name, created_ms)
		select 'user-' || i, 0 from generate_series(0, $_users - 1) i" sizes
	make_groups sizes "$SIZED" group- "'user-' || i * 31 % $_users" \
		"(select array_agg('user-' ||
			(i * 31 + k * ($_users / 20)) % $_users)
			from generate_series(1, 19) k)"
	row "bytes a group" ours bytes "$(bytes_by_rows group_names infos groups)"
	row "bytes a membership" ours bytes "$(bytes_by_rows memberships members)"
	row "bytes a change of members" ours bytes \
		"$(bytes_by_rows user_changes changes)"
}

# Right behind a checkpoint the log has each page that is touched, whole.
sizes_of_messages() {
	_count='select sum(last_seq) from groups'
	_messages=$(sql "$POSTGRES" "$_count" "$DB")
	sql "$POSTGRES" checkpoint
	_wal=$(wal_now)
	"$BENCH" one "$STORE" "$GROUPS_" "$THREADS" 1000 >/dev/null || exit 1
	row "log a message, random groups" ours bytes \
		$((($(wal_now) - _wal) / ($(sql "$POSTGRES" "$_count" "$DB") - _messages)))
	row "bytes a key" ours bytes "$(sql "$POSTGRES" "select
		(select sum(pg_total_relation_size(oid)) from pg_class
			where relname like 'dedupe%' and relkind = 'r') /
		(select count(*) from dedupe)" "$DB")"
}

# rss_on URL: of a node that was just started on that store.
rss_on() {
	NODE_STORE=$1 run_node c "$T/run-c/groupd.sock" "127.0.0.1:$(free_port)"
	wait_for_node c "$NODE" "$T/run-c/groupd.sock"
	rss "$NODE"
	kill -TERM "$NODE"
	wait "$NODE"
}

sizes_at_rest() {
	sql "$POSTGRES" "create database nothing owner groupfs template template0"
	_none=$(rss_on "postgresql://groupfs@/nothing?host=$POSTGRES")
	_all=$(rss_on "$SIZES")
	row "memory of a node with no group" groupd KiB "$_none"
	# What is less than nothing is the pages' own spread.
	row "memory of a group at rest" groupd bytes \
		$(((_all > _none ? _all - _none : 0) * 1024 / SIZED))
}

# Whoever runs this is in all groups that nodesbench sends to.
sizes_watched() {
	echo "bench-cluster: $GROUPS_ groups are watched" >&2
	URL=$URL TOKEN=$(token "$ME") REDIS_SOCKET=$T/redis/socket \
		$PY "$TOP/tests/bench/watched.py" "$GROUPS_" "$GROUPD_B" \
		"$(head -n 1 "$POSTGRES/data/postmaster.pid")" >>"$SAMPLES" || exit 1
}

sizes_hints() {
	echo "bench-cluster: hints" >&2
	"$BUILD/bench/busbench" "$BUS" 1000 >>"$SAMPLES" 2>"$T/hints.log" ||
		exit 1
}
