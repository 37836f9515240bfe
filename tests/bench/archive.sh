#!/bin/sh
# SPDX-License-Identifier: MIT
# What archiving saves, and what it costs who reads: bytes a message, and pages
# of 50 and seeks a second, of a day that is archived and of one that is not, in
# turn, since only their ratio means something on a shared machine.
#
#   make all && sh tests/bench/archive.sh
#
# BENCH_GROUPS (2000) with BENCH_DAY (100) messages each: 100 bytes of words
# (BENCH_TEXT=random: of hexadecimal digits, of which half can be saved at the
# most) and a client_id of 36. BENCH_ROUNDS (3) of BENCH_SECONDS (3) each.
export GROUPFS_TEST_CLUSTER=1
. "$(dirname "$0")/../system/lib.sh"
GROUPS_=${BENCH_GROUPS:-2000}
DAY=${BENCH_DAY:-100}
COUNT=$((GROUPS_ * DAY))
case ${BENCH_TEXT:-words} in
random) text="left(md5(r::text) || md5(r::text || 'x') || md5(r::text || 'y') ||
	md5(r::text || 'z'), 100)" ;;
*) text="(select left(string_agg((array['the','of','and','deploy','server',
	'is','it','not','we','you','meeting','tomorrow','please','build','has',
	'failed','again','with','look','at','thanks','for','that','this','was',
	'what','have','from','they','lunch','review','branch','merged','will',
	'time','when','there','which','about','anyone'])
	[1 + floor(random() * 40)::int], ' '), 100)
	from generate_series(1, 24) where r is not null)" ;;
esac

need_engines
DB=$(basename "$T")
# ask SQL: each statement by itself.
ask() {
	echo "$1" | psql -XqAt -v ON_ERROR_STOP=1 -h "$POSTGRES" -U postgres "$DB"
}
# fill BUCKET FIRST: the groups behind FIRST have their messages on that day.
fill() {
	ask "select need_room('messages', $1, 20100, 1);
	insert into groups(group_id, epoch, name, created_by, created_ms,
		last_seq, last_off, last_jsonl_off, last_ms, last_bucket,
		max_members, info_ms, members_ms)
		select g, 1, 'g' || g, 'alice', 0, $DAY, $DAY * 140, $DAY * 260,
		$1 * 86400000::bigint + $DAY * 1000 + 999, $1, 10, 0, 0
		from generate_series($2 + 1, $2 + $GROUPS_) g;
	insert into segments select g, $1, 1, 0, 0, $1 * 86400000::bigint
		from generate_series($2 + 1, $2 + $GROUPS_) g;
	insert into messages select g, $1, s, (s - 1) * 140, 140, (s - 1) * 260,
		260, $1 * 86400000::bigint + s * 1000 + (random() * 999)::int, 0,
		1, 0, (array['alice','bob','carol','dave','mallory'])
		[1 + floor(random() * 5)::int], null, null,
		gen_random_uuid()::text::bytea, ($text)::bytea
		from (select g, s, random() as r from generate_series(1, $DAY) s,
		generate_series($2 + 1, $2 + $GROUPS_) g) x;
	vacuum analyze" >/dev/null
}
# scripts NAME FIRST
scripts() {
	echo "\\set g random($2 + 1, $2 + $GROUPS_)
\\set a random(0, greatest($DAY - 50, 0))
select * from read_log(:g, :a, 50, 9223372036854775807);" >"$T/$1.page"
	echo "\\set g random($2 + 1, $2 + $GROUPS_)
\\set a random(0, $DAY * 140 - 1)
select * from seek_log(:g, false, :a);" >"$T/$1.seek"
}
# size PARTITIONS: of all relations of the name.
size() {
	ask "select round(sum(pg_total_relation_size(oid))::numeric / $COUNT)
		from pg_class where relname like '$1%' and relkind = 'r'"
}
# rate SCRIPT: a second, by one connection.
rate() {
	pgbench -n -M prepared -h "$POSTGRES" -U postgres \
		-T "${BENCH_SECONDS:-3}" -f "$T/$1" "$DB" 2>/dev/null |
		sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

"$BUILD/groupctl" schema | psql -qX -h "$POSTGRES" -U groupfs "$DB"
echo "bench-archive: $COUNT messages" >&2
fill 20000 0
before=$(size messages_2)
echo "select need_room('archives', 20000, 0, 1)" | psql -qX -h "$POSTGRES" \
	-U groupfs "$DB" >/dev/null
began=$(date +%s%N)
ask "create procedure archive_all() language plpgsql as \$\$
declare a record; v_after bigint := 0;
begin
	loop
		select * into a from archive_some(20000, 20001, v_after, 500,
			1048576);
		commit;
		exit when a.o_ended = 1;
		v_after := a.o_after;
	end loop;
end \$\$;
call archive_all()"
ms=$((($(date +%s%N) - began) / 1000000))
fill 20001 "$GROUPS_"
echo "bytes a message: $before, archived $(size archives_2)"
echo "moved a second, by one connection: $((COUNT * 1000 / ms))"
scripts archived 0
scripts plain "$GROUPS_"
for round in $(seq "${BENCH_ROUNDS:-3}"); do
	echo "round $round: pages a second $(rate plain.page)," \
		"archived $(rate archived.page);" \
		"seeks $(rate plain.seek), archived $(rate archived.seek)"
done
