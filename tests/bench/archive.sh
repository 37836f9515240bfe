#!/bin/sh
# SPDX-License-Identifier: MIT
# What archiving saves, and what it costs who reads: bytes a message and pages
# of 50 a second, before and after, on the same server in the same run.
#
#   make all && sh tests/bench/archive.sh
#
# BENCH_GROUPS (2000) with BENCH_DAY (100) messages each, of one old day: 100
# bytes of words (BENCH_TEXT=random: of hexadecimal digits, which nothing
# compresses well), with a client_id of 36; BENCH_SECONDS (5) of reading.
export GROUPFS_TEST_CLUSTER=1
. "$(dirname "$0")/../system/lib.sh"
GROUPS_=${BENCH_GROUPS:-2000}
DAY=${BENCH_DAY:-100}
SECONDS_=${BENCH_SECONDS:-5}
case ${BENCH_TEXT:-words} in
random) text="substr(md5(r::text)||md5(r::text||'x')||md5(r::text||'y')||
	md5(r::text||'z'), 1, 100)" ;;
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
"$BUILD/groupctl" schema | psql -qX -h "$POSTGRES" -U groupfs "$DB"
echo "bench-archive: $((GROUPS_ * DAY)) messages" >&2
ask "select need_room('messages', 20000, 20100), need_room('archives', 20000, 20100);
insert into groups(group_id, epoch, name, created_by, created_ms, last_seq,
	last_off, last_jsonl_off, last_ms, last_bucket, max_members, info_ms, members_ms)
	select g, 1, 'g' || g, 'alice', 0, $DAY, $DAY * 140, $DAY * 260,
	20000 * 86400000::bigint + $DAY, 20000, 10, 0, 0
	from generate_series(1, $GROUPS_) g;
insert into segments select g, 20000, 1, 0, 0, 20000 * 86400000::bigint + 1
	from generate_series(1, $GROUPS_) g;
insert into messages select g, 20000, s, (s - 1) * 140, 140, (s - 1) * 260, 260,
	20000 * 86400000::bigint + s * 1000 + (random() * 999)::int, 0, 1, 0,
	(array['alice','bob','carol','dave','mallory'])[1 + floor(random() * 5)::int],
	null, null, gen_random_uuid()::text::bytea, ($text)::bytea
	from (select g, s, random() as r from generate_series(1, $DAY) s,
	generate_series(1, $GROUPS_) g) x;
vacuum analyze" >/dev/null
size() {
	ask "select round(sum(pg_total_relation_size(oid))::numeric /
		$((GROUPS_ * DAY)), 1) from pg_class
		where relname like '$1%' and relkind = 'r'"
}
echo "\\set g random(1, $GROUPS_)
\\set a random(0, greatest($DAY - 50, 0))
select * from read_log(:g, :a, 50, 9223372036854775807);" >"$T/page.sql"
echo "\\set g random(1, $GROUPS_)
\\set a random(0, $DAY * 140 - 1)
select * from seek_log(:g, false, :a);" >"$T/seek.sql"
# reads NAME: by one connection.
reads() {
	pgbench -n -M prepared -h "$POSTGRES" -U postgres -T "$SECONDS_" \
		-f "$T/$1.sql" "$DB" 2>/dev/null |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}
# report WHAT TABLES
report() {
	printf '%s\tbytes a message %s\tpages of 50 a second %s\tseeks a second %s\n' \
		"$1" "$(size "$2")" "$(reads page)" "$(reads seek)"
}
report "as messages" messages_
began=$(date +%s%N)
ask "create procedure archive_all() language plpgsql as \$\$
declare a record; v_after bigint := 0;
begin
	loop
		select * into a from archive_some(20000, 20001, v_after, 500);
		commit;
		exit when a.o_ended = 1;
		v_after := a.o_after;
	end loop;
end \$\$;
call archive_all()"
ms=$((($(date +%s%N) - began) / 1000000))
ask "vacuum analyze" >/dev/null
report "archived" archives_
echo "moved a second: $((GROUPS_ * DAY * 1000 / ms)), by one connection"
