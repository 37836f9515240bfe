#!/bin/sh
# SPDX-License-Identifier: MIT
# `groupctl schema` prints what groupd makes, and --citus what spreads it: each
# table and function once, by a column that all of its keys contain.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" = small ] && skip_all "it is the database's work"
D=${GROUPFS_TEST_POSTGRES:-$T/pg}
[ "$D" = "$T/pg" ] && mkdir "$D"
sh "$TOP/tests/support/postgres.sh" start "$D" $$ || skip_all "no PostgreSQL"
base=schema_$$
# sql DATABASE: runs standard input.
sql() {
	psql -qAtX -v ON_ERROR_STOP=1 -h "$D" -U groupfs "$1"
}
for name in made printed citus; do
	echo "CREATE DATABASE ${base}_$name" | sql postgres
done
drop_all() {
	for name in made printed citus; do
		echo "DROP DATABASE IF EXISTS ${base}_$name WITH (FORCE)" |
			sql postgres
	done
}
trap 'drop_all; cleanup' EXIT
# What a groupd makes is what a store is moved into.
mkdir "$T/data"
start_groupd
stop_groupd
dump() {
	pg_dump -sO -h "$D" -U groupfs -T 'messages_*' -T 'dedupe_*' \
		"${base}_$1" | grep -Ev '^(--|\\(un)?restrict)'
}
ok "a store is made" ctl migrate "sqlite:$T/data/groupd.db" \
	"postgresql://groupfs@/${base}_made?host=$D"
ctl schema >"$T/printed.sql"
ok "what is printed is made, too" sh -c \
	"psql -qX -v ON_ERROR_STOP=1 -h '$D' -U groupfs ${base}_printed \
	<'$T/printed.sql'"
dump made >"$T/made"
dump printed >"$T/printed"
same "and it is the same" "$T/made" "$T/printed"
ok "a store is moved into it" ctl migrate "sqlite:$T/data/groupd.db" \
	"postgresql://groupfs@/${base}_printed?host=$D"

# Stand-ins for what Citus has, that note what they are called with.
{
	cat <<'SQL'
CREATE SCHEMA citus;
CREATE TABLE citus.calls(n serial, what text, name text, by text, along text);
CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE sql
AS $$ INSERT INTO citus.calls(what,name) VALUES('everywhere',t::text) $$;
CREATE FUNCTION create_distributed_table(t regclass, c text,
	colocate_with text DEFAULT 'default') RETURNS void LANGUAGE sql
AS $$ INSERT INTO citus.calls(what,name,by,along)
	VALUES('table',t::text,c,colocate_with) $$;
CREATE FUNCTION create_distributed_function(f regprocedure,
	a text DEFAULT NULL, colocate_with text DEFAULT 'default')
RETURNS void LANGUAGE sql
AS $$ INSERT INTO citus.calls(what,name,by,along)
	VALUES('function',f::text,a,colocate_with) $$;
SQL
	ctl schema --citus
} >"$T/citus.sql"
ok "PostgreSQL takes what is for Citus" sh -c \
	"psql -qX -v ON_ERROR_STOP=1 -h '$D' -U groupfs ${base}_citus \
	<'$T/citus.sql'"
like "all are spread" "$(echo "SELECT count(*) FILTER (WHERE what<>'function'),
	count(*) FILTER (WHERE what='function'),count(*) FILTER (WHERE by='p_group')
	FROM citus.calls" | sql ${base}_citus)" '^(19|[2-9][0-9])[|][2-9][0-9][|]16$'
is "each table is spread, once" "$(sql ${base}_citus <<'SQL'
SELECT c.relname, count(k.n) FROM pg_class c
LEFT JOIN citus.calls k ON k.what<>'function' AND k.name=c.relname
WHERE c.relkind IN ('r','p') AND c.relnamespace='public'::regnamespace
GROUP BY 1 HAVING count(k.n)<>1
SQL
)" ""
is "each function is, too" "$(sql ${base}_citus <<'SQL'
SELECT p.proname, count(k.n) FROM pg_proc p
LEFT JOIN citus.calls k
	ON k.what='function' AND k.name::regprocedure=p.oid
WHERE p.pronamespace='public'::regnamespace AND p.proname NOT LIKE 'create\_%\_%'
GROUP BY 1 HAVING count(k.n)<>1
SQL
)" ""
is "each key has the column by which its table is spread" \
	"$(sql ${base}_citus <<'SQL'
SELECT i.indexrelid::regclass FROM pg_index i
JOIN citus.calls k ON k.what='table' AND k.name::regclass=i.indrelid
WHERE i.indisunique AND NOT EXISTS (SELECT 1 FROM pg_attribute a
	WHERE a.attrelid=i.indrelid AND a.attname=k.by
	AND a.attnum=ANY(i.indkey))
SQL
)" ""
is "what tables lie along with is spread before, by a column of its type" \
	"$(sql ${base}_citus <<'SQL'
SELECT k.name FROM citus.calls k WHERE k.along NOT IN ('none','default')
AND NOT EXISTS (SELECT 1 FROM citus.calls o WHERE o.name=k.along AND o.n<k.n
	AND (k.what='function' OR (SELECT atttypid FROM pg_attribute
		WHERE attrelid=o.name::regclass AND attname=o.by)=
	(SELECT atttypid FROM pg_attribute
		WHERE attrelid=k.name::regclass AND attname=k.by)))
SQL
)" ""
# Its text says what a function looks at.
is "a function that runs where its group lies needs nothing else" \
	"$(sql ${base}_citus <<'SQL'
SELECT k.name,t.name FROM citus.calls k
JOIN pg_proc p ON p.oid=k.name::regprocedure
JOIN citus.calls t ON t.what<>'function' AND t.by IS DISTINCT FROM 'group_id'
WHERE k.what='function' AND k.by IS NOT NULL
AND (p.prosrc ~ ('\m(FROM|INTO|UPDATE|JOIN) '||t.name||'\M')
	OR k.by<>p.proargnames[1])
SQL
)" ""
done_testing
