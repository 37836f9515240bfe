# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Of `make bench-cluster`, sourced by cluster.sh: messages from node A to
# WebSockets on node B.
#
#   online_one    one that listens, beside the commit of a plain insert of the
#                 same round, by one connection, on the same server
#   online_many   a group of 10,000 members, all of them online: a half on node
#                 A, where the sender is, a half on node B; a user each
#
# BENCH_MESSAGES (1000: of the first, over all rounds), BENCH_ONLINE (10000),
# BENCH_ONLINE_MS (8000: one by one; and 5 s of one each 100 ms).

ONLINE=${BENCH_ONLINE:-10000}

# percentile P FILE: of its numbers.
percentile() {
	sort -n "$2" | awk -v p="$1" '{ v[NR] = $1 } END {
		at = int(NR * p / 100) + 1; print v[at < NR ? at : NR] }'
}

# What a commit takes: one connection inserts rows of 100 bytes. Sets COMMIT,
# its median, in ms.
plain_commit() {
	rm -f "$T"/commit.*
	pgbench -n -M prepared -h "$POSTGRES" -U postgres -c 1 -T 1 -l \
		--log-prefix="$T/commit" -f "$T/insert.sql" plain >/dev/null 2>&1
	cat "$T"/commit.* | awk '{ print $3 / 1000 }' >"$T/commits"
	COMMIT=$(percentile 50 "$T/commits")
	row "A to B, p50" "plain insert" ms "$COMMIT"
	row "A to B, p99" "plain insert" ms "$(percentile 99 "$T/commits")"
}

online_one() {
	TOKEN=$(token "$ME")
	export TOKEN URL
	ctl create latency >/dev/null
	sql "$POSTGRES" "create table inserted(
		id bigserial primary key, content text)" plain
	echo "insert into inserted(content) values (repeat('x', 100));" \
		>"$T/insert.sql"
	for _round in $(seq "$ROUNDS"); do
		echo "bench-cluster: A to B, round $_round of $ROUNDS" >&2
		plain_commit
		URL_A=$URL_A $PY "$TOP/tests/bench/across.py" latency \
			$((${BENCH_MESSAGES:-1000} / ROUNDS)) >"$T/across" || exit 1
		cat "$T/across" >>"$SAMPLES"
		awk -F'\t' -v commit="$COMMIT" '$1 == "A to B, p50" {
			printf "commit, by A to B\t%s\t%%\t%.1f\n", $2,
				100 * commit / $4 }' "$T/across" >>"$SAMPLES"
	done
}

# Who is online, as Redis knows it.
all_online() {
	[ "$(redis "$T/redis" --scan --pattern "*:o:$BENCH_ID:*" |
		xargs -n 1 redis-cli -s "$T/redis/socket" scard |
		awk '{ n += $1 } END { print n }')" = "$ONLINE" ]
}

# What they take while nobody says anything: of Redis, and of PostgreSQL, which
# is asked for each of them by each sweep. $1: Redis' memory before.
online_idle() {
	wait_for 60 all_online || return
	row "memory of a user online" Redis bytes \
		$((($(redis_memory) - $1) / ONLINE))
	row "memory of a user in a group" Redis bytes "$(
		redis "$T/redis" --scan --pattern "*:o:$BENCH_ID:*" |
			xargs -I KEY redis-cli -s "$T/redis/socket" \
				memory usage KEY samples 0 |
			awk -v n="$ONLINE" '{ sum += $1 } END { print sum / n }')"
	_cpu=$(postgres_cpu)
	sleep 3
	row "sweeps of $ONLINE users online" "PostgreSQL's CPU" "ms/s" \
		$((($(postgres_cpu) - _cpu) / 3))
}

# Milliseconds, of all that serve nodes now.
postgres_cpu() {
	for pid in $(pgrep -f -P "$(head -n 1 "$POSTGRES/data/postmaster.pid")" \
		"^postgres: groupfs "); do
		cat "/proc/$pid/schedstat"
	done 2>/dev/null | awk '{ ns += $1 } END { printf "%.0f", ns / 1000000 }'
}

# The users as rows: that is not what is measured here.
online_scene() {
	echo "bench-cluster: a group of $ONLINE members" >&2
	sql "$POSTGRES" "insert into users(name, created_ms) select 'u' || i, 0
		from generate_series(0, $ONLINE - 1) i" "$DB"
	"$BUILD/bench/wsclients" scene "$SOCKET" bench "$ONLINE" \
		>"$T/tokens" || exit 1
	BENCH_ID=$(sql "$POSTGRES" "select group_id from group_names
		where name = 'bench'" "$DB")
}

online_many() {
	# shellcheck disable=SC3045
	ulimit -n "$(ulimit -Hn)"
	online_scene
	_before=$(redis_memory)
	PIDS_="$(pgrep -P "$GROUPD") $(pgrep -P "$GROUPD_B") $GROUPD $GROUPD_B"
	BENCH_NAME="$ONLINE online," BENCH_SLICE_MS="${BENCH_ONLINE_MS:-8000}" \
		BENCH_WINDOW=64 IDLE_MS=6000 BURST=0 SUSTAIN_MS=5000 SUSTAIN_RATE=10 PIDS=$PIDS_ \
		RSS_BASE="$(for pid in $PIDS_; do rss "$pid"; done)" \
		SOCKET=$SOCKET TOKENS=$T/tokens "$BUILD/bench/wsclients" run ours \
		"${LISTEN_A##*:},${LISTEN##*:}" "$ONLINE" >"$T/online" &
	_clients=$!
	ours $_clients
	online_idle "$_before"
	wait $_clients || exit 1
	cat "$T/online" >>"$SAMPLES"
	awk -F'\t' -v commit="$COMMIT" '$1 ~ /one by one, to the last, p50$/ {
		printf "commit, by all of them\t%s\t%%\t%.2f\n", $2,
			100 * commit / $4 }' "$T/online" >>"$SAMPLES"
}
